import dataclasses
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trirl_robot.contract import PolicyContract, contract_from_json, differences, require_same
from trirl_robot.errors import ConfigError, ContractError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
SHARED_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED_FIXTURE
@given(
    numbers=st.tuples(FINITE, FINITE),
    rate=POSITIVE,
    scale=POSITIVE,
    name=st.text(min_size=1, max_size=8),
)
def test_a_contract_survives_json_at_full_precision(make_contract, numbers, rate, scale, name):
    contract = make_contract(robot=name, default_joint_positions=numbers, control_rate_hz=rate)
    field = dataclasses.replace(contract.action[0], scale=(scale, -scale))
    contract = dataclasses.replace(contract, action=(field,))
    again = contract_from_json(contract.to_json(), "memory")
    assert again == contract
    assert again.sha256 == contract.sha256
    assert again.default_joint_positions == numbers


@SHARED_FIXTURE
@given(position=st.floats(-1e300, 1e300))
def test_a_change_of_one_bit_changes_the_hash(make_contract, position):
    neighbour = math.nextafter(position, math.inf)
    first = make_contract(default_joint_positions=(position, 0.0))
    second = make_contract(default_joint_positions=(neighbour, 0.0))
    assert (first.sha256 == second.sha256) == (first == second)


def test_equal_numbers_hash_alike_however_they_are_spelt(make_contract):
    as_float = make_contract(control_rate_hz=20.0, default_joint_positions=(0.0, 0.1))
    as_written = make_contract(control_rate_hz=20, default_joint_positions=(-0.0, 0.1))
    assert as_float.sha256 == as_written.sha256


def test_the_hash_does_not_depend_on_the_order_of_keys(make_contract):
    contract = make_contract()
    data = json.loads(contract.to_json())
    shuffled = json.dumps(dict(reversed(list(data.items()))), indent=3)
    assert contract_from_json(shuffled, "memory").sha256 == contract.sha256


def test_differences_name_the_place_and_both_sides(make_contract):
    first = make_contract()
    limits = (dataclasses.replace(first.limits[0], velocity=9.0), first.limits[1])
    second = make_contract(robot="other", limits=limits)
    assert differences(first, first) == []
    assert differences(first, second) == [
        "limits[turn].velocity: 1.5 != 9.0",
        'robot: "planar" != "other"',
    ]


def test_require_same_shows_both_files_and_counts_the_rest(make_contract):
    first = make_contract()
    second = make_contract(
        robot="other",
        joint_names=("turn", "pull"),
        limits=(first.limits[0], dataclasses.replace(first.limits[1], joint="pull")),
        control_rate_hz=50.0,
        kinematics=None,
        observation=first.observation[:1],
        default_joint_positions=(1.0, 1.0),
    )
    require_same(first, first, "a", "b")
    with pytest.raises(ContractError, match=r"demos\.hdf5 .*policy\.onnx.*and \d+ more") as caught:
        require_same(first, second, "demos.hdf5", "policy.onnx")
    assert "20.0 != 50.0" in str(caught.value)


def test_require_same_shows_first_that_the_robots_differ(make_contract):
    first, second = make_contract(), make_contract(robot="other", control_rate_hz=50.0)
    with pytest.raises(ContractError, match=r'of b: robot: "planar" != "other"; control_rate_hz'):
        require_same(first, second, "a", "b")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.update(contract_version=2), "contract version is 2"),
        (lambda d: d.pop("contract_version"), "contract version is None"),
        (lambda d: d.pop("limits"), "key 'limits' is missing"),
        (lambda d: d.update(control_rate="20"), "did you mean 'control_rate_hz'"),
        (lambda d: d.update(control_rate_hz="20"), "control_rate_hz: expected a number"),
        (lambda d: d.update(control_rate_hz=float("nan")), "expected a finite number"),
        (lambda d: d.update(control_rate_hz=10**400), "expected a finite number"),
        (lambda d: d["limits"].reverse(), "not in the order of joint_names"),
        (lambda d: d["action"][0].update(kind="joint_torque"), "unknown value 'joint_torque'"),
    ],
)
def test_a_damaged_contract_is_refused_with_the_file_in_the_message(make_contract, edit, message):
    data = json.loads(make_contract().to_json())
    edit(data)
    with pytest.raises(ContractError, match=message) as caught:
        contract_from_json(json.dumps(data), "policy.onnx")
    assert str(caught.value).startswith("policy.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_not_a_json_object_is_refused(text):
    with pytest.raises(ContractError, match="demos: the contract is not"):
        contract_from_json(text, "demos")


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"joint_names": ("turn", "turn")}, "joint names repeat"),
        ({"observation": ()}, "no observation field"),
        ({"action": ()}, "expected one action field, got 0"),
        ({"control_rate_hz": 0.0}, "expected more than 0"),
        ({"history_length": 2}, "only 1 is supported"),
        ({"default_joint_positions": (0.0,)}, "default_joint_positions has 1 values for 2 joints"),
        ({"kinematics": None}, "needs kinematics"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(make_contract, replaced, message):
    with pytest.raises(ConfigError, match=message):
        make_contract(**replaced)


@pytest.mark.parametrize(
    ("index", "size", "message"),
    [(0, 3, "3 values for 2 joints"), (3, 1, "1 values for 2 joints"), (5, 2, "expected 3")],
)
def test_a_field_of_the_wrong_size_is_refused(make_contract, index, size, message):
    fields = list(make_contract().observation)
    fields[index] = dataclasses.replace(fields[index], size=size)
    with pytest.raises(ConfigError, match=message):
        make_contract(observation=tuple(fields))


def test_a_zero_scale_an_empty_range_and_a_long_axis_are_refused(make_contract):
    contract: PolicyContract = make_contract()
    action = dataclasses.replace(contract.action[0], scale=(0.1, 0.0))
    with pytest.raises(ConfigError, match="scale of 0"):
        make_contract(action=(action,))
    limit = dataclasses.replace(contract.limits[0], position_min=3.0)
    with pytest.raises(ConfigError, match="limits of 'turn' are empty"):
        make_contract(limits=(limit, contract.limits[1]))
    screw = dataclasses.replace(contract.kinematics.screws[0], axis=(0.0, 0.0, 2.0))
    kinematics = dataclasses.replace(contract.kinematics, screws=(screw,))
    with pytest.raises(ConfigError, match="'turn' is not a unit vector"):
        make_contract(kinematics=kinematics)


def test_slices_cover_the_observation_without_gaps(make_contract):
    contract = make_contract()
    stops = [0]
    for part in contract.observation_slices.values():
        assert part.start == stops[-1]
        stops.append(part.stop)
    assert stops[-1] == contract.observation_size == 17
    assert contract.action_size == 2
    assert contract.control_period_s == 0.05


def test_controls_of_simulated_actuators_alone_need_no_limits(make_contract):
    contract: PolicyContract = make_contract()
    field = dataclasses.replace(contract.action[0], kind="actuator_control", unit="1")
    unlimited = make_contract(action=(field,), limits=())
    assert contract_from_json(unlimited.to_json(), "memory") == unlimited
    with pytest.raises(ConfigError, match="limits are not in the order"):
        make_contract(action=(field,), limits=contract.limits[:1])
    for kind in ("joint_position", "joint_position_delta"):
        with pytest.raises(ConfigError, match="limits are not in the order"):
            make_contract(action=(dataclasses.replace(field, kind=kind),), limits=())
