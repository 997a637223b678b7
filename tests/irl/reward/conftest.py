import pytest

from trirl_robot.irl.features import FeatureSelection
from trirl_robot.sim.env import make_env


@pytest.fixture(scope="session")
def features():
    contract = make_env("so101-reach", num_envs=1, randomisation="none").contract
    return FeatureSelection(contract, ("joint_velocity", "end_effector_to_target", "action"))
