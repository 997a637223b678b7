"""Fixtures that several parts of the tree share."""

import dataclasses
import os
from collections.abc import Callable

import pytest
from hypothesis import settings

from trirl_robot.contract import (
    ActionField,
    JointLimits,
    JointScrew,
    Kinematics,
    ObservationField,
    PolicyContract,
)

# one thread, as in training: on two cores, threads of several processes only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a machine that is busy with something else is no defect
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

MakeContract = Callable[..., PolicyContract]


@pytest.fixture
def make_contract() -> MakeContract:
    """A two-joint contract with every kind of field; keywords replace fields of the contract."""

    def make(**replaced: object) -> PolicyContract:
        return dataclasses.replace(_TWO_JOINTS, **replaced)  # type: ignore[arg-type]

    return make


def _field(name: str, size: int, unit: str, **rest: object) -> ObservationField:
    return ObservationField(name=name, size=size, unit=unit, source=name, **rest)  # type: ignore[arg-type]


_TWO_JOINTS = PolicyContract(
    contract_version=1,
    robot="planar",
    joint_names=("turn", "push"),
    observation=(
        _field("joint_position", 2, "rad"),
        _field("joint_velocity", 2, "rad/s", scale=0.1),
        _field("joint_command", 2, "rad"),
        _field("previous_action", 2, "1"),
        _field("end_effector_position", 3, "m", frame="base"),
        _field("target_position", 3, "m", frame="base"),
        _field("end_effector_to_target", 3, "m", frame="base"),
    ),
    action=(
        ActionField(
            name="step",
            size=2,
            kind="joint_position_delta",
            unit="rad",
            scale=(0.1, 0.02),
            offset=(0.0, 0.0),
        ),
    ),
    control_rate_hz=20.0,
    limits=(
        JointLimits(
            joint="turn", position_min=-2.0, position_max=2.5, velocity=1.5, acceleration=12.0
        ),
        JointLimits(
            joint="push", position_min=0.0, position_max=0.3, velocity=0.2, acceleration=1.0
        ),
    ),
    default_joint_positions=(0.0, 0.1),
    kinematics=Kinematics(
        screws=(
            JointScrew(joint="turn", kind="hinge", axis=(0.0, 0.0, 1.0), anchor_m=(0.0, 0.0, 0.1)),
            JointScrew(joint="push", kind="slide", axis=(1.0, 0.0, 0.0), anchor_m=(0.2, 0.0, 0.1)),
        ),
        end_effector_m=(0.4, 0.0, 0.1),
    ),
    gripper=None,
)
