import numpy as np
import pytest
import torch

from trirl_robot.errors import ConfigError
from trirl_robot.irl.features import FeatureSelection
from trirl_robot.sim.env import make_env


@pytest.fixture(scope="module")
def contract():
    return make_env("so101-reach", num_envs=1, randomisation="none").contract


def select(contract, *inputs):
    observation, action = torch.arange(26.0)[None], torch.arange(100.0, 105.0)[None]
    following = torch.arange(200.0, 226.0)[None]
    return FeatureSelection(contract, inputs).select(observation, action, following)[0]


def test_inputs_are_taken_by_name_before_and_after_the_step(contract):
    place = contract.observation_slices["joint_velocity"].start
    assert select(contract, "joint_velocity").tolist() == [place + i for i in range(5)]
    after = select(contract, "next_joint_velocity").tolist()
    assert after == [200.0 + place + i for i in range(5)]
    assert select(contract, "action").tolist() == [100.0 + i for i in range(5)]
    assert select(contract, "observation", "next_observation").tolist() == [
        *range(26),
        *range(200, 226),
    ]
    one = select(contract, "joint_velocity.2", "next_joint_velocity.0", "action.4")
    assert one.tolist() == [place + 2, 200.0 + place, 104.0]


def test_a_length_stands_where_its_vector_would_stand(contract):
    place = contract.observation_slices["end_effector_to_target"].start
    first, after = np.arange(place, place + 3.0), np.arange(200.0 + place, 203.0 + place)
    read = select(
        contract,
        "next_end_effector_to_target.norm",
        "action.4",
        "end_effector_to_target.norm",
        "joint_velocity.2.norm",
    )
    velocity = contract.observation_slices["joint_velocity"].start + 2.0
    expected = [np.linalg.norm(after), 104.0, np.linalg.norm(first), velocity]
    np.testing.assert_allclose(read, expected, rtol=1e-6)
    assert FeatureSelection(contract, ("next_joint_velocity.norm",)).reads_next
    assert not FeatureSelection(contract, ("joint_velocity.norm", "action.norm")).reads_next


def test_an_absorbing_state_is_marked_and_nothing_else_is(contract):
    features = FeatureSelection(contract, ("joint_velocity",))
    seen = features(torch.randn(4, 26), torch.randn(4, 5))
    assert seen.shape == (4, features.size)
    assert torch.equal(seen[:, -1], torch.zeros(4))
    assert features.absorbing.tolist() == [0.0] * 5 + [1.0]


def test_only_what_reads_the_next_observation_needs_it(contract):
    assert FeatureSelection(contract, ("next_joint_velocity",)).reads_next
    assert not FeatureSelection(contract, ("observation", "action")).reads_next


@pytest.mark.parametrize("inputs", [("joint_velocity.5",), (), ("joint_velocitys",)])
def test_no_inputs_or_unknown_ones_are_refused(contract, inputs):
    with pytest.raises(ConfigError, match=r"no inputs|did you mean 'joint_velocity'"):
        FeatureSelection(contract, inputs)
