"""The same graph for `ros2 launch`: policy node and simulated hardware, lifecycle by hand.

ros2 launch trirl_bringup reach.launch.py model_path:=/data/policy.onnx randomisation:=shifted
ros2 lifecycle set /trirl_policy configure
ros2 lifecycle set /trirl_policy activate
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node


def generate_launch_description() -> LaunchDescription:
    """Return the graph."""
    arguments = [
        DeclareLaunchArgument("model_path", description="the policy's ONNX file"),
        DeclareLaunchArgument("mode", default_value="command", description="command or shadow"),
        DeclareLaunchArgument("robot", default_value="so101", description="robot name"),
        DeclareLaunchArgument("randomisation", default_value="none", description="preset"),
    ]
    policy = LifecycleNode(
        package="trirl_policy",
        executable="policy_node",
        name="trirl_policy",
        namespace="",
        parameters=[{name: LaunchConfiguration(name) for name in ("model_path", "mode")}],
        output="screen",
    )
    hardware = Node(
        package="trirl_sim_hardware",
        executable="sim_hardware",
        parameters=[{name: LaunchConfiguration(name) for name in ("robot", "randomisation")}],
        output="screen",
    )
    return LaunchDescription([*arguments, policy, hardware])
