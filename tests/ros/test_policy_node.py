"""The policy node as a process, over DDS: what it does when things go wrong."""

import signal

import numpy as np
import pytest

from trirl_robot.errors import DeploymentError

pytestmark = [
    pytest.mark.ros,
    # raised by the parser that the ROS messages import
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

STEP = (0.0, 0.5, 0.0)
"""Target on which the obedient policy turns its first joint."""
BACK = (0.0, -0.5, 0.0)


def _moved(arm, duration_s: float = 0.5) -> float:
    """Return how far the command moves from now on."""
    arm.live(0.1)
    start, count = arm.commands[-1], len(arm.commands)
    arm.live(duration_s)
    assert len(arm.commands) > count, "a holding node goes on sending its pose"
    return float(np.max(np.abs(np.array(arm.commands[count:]) - start)))


def _recover(arm) -> None:
    arm.target = (0.0, 0.0, 0.0)
    arm.live(0.1)
    arm.client.recover()
    arm.target = BACK
    arm.live(0.3)
    assert _moved(arm) > 0.01


def test_commands_follow_the_policy_by_joint_name(policy_node, arm):
    policy_node(ramp_s=0.2)
    arm.bring_up()
    assert _moved(arm, 0.2) == 0.0
    start = arm.position.copy()
    arm.target = STEP
    arm.live(1.0)
    # half of the scale of 0.1 rad in each of about 20 cycles; the other joint stays
    assert 0.5 < arm.position[0] - start[0] < 1.2
    assert arm.position[1] == start[1]
    rows = [row for row in arm.trace if row.phase == "running"]
    assert all(np.array_equal(row.action, row.observation[-6 + 1 : -6 + 3]) for row in rows)
    sent = {tuple(row.command) for row in arm.trace}
    assert all(tuple(command) in sent for command in arm.commands[1:-1])


def test_stale_joint_states_latch_until_reset_and_activation(policy_node, arm):
    policy_node()
    arm.bring_up()
    arm.target = STEP
    arm.live(0.3)
    arm.joint_state = lambda message: None
    assert arm.latched("joint_state_stale")
    assert _moved(arm) == 0.0
    arm.joint_state = lambda message: message
    assert _moved(arm) == 0.0, "fresh joint states alone must not move a latched arm"
    with pytest.raises(DeploymentError, match="deactivate it, then reset"):
        _reset(arm)
    arm.client.change("deactivate")
    with pytest.raises(DeploymentError, match="latched by joint_state_stale"):
        arm.client.change("activate")
    _reset(arm)
    arm.client.activate_when_ready()
    arm.live(1.0)
    assert _moved(arm) > 0.01


def _reset(arm) -> None:
    from std_srvs.srv import Trigger

    client = arm.node.create_client(Trigger, "/trirl_policy/reset")
    response = arm.client.call(client, Trigger.Request())
    if not response.success:
        raise DeploymentError(response.message)


def _nan(message):
    message.position[0] = float("nan")
    return message


def _incomplete(message):
    message.name, message.position, message.velocity = (
        message.name[:1],
        message.position[:1],
        message.velocity[:1],
    )
    return message


def _backwards(message):
    message.header.stamp.sec -= 5
    return message


def test_bad_joint_state_holds_the_last_command(policy_node, arm):
    policy_node()
    arm.bring_up()
    for change, kind in (
        (_nan, "joint_state_not_finite"),
        (_incomplete, "joint_state_incomplete"),
        (_backwards, "joint_state_time_backwards"),
    ):
        arm.target = STEP
        arm.live(0.3)
        arm.joint_state = change
        assert arm.latched(kind)
        assert _moved(arm) == 0.0
        arm.joint_state = lambda message: message
        _recover(arm)


def test_nan_action_is_dropped_then_latches(policy_node, arm):
    policy_node()
    arm.bring_up()
    arm.target = (10.0, 0.5, 0.0)
    assert arm.latched("action_not_finite")
    assert int(arm.values["nonfinite_actions"]) == 3
    assert all(np.isfinite(command).all() for command in arm.commands)
    assert _moved(arm) == 0.0
    _recover(arm)


def test_action_out_of_range_is_clipped_then_latches(policy_node, arm, make_contract):
    policy_node(clipped_action_cycles=8)
    arm.bring_up()
    arm.commands.clear()
    arm.target = (0.0, 40.0, -40.0)
    assert arm.latched("action_out_of_range")
    contract = make_contract()
    commands = np.array(arm.commands)
    velocity = np.diff(commands, axis=0) * contract.control_rate_hz
    for joint, limit in enumerate(contract.limits):
        assert commands[:, joint].min() >= limit.position_min
        assert commands[:, joint].max() <= limit.position_max
        assert np.abs(velocity[:, joint]).max() <= limit.velocity + 1e-9
    assert np.abs(np.diff(velocity[:, 0])).max() * contract.control_rate_hz <= 12.0 + 1e-6
    assert int(arm.values["clipped_actions"]) == 8
    arm.live(0.5)  # the stop itself keeps to the acceleration limit
    assert _moved(arm) == 0.0
    _recover(arm)


def test_emergency_stop_needs_release_reset_and_activation(policy_node, arm):
    policy_node()
    arm.bring_up()
    arm.target = STEP
    arm.live(0.5)
    arm.press(True)
    assert arm.latched("emergency_stop")
    assert _moved(arm) == 0.0
    arm.client.change("deactivate")
    with pytest.raises(DeploymentError, match="still pressed"):
        _reset(arm)
    arm.press(False)
    arm.live(0.2)
    with pytest.raises(DeploymentError, match="latched by emergency_stop"):
        arm.client.change("activate")
    _reset(arm)
    arm.client.activate_when_ready()
    arm.live(1.0)
    assert _moved(arm) > 0.01


def test_new_policy_clears_neither_latch_nor_emergency_stop(policy_node, arm):
    policy_node()
    arm.bring_up()
    arm.press(True)
    assert arm.latched("emergency_stop")
    for transition in ("deactivate", "cleanup", "configure"):
        arm.client.change(transition, timeout_s=20.0)
    arm.live(0.3)
    with pytest.raises(DeploymentError, match="latched by emergency_stop"):
        arm.client.change("activate")
    with pytest.raises(DeploymentError, match="still pressed"):
        _reset(arm)
    arm.press(False)
    arm.live(0.2)
    _reset(arm)
    arm.client.activate_when_ready()
    arm.live(1.0)
    arm.target = STEP
    arm.live(0.3)
    assert _moved(arm) > 0.01


def test_emergency_stop_is_heard_before_a_policy_is_loaded(policy_node, arm):
    policy_node()
    arm.client.state(20.0)
    assert arm.live_until(arm.stop_is_connected)
    # a burst that a short queue would have lost the `true` of
    arm.press(True)
    for _ in range(200):
        arm.press(False)
    assert arm.latched("emergency_stop")
    arm.client.change("configure", timeout_s=20.0)
    arm.live(0.3)
    with pytest.raises(DeploymentError, match="latched by emergency_stop"):
        arm.client.change("activate")
    _reset(arm)
    arm.client.activate_when_ready()


def test_target_in_another_frame_is_refused_and_counted(policy_node, arm):
    policy_node(target_timeout_s=0.3)
    arm.bring_up()
    arm.frame = "world"
    arm.target = STEP
    assert arm.live_until(lambda: "'world', expected 'base'" in arm.values["last_refusal"])
    assert int(arm.values["refused_messages"]) > 0
    arm.live(0.5)
    assert _moved(arm) == 0.0
    arm.frame = "base"
    arm.live(0.3)
    assert _moved(arm) > 0.01


def test_lost_heartbeat_of_the_emergency_stop_latches(policy_node, arm):
    policy_node(emergency_stop_timeout_s=0.4)
    arm.client.change("configure", timeout_s=20.0)
    arm.live(0.5)
    with pytest.raises(DeploymentError, match="emergency stop has been silent"):
        arm.client.change("activate")
    beat = arm.node.create_timer(0.05, lambda: arm.press(False))
    arm.live(0.3)
    arm.client.activate_when_ready()
    arm.live(1.0)
    assert arm.values["latch"] == ""
    beat.cancel()
    assert arm.latched("heartbeat_lost")


def test_missing_target_holds_and_a_new_one_goes_on(policy_node, arm):
    policy_node(target_timeout_s=0.3)
    arm.bring_up()
    arm.target = STEP
    arm.live(0.3)
    arm.target = None
    arm.live(0.6)
    assert _moved(arm) == 0.0
    assert arm.values["latch"] == ""
    arm.target = STEP
    arm.live(0.3)
    assert _moved(arm, 0.3) > 0.01


def test_shadow_mode_shows_commands_and_sends_none(policy_node, arm):
    policy_node(mode="shadow")
    arm.bring_up()
    arm.target = STEP
    arm.live(0.5)
    assert not arm.commands
    assert np.allclose(arm.shadow[-1] - arm.position, [0.03, 0.0])  # from rest, at 12 rad/s^2


def test_invalid_lifecycle_requests_are_refused_and_survived(policy_node, arm):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    process = policy_node()
    change = arm.node.create_client(ChangeState, "/trirl_policy/change_state")
    for transition in (
        Transition(id=Transition.TRANSITION_ACTIVATE),
        Transition(id=250),
        Transition(label="fly"),
        Transition(label="deactivate"),
    ):
        request = ChangeState.Request(transition=transition)
        assert not arm.client.call(change, request, 20.0).success
    assert arm.client.state() == "unconfigured"
    arm.bring_up()
    assert not arm.client.call(change, ChangeState.Request(transition=Transition(id=1))).success
    assert arm.client.state() == "active"
    assert process.poll() is None


def _changed_weight(path) -> None:
    import onnx

    model = onnx.load(path)
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight.flat[0] += 0.01
    model.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(weight, model.graph.initializer[0].name)
    )
    onnx.save(model, path)


def _without_contract(path) -> None:
    import onnx

    model = onnx.load(path)
    rest = [e for e in model.metadata_props if e.key != "trirl.contract"]
    del model.metadata_props[:]
    model.metadata_props.extend(rest)
    onnx.save(model, path)


def test_configure_fails_on_a_bad_model_with_the_reason(policy_node, arm, obedient_file):
    good = obedient_file.read_bytes()
    process = policy_node()
    for damage, reason in (
        (_changed_weight, "graph or weights were changed"),
        (_without_contract, "without a contract"),
        (lambda path: path.unlink(), "no such file"),
    ):
        obedient_file.write_bytes(good)
        damage(obedient_file)
        with pytest.raises(DeploymentError, match=reason):
            arm.client.change("configure", timeout_s=20.0)
        assert arm.client.state() == "unconfigured"
    obedient_file.write_bytes(good)
    arm.bring_up()
    assert process.poll() is None


def test_bad_parameter_is_named(policy_node, arm):
    policy_node(mode="commandx")
    with pytest.raises(DeploymentError, match=r"mode: .*did you mean 'command'"):
        arm.client.change("configure", timeout_s=20.0)


def test_node_ends_cleanly_on_a_signal_and_stops_commanding(policy_node, arm):
    process = policy_node()
    arm.bring_up()
    process.send_signal(signal.SIGINT)
    assert process.wait(10.0) == 0
    arm.live(0.2)
    count = len(arm.commands)
    arm.live(0.3)
    assert len(arm.commands) == count
