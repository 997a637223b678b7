import dataclasses

import numpy as np
import pytest

from trirl_robot.contract import ObservationField
from trirl_robot.errors import ContractError
from trirl_robot.observation import ObservationBuilder, Signals


def signals(*batch: int) -> Signals:
    random = np.random.default_rng(3)
    return Signals(
        joint_position=random.uniform(-1, 1, (*batch, 2)),
        joint_velocity=random.uniform(-1, 1, (*batch, 2)),
        joint_command=random.uniform(-1, 1, (*batch, 2)),
        previous_action=random.uniform(-1, 1, (*batch, 2)),
        target_position=random.uniform(-1, 1, (*batch, 3)),
    )


def planar_end_effector(turn, push):
    """The fixture's arm by trigonometry: a turntable at 0.1 m height, a slide along its x axis."""
    reach = 0.4 + push
    return np.stack([reach * np.cos(turn), reach * np.sin(turn), np.full_like(turn, 0.1)], axis=-1)


def test_fields_come_in_the_contract_s_order_with_their_scale(make_contract):
    contract = make_contract()
    given = signals(4)
    observation = ObservationBuilder(contract).build(given)
    end_effector = planar_end_effector(given.joint_position[:, 0], given.joint_position[:, 1])
    expected = {
        "joint_position": given.joint_position,
        "joint_velocity": 0.1 * given.joint_velocity,
        "joint_command": given.joint_command,
        "previous_action": given.previous_action,
        "end_effector_position": end_effector,
        "target_position": given.target_position,
        "end_effector_to_target": given.target_position - end_effector,
    }
    assert observation.shape == (4, 17)
    for name, part in contract.observation_slices.items():
        np.testing.assert_allclose(observation[:, part], expected[name], atol=1e-15, err_msg=name)


def test_another_order_of_fields_moves_the_values_with_it(make_contract):
    contract = make_contract()
    turned = dataclasses.replace(contract, observation=contract.observation[::-1])
    given = signals(3)
    straight, reverse = (ObservationBuilder(c).build(given) for c in (contract, turned))
    for name, part in contract.observation_slices.items():
        np.testing.assert_array_equal(
            reverse[:, turned.observation_slices[name]], straight[:, part]
        )


def test_one_robot_and_nested_batches_work_alike(make_contract):
    builder = ObservationBuilder(make_contract())
    nested = signals(2, 3)
    observation = builder.build(nested)
    assert observation.shape == (2, 3, 17)
    given = {f.name: getattr(nested, f.name) for f in dataclasses.fields(nested)}
    rows = {name: values[1, 2] for name, values in given.items() if values is not None}
    np.testing.assert_array_equal(builder.build(Signals(**rows)), observation[1, 2])


def test_a_contract_without_kinematics_still_builds(make_contract):
    contract = make_contract()
    contract = dataclasses.replace(contract, observation=contract.observation[:4], kinematics=None)
    assert ObservationBuilder(contract).build(signals(2)).shape == (2, 8)


def test_what_the_simulation_alone_knows_is_refused(make_contract):
    fields = make_contract().observation
    contact = dataclasses.replace(fields[0], name="contact_force", source="simulation")
    with pytest.raises(ContractError, match=r"reads contact_force, which the simulation"):
        ObservationBuilder(make_contract(observation=(*fields, contact)))


def test_the_object_as_seen_from_hand_and_target(make_contract):
    fields = tuple(
        ObservationField(name=name, size=size, unit="m", source=name)
        for name, size in (
            ("object_position", 3),
            ("object_orientation", 4),
            ("end_effector_to_object", 3),
            ("object_to_target", 3),
        )
    )
    builder, given = ObservationBuilder(make_contract(observation=fields)), signals(5)
    with pytest.raises(ContractError, match=r"reads 'object_position' \(object_position\), and"):
        builder.build(given)
    generator = np.random.default_rng(1)
    place, turn = generator.standard_normal((5, 3)), generator.standard_normal((5, 4))
    hand = generator.standard_normal((5, 3))
    seen = dataclasses.replace(
        given, object_position=place, object_orientation=turn, end_effector_position=hand
    )
    expected = np.hstack([place, turn, place - hand, given.target_position - place])
    np.testing.assert_allclose(builder.build(seen), expected)
