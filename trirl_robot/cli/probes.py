"""Small programs that `trirl doctor` runs in processes of their own, as `python -m … NAME`.

A renderer or a middleware that is broken may crash the process or hang; it must not take the
doctor with it. Each probe prints what it found on success and ends with an exception otherwise.
"""

from __future__ import annotations

import sys
import time

ROS_TOPIC = "trirl_doctor"
ROS_SECONDS = 30.0
"""How long the listener waits for the other process, once both could start [s]."""

_SCENE = """
<mujoco><visual><quality offsamples="0"/></visual><worldbody>
  <light pos="0 0 3"/><geom type="sphere" size="0.5" rgba="1 0.2 0.1 1"/>
  <camera name="eye" pos="0 -2 0" xyaxes="1 0 0 0 0 1"/>
</worldbody></mujoco>
"""


def render() -> str:
    """Render one frame of a red ball with the renderer that MUJOCO_GL names."""
    import mujoco  # noqa: PLC0415  # the probe is about this import

    model = mujoco.MjModel.from_xml_string(_SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    started = time.perf_counter()
    with mujoco.Renderer(model, 64, 64) as renderer:
        renderer.update_scene(data, "eye")
        red, green, _ = (int(v) for v in renderer.render()[32, 32])
    if red < 2 * green or red < 20:
        raise RuntimeError(f"the frame's centre should be red, got red {red}, green {green}")
    return f"a frame in {time.perf_counter() - started:.1f} s"


def dm_control() -> str:
    """Load a model through dm_control, which breaks with a MuJoCo that does not suit it."""
    from dm_control import mujoco as wrapped  # noqa: PLC0415

    physics = wrapped.Physics.from_xml_string(_SCENE)
    physics.step()
    return "loads and steps a model"


def ros_publish() -> str:
    """Publish numbers until the listener has had time to receive one."""
    import rclpy  # noqa: PLC0415
    from std_msgs.msg import Int64  # noqa: PLC0415

    rclpy.init()
    node = rclpy.create_node("trirl_doctor_publisher")
    publisher = node.create_publisher(Int64, ROS_TOPIC, 10)
    # the listener may start later than this process; the doctor ends it before
    end = time.monotonic() + 2 * ROS_SECONDS
    number = 0
    while time.monotonic() < end:
        publisher.publish(Int64(data=number))
        number += 1
        time.sleep(0.05)
    return f"{number} messages"


def ros_listen() -> str:
    """Wait for one message from the other process."""
    import rclpy  # noqa: PLC0415
    from std_msgs.msg import Int64  # noqa: PLC0415

    rclpy.init()
    node = rclpy.create_node("trirl_doctor_listener")
    started = time.monotonic()
    received: list[int] = []
    node.create_subscription(Int64, ROS_TOPIC, lambda message: received.append(message.data), 10)
    while not received:
        if time.monotonic() - started > ROS_SECONDS:
            raise TimeoutError(f"no message between two processes within {ROS_SECONDS:.0f} s")
        rclpy.spin_once(node, timeout_sec=0.1)
    middleware = rclpy.get_rmw_implementation_identifier()
    return f"{middleware}, a message between two processes in {time.monotonic() - started:.1f} s"


PROBES = {
    "render": render,
    "dm-control": dm_control,
    "ros-publish": ros_publish,
    "ros-listen": ros_listen,
}

if __name__ == "__main__":
    sys.stdout.write(PROBES[sys.argv[1]]() + "\n")
