"""The control core without ROS: every row of the fault table, with a clock of the test's own."""

import dataclasses

import numpy as np
import pytest

from trirl_robot.errors import ConfigError, ContractError, DeploymentError, StaleObservationError

pytest.importorskip("rclpy")

PERIOD_S = 0.05


class Policy:
    """Answers with what the test says, and remembers what it was asked."""

    def __init__(self, contract) -> None:
        self.contract = contract
        self.action = np.array([0.5, 0.0])
        self.asked = []

    def run(self, *, observation):
        self.asked.append(observation[0])
        return self.action[None].astype(np.float32)


class Bench:
    """Core, policy and a perfect arm on one clock."""

    def __init__(self, contract, **settings) -> None:
        from trirl_policy.core import ControlCore
        from trirl_policy.settings import Settings

        self.policy = Policy(contract)
        self.core = ControlCore(self.policy, Settings(**{"ramp_s": 0.0, **settings}))
        self.now_s = 100.0
        self.position = np.array(contract.default_joint_positions)
        self.follow = True

    def joint_state(self, **changed) -> None:
        message = {
            "names": ["push", "gripper", "turn"],
            "position": [self.position[1], 7.0, self.position[0]],
            "velocity": [0.0, 0.0, 0.0],
            "stamp_ns": int(self.now_s * 1e9),
            **changed,
        }
        self.core.on_joint_state(**message, now_s=self.now_s)

    def start(self) -> None:
        self.joint_state()
        self.core.activate(self.now_s)
        self.core.on_target((0.1, 0.2, 0.3), self.now_s)

    def cycle(self, *, joints=True, target=True, missed=False):
        self.now_s += PERIOD_S
        if joints:
            self.joint_state()
        if target:
            self.core.on_target((0.1, 0.2, 0.3), self.now_s)
        outcome = self.core.cycle(self.now_s, missed_deadline=missed)
        if self.follow:
            self.position = outcome.command
        return outcome

    def cycles(self, count, **how):
        return [self.cycle(**how) for _ in range(count)]

    @property
    def latch(self):
        return self.core.latch.kind if self.core.latch else None

    def holds(self) -> bool:
        commands = [outcome.command for outcome in self.cycles(10)]
        return bool(np.all(np.array(commands) == commands[0]))


@pytest.fixture
def bench(make_contract):
    def make(**settings):
        made = Bench(make_contract(), **settings)
        made.start()
        return made

    return make


def test_observation_is_matched_by_name_and_command_adds_up(bench, make_contract):
    b = bench()
    start = b.position.copy()
    outcomes = b.cycles(3)
    places = make_contract().observation_slices
    asked = b.policy.asked[0]
    assert asked[places["joint_position"]] == pytest.approx(start)
    assert asked[places["target_position"]] == pytest.approx([0.1, 0.2, 0.3])
    assert asked[places["previous_action"]] == pytest.approx([0, 0])
    assert b.policy.asked[1][places["previous_action"]] == pytest.approx([0.5, 0.0])
    assert b.policy.asked[2][places["joint_command"]] == pytest.approx(outcomes[1].command)
    # 0.05 rad a cycle are wished; at 12 rad/s^2 the first cycle may do 0.03
    assert [o.command[0] for o in outcomes] == pytest.approx([0.03, 0.08, 0.13])
    assert {o.command[1] for o in outcomes} == {start[1]}


def test_ramp_grows_from_the_measured_pose(bench):
    b = bench(ramp_s=1.0)
    b.policy.action = np.array([0.2, 0.0])
    first, *_, last = b.cycles(20)
    assert first.phase == "ramping"
    assert first.command[0] == pytest.approx(0.02 * PERIOD_S)
    assert b.cycle().phase == "running"
    # the sum of a linear ramp
    assert last.command[0] == pytest.approx(0.02 * PERIOD_S * sum(range(1, 21)))


@pytest.mark.parametrize("ramp_s", [0.0, 1.0])
def test_a_policy_of_velocities_moves_an_arm_that_takes_positions(make_contract, ramp_s):
    contract = make_contract()
    velocity = dataclasses.replace(contract.action[0], kind="joint_velocity", scale=(0.4, 0.1))
    b = Bench(dataclasses.replace(contract, action=(velocity,)), ramp_s=ramp_s)
    b.start()
    outcomes = b.cycles(20)
    ramp = np.minimum(1.0, np.arange(1, 21) * PERIOD_S / max(ramp_s, PERIOD_S))
    assert [o.command[0] for o in outcomes] == pytest.approx(np.cumsum(0.5 * 0.4 * PERIOD_S * ramp))
    b.policy.action = np.zeros(2)
    assert b.holds()


def test_ramp_begins_with_the_first_action_however_long_the_arm_held(bench):
    b = bench(ramp_s=1.0, target_timeout_s=0.1)
    b.policy.action = np.array([0.2, 0.0])
    assert {o.phase for o in b.cycles(40, target=False)[5:]} == {"holding"}
    share = 0.02 * PERIOD_S
    for _ in range(2):  # after activation, and after each pause of the target
        start = b.position[0]
        first, second = b.cycles(2)
        assert (first.phase, second.phase) == ("ramping", "ramping")
        assert np.subtract([first.command[0], second.command[0]], start) == pytest.approx(
            [share, 3 * share]
        )
        b.cycles(18)
        assert b.cycle().phase == "running"
        assert b.cycles(8, target=False)[-1].phase == "holding"


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"position": [np.nan, 7.0, 0.0]}, "joint_state_not_finite"),
        ({"velocity": [0.0, 0.0, np.inf]}, "joint_state_not_finite"),
        ({"names": ["push", "gripper", "twist"]}, "joint_state_incomplete"),
        ({"velocity": []}, "joint_state_incomplete"),
        ({"stamp_ns": 5}, "joint_state_time_backwards"),
    ],
)
def test_faulty_joint_state_latches_and_holds_at_once(bench, changed, kind):
    b = bench()
    before = b.cycles(5)[-1].command
    b.joint_state(**changed)
    assert b.cycle(joints=False).command == pytest.approx(before, abs=0)
    assert b.latch == kind
    assert b.holds()


@pytest.mark.parametrize(
    "changed",
    [
        {"names": ["push", "turn"]},
        {"names": ["push", "turn", "turn"]},
        {"position": [0.0]},
    ],
)
def test_malformed_joint_state_is_refused_without_a_stop(bench, changed):
    b = bench()
    b.joint_state(**changed)
    assert b.core.joints.refused == 1
    assert b.core.counts.refused_messages == 1
    assert "joint state" in b.core.last_refusal
    assert b.cycle().phase == "running"


def test_joint_states_of_other_devices_are_ignored(bench):
    b = bench()
    b.joint_state(names=["a", "b", "c"], position=[np.nan] * 3)
    b.joint_state(names=[], position=[], velocity=[])
    assert b.cycle().phase == "running"
    assert b.core.joints.refused == 0


def test_joint_state_that_repeats_its_stamp_grows_stale(bench):
    b = bench()
    b.cycles(3)
    frozen = int(b.now_s * 1e9)
    for _ in range(6):
        b.joint_state(stamp_ns=frozen)
        b.cycle(joints=False)
    assert b.latch == "joint_state_stale"
    assert "does not advance" in b.core.latch.message


def test_stale_joint_state_latches_after_the_time_out(bench):
    b = bench(joint_state_timeout_s=0.2)
    phases = [o.phase for o in b.cycles(5, joints=False)]
    assert phases == ["running"] * 4 + ["latched"]
    assert b.holds()


def test_first_cause_is_kept(bench):
    b = bench()
    b.core.on_emergency_stop(True, b.now_s)
    b.joint_state(position=[np.nan] * 3)
    b.cycle(joints=False)
    assert b.latch == "emergency_stop"
    assert b.core.counts.latches == 1


def test_emergency_stop_brakes_within_the_acceleration_limit(bench):
    b = bench()
    b.policy.action = np.array([0.75, 0.0])
    moving = b.cycles(5)
    b.core.on_emergency_stop(True, b.now_s)
    stopping = b.cycles(6)
    turn = np.array([o.command[0] for o in moving[-2:] + stopping])
    velocity = np.diff(turn) / PERIOD_S
    assert velocity[0] == pytest.approx(1.5)
    assert velocity[1:] == pytest.approx([0.9, 0.3, 0, 0, 0, 0], abs=1e-9)
    assert all(o.phase == "latched" for o in stopping)


def test_no_motion_before_reset_and_new_activation(bench):
    b = bench()
    b.cycles(3)
    b.core.on_emergency_stop(True, b.now_s)
    assert b.cycle().phase == "latched"
    with pytest.raises(DeploymentError, match="still pressed"):
        b.core.reset()
    b.core.on_emergency_stop(False, b.now_s)
    with pytest.raises(DeploymentError, match="still active"):
        b.core.reset()
    b.cycles(5)
    assert b.holds()
    b.core.deactivate()
    with pytest.raises(DeploymentError, match="latched by emergency_stop"):
        b.core.activate(b.now_s)
    b.core.reset()
    b.joint_state()
    assert b.cycle().phase == "inactive"
    b.core.activate(b.now_s)
    assert b.cycle().phase == "running"


def test_emergency_stop_while_inactive_latches(bench):
    b = bench()
    b.core.deactivate()
    b.core.on_emergency_stop(True, b.now_s)
    b.core.on_emergency_stop(False, b.now_s)
    with pytest.raises(DeploymentError, match="emergency_stop"):
        b.core.activate(b.now_s)


def test_heartbeat(bench, make_contract):
    silent = Bench(make_contract(), emergency_stop_timeout_s=0.12)
    with pytest.raises(StaleObservationError, match="silent"):
        silent.start()
    silent.core.on_emergency_stop(False, silent.now_s)
    silent.start()
    assert [o.phase for o in silent.cycles(3)] == ["running", "running", "latched"]
    assert silent.latch == "heartbeat_lost"


def test_nonfinite_actions_are_dropped_then_latch(bench):
    b = bench(nonfinite_action_cycles=3)
    before = b.cycles(4)[-1].command
    b.policy.action = np.array([np.nan, 0.0])
    outcomes = b.cycles(2)
    assert [o.phase for o in outcomes] == ["running"] * 2
    assert all(np.array_equal(o.command, before) for o in outcomes)
    b.policy.action = np.array([0.0, 0.0])
    assert b.cycle().phase == "running"
    b.policy.action = np.array([0.0, -np.inf])
    b.cycles(3)
    assert b.latch == "action_not_finite"
    assert b.holds()


def test_out_of_range_actions_are_clipped_counted_and_latch(bench):
    b = bench(clipped_action_cycles=4)
    b.policy.action = np.array([30.0, 0.0])
    outcomes = b.cycles(4)
    assert outcomes[2].phase == "running"
    assert b.latch == "action_out_of_range"
    steps = np.diff([o.command[0] for o in outcomes])
    assert np.all(steps <= 1.5 * PERIOD_S + 1e-12)
    assert b.core.counts.clipped_actions == 4
    assert b.core.counts.velocity_limited > 0


def test_commands_that_stay_at_a_limit_latch(bench):
    b = bench(limited_cycles=30)
    b.policy.action = np.array([0.7, 0.0])
    outcomes = b.cycles(80)
    assert b.latch == "command_limited"
    assert max(o.command[0] for o in outcomes) == pytest.approx(2.5)
    assert b.core.counts.position_limited >= 30 - 2


def test_blocked_arm_latches(bench):
    b = bench(tracking_error=0.2, tracking_error_cycles=3)
    b.follow = False
    b.cycles(20)
    assert b.latch == "tracking_error"
    assert "turn" in b.core.latch.message


def test_missed_deadlines_latch_within_a_window_only(bench):
    b = bench(deadline_misses=3, deadline_window_cycles=10)
    for _ in range(8):
        b.cycle(missed=True)
        b.cycles(9)
    assert b.latch is None
    b.cycle(missed=True)
    b.cycle()
    b.cycles(2, missed=True)
    assert b.latch == "deadlines_missed"


def test_stale_target_holds_and_goes_on(bench):
    b = bench(target_timeout_s=0.1)
    b.cycles(5)
    held = b.cycles(20, target=False)
    assert held[-1].phase == "holding"
    assert held[-1].command[0] == held[-5].command[0]
    assert np.isnan(held[-1].observation).all()
    assert b.cycle().phase == "running"
    assert b.latch is None


def test_stale_target_latches_when_so_configured(bench):
    b = bench(target_timeout_s=0.1, target_stale="latch")
    b.cycles(5, target=False)
    assert b.latch == "target_stale"


def test_bad_targets_are_refused(bench, make_contract):
    b = bench()
    b.core.on_target((np.nan, 0.0, 0.0), b.now_s)
    b.core.on_target((0.0, 0.0), b.now_s)
    assert b.core.counts.refused_messages == 2
    b.core.on_target((9.0, 9.0, 9.0), b.now_s, "world")
    assert b.core.counts.refused_messages == 3
    assert b.core.last_refusal == "a target is in the frame 'world', expected 'base'"
    place = make_contract().observation_slices["target_position"]
    assert b.cycle(target=False).observation[place] == pytest.approx([0.1, 0.2, 0.3])
    b.core.on_target((0.4, 0.2, 0.3), b.now_s, "base")
    assert b.cycle(target=False).observation[place] == pytest.approx([0.4, 0.2, 0.3])


def test_activation_does_not_chase_a_target_of_before(bench):
    b = bench(target_timeout_s=0.0)
    b.cycle()
    b.core.deactivate()
    b.joint_state()
    b.core.activate(b.now_s)
    assert b.cycle(target=False).phase == "holding"


def test_activation_needs_a_fresh_pose_within_the_limits(make_contract):
    b = Bench(make_contract())
    with pytest.raises(StaleObservationError, match="no joint state"):
        b.core.activate(b.now_s)
    b.position = np.array([2.9, 0.1])
    b.joint_state()
    with pytest.raises(DeploymentError, match=r"turn is at 2\.900"):
        b.core.activate(b.now_s)
    assert b.cycle().phase == "inactive"


@pytest.mark.parametrize("turn", [2.58, -2.08])
def test_activation_outside_the_limits_comes_back_slowly(make_contract, turn):
    b = Bench(make_contract(), activation_margin=0.1)
    b.policy.action = np.zeros(2)
    b.position = np.array([turn, 0.1])
    b.start()
    path = np.array([turn, *(o.command[0] for o in b.cycles(10))])
    velocity = np.diff(path, prepend=turn) / PERIOD_S
    assert np.abs(velocity).max() <= 1.5 + 1e-9
    assert np.abs(np.diff(velocity)).max() <= 12.0 * PERIOD_S + 1e-9
    # it brakes just inside
    assert path[-1] == path[-2] == pytest.approx(np.clip(turn, -2.0, 2.5), abs=0.03)
    assert -2.0 <= path[-1] <= 2.5
    assert b.latch is None


def test_an_arm_held_outside_its_limits_is_not_thrown_inside(make_contract):
    b = Bench(make_contract())
    b.position = np.array([2.58, 0.1])
    b.joint_state()
    b.core.activate(b.now_s)
    assert {o.command[0] for o in b.cycles(20, target=False)} == {2.58}
    b.core.on_emergency_stop(True, b.now_s)
    assert {o.command[0] for o in b.cycles(5)} == {2.58}


def test_latch_and_emergency_stop_outlive_the_policy(bench):
    from trirl_policy.core import ControlCore

    b = bench()
    b.core.on_emergency_stop(True, b.now_s)
    b.core = ControlCore(b.policy, b.core.settings, b.core.safety)
    b.joint_state()
    with pytest.raises(DeploymentError, match="latched by emergency_stop"):
        b.core.activate(b.now_s)
    with pytest.raises(DeploymentError, match="still pressed"):
        b.core.reset()
    b.core.on_emergency_stop(False, b.now_s)
    b.core.reset()
    b.core.activate(b.now_s)


def test_error_around_the_core_latches_and_holds_at_once(bench):
    b = bench()
    before = b.cycles(5)[-1].command
    b.core.stop_for("ValueError: once")
    assert b.latch == "internal_error"
    assert b.cycle().command == pytest.approx(before, abs=0)
    assert b.holds()


def test_shadow_mode_starts_each_cycle_from_the_arm(bench):
    b = bench(mode="shadow", tracking_error=0.01, tracking_error_cycles=1, limited_cycles=5)
    b.follow = False
    outcomes = b.cycles(20)
    assert all(o.phase == "running" for o in outcomes)
    assert {round(o.command[0], 9) for o in outcomes} == {0.03}


def test_trace_row_is_read_back(bench, make_contract):
    from trirl_policy.trace import decode, encode, layout

    b = bench()
    outcome = b.cycle()
    row = encode(outcome, stamp_s=12.5, cycle=7, late_s=0.001)
    assert len(row) == sum(size for _, size in layout(make_contract()))
    read = decode(row, make_contract())
    assert (read.stamp_s, read.cycle, read.phase, read.late_s) == (12.5, 7, "running", 0.001)
    for name in ("observation", "action", "command"):
        assert np.array_equal(getattr(read, name), getattr(outcome, name))


@pytest.mark.parametrize(
    "settings",
    [{"joint_state_timeout_s": 0.0}, {"ramp_s": -1.0}, {"deadline_misses": 51}, {"ramp_s": np.inf}],
)
def test_settings_without_meaning_are_refused(settings):
    from trirl_policy.settings import Settings

    with pytest.raises(ConfigError, match=next(iter(settings))):
        Settings(**settings)


def test_policy_of_a_simulated_benchmark_is_refused(make_contract):
    action = dataclasses.replace(make_contract().action[0], kind="actuator_control", unit="1")
    with pytest.raises(ContractError, match="no robot can be commanded with"):
        Bench(make_contract(action=(action,), limits=()))
    field = dataclasses.replace(make_contract().observation[0], source="simulation")
    with pytest.raises(ContractError, match="reads joint_position, which the simulation"):
        Bench(make_contract(observation=(field, *make_contract().observation[1:])))


def test_policy_that_needs_to_see_an_object_is_refused(make_contract):
    first, *rest = make_contract().observation
    field = dataclasses.replace(first, name="cube", source="object_position", size=3, unit="m")
    with pytest.raises(ContractError, match="reads cube, and this node has no source"):
        Bench(make_contract(observation=(first, field, *rest)))
