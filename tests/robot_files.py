"""Small robots as files, for the tests of robots, scenes and the doctor."""

import struct
from pathlib import Path

import yaml

ARM_MJCF = """
<mujoco model="small">
  <compiler angle="degree"/>
  <default><geom density="500"/></default>
  <worldbody>
    <light pos="0 0 3"/>
    <geom name="ground" type="plane" size="1 1 .1"/>
    <body name="base">
      <geom type="box" size=".05 .05 .05" pos="0 0 .05"/>
      <body name="upper" pos="0 0 .1">
        <joint name="turn" axis="0 0 1" range="-90 90" damping=".1" armature=".01"/>
        <joint name="lift" axis="0 1 0" range="-60 120" damping=".1" armature=".01"/>
        <geom type="capsule" fromto="0 0 0 .2 0 0" size=".02"/>
        <body name="fore" pos=".2 0 0">
          <joint name="bend" axis="0 1 0" damping=".1" armature=".01"/>
          <geom type="capsule" fromto="0 0 0 .15 0 0" size=".02"/>
          <body name="hand" pos=".18 0 0">
            <geom type="box" size=".01 .03 .01"/>
            <body name="left" pos=".02 .02 0">
              <joint name="left" type="slide" axis="0 1 0" range="-.015 0"/>
              <geom type="box" size=".02 .002 .005" pos=".02 0 0"/>
            </body>
            <body name="right" pos=".02 -.02 0">
              <joint name="right" type="slide" axis="0 1 0" range="0 .015"/>
              <geom type="box" size=".02 .002 .005" pos=".02 0 0"/>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <keyframe><key name="home" qpos="0 -.3 .9 0 0"/></keyframe>
</mujoco>
"""
"""Three joints in degrees, one of them without end, two fingers, no actuators; floor and light."""

ARM = {
    "name": "small",
    "model": "small.xml",
    "joints": ["turn", "lift", "bend"],
    "home_position": [0.0, -0.3, 0.9],
    "velocity_limit": [1.5, 1.5, 1.5],
    "acceleration_limit": [10.0, 10.0, 10.0],
    "position_limit": [[-1.0, 1.0], [-1.0, 2.0], [-2.5, 2.5]],
    "end_effector": {"body": "hand", "offset_m": [0.04, 0.0, 0.0]},
    "actuators": {"kind": "position", "force_limit": 20.0},
    "control": {"kind": "joint_position_delta", "rate_hz": 25.0, "scale": 0.05},
    "physics_timestep_s": 0.005,
}
"""What a file says of it."""

GRIPPER = {
    "joint": "left",
    "followers": [{"joint": "right", "ratio": -1.0}],
    "open_position": 0.0,
    "closed_position": -0.015,
    "home": 0.0,
    "scale": 0.002,
    "velocity_limit": 0.05,
    "acceleration_limit": 0.5,
    "actuators": {"kind": "position", "stiffness": 2000.0, "force_limit": 10.0},
}

_LINK = """
  <link name="{name}">
    <inertial><origin xyz="0 0 .1"/><mass value=".5"/>
      <inertia ixx=".002" iyy=".002" izz=".001" ixy="0" ixz="0" iyz="0"/></inertial>
    <visual><origin xyz="0 0 .1"/><geometry><mesh filename="{visual}"/></geometry></visual>
    <collision><origin xyz="0 0 .1"/><geometry><mesh filename="{collision}"/></geometry></collision>
  </link>"""
_JOINT = """
  <joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>
    <origin xyz="{place}"/><axis xyz="{axis}"/>
    <limit lower="-1.5" upper="1.5" effort="8" velocity="{velocity}"/></joint>"""


def write_arm(folder: Path, mjcf: str = ARM_MJCF, **changed) -> str:
    """Write the MJCF arm and its YAML file; return the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.xml").write_text(mjcf, encoding="utf-8")
    path = folder / "arm.yaml"
    path.write_text(yaml.safe_dump({**ARM, **changed}), encoding="utf-8")
    return str(path)


def write_urdf(folder: Path, *, visual: str = "stl") -> Path:
    """Write a URDF arm of a package, whose visual and collision meshes have equal names."""
    package = folder / "arm_description"
    for kind, size in (("visual", 0.03), ("collision", 0.05)):
        meshes = package / "meshes" / kind
        meshes.mkdir(parents=True)
        for link in ("base", "upper", "fore"):
            write_box(meshes / f"{link}.stl", (size, size, 0.08))
    where = "package://arm_description/meshes"
    links = "".join(
        _LINK.format(
            name=name,
            visual=f"{where}/visual/{name}.{visual}",
            collision=f"{where}/collision/{name}.stl",
        )
        for name in ("base", "upper", "fore")
    )
    joint = {"kind": "revolute", "place": "0 0 .2", "velocity": 2.0}
    joints = _JOINT.format(
        **joint | {"place": "0 0 .1"}, name="turn", parent="base", child="upper", axis="0 0 1"
    ) + _JOINT.format(**joint, name="bend", parent="upper", child="fore", axis="0 1 0")
    tool = (
        '<link name="tool"/><joint name="mount" type="fixed"><parent link="fore"/>'
        '<child link="tool"/><origin xyz="0 0 .25"/></joint>'
    )
    path = package / "urdf" / "arm.urdf"
    path.parent.mkdir()
    path.write_text(f'<robot name="arm">{links}{joints}{tool}</robot>', encoding="utf-8")
    return path


def write_box(path: Path, half: tuple[float, float, float]) -> None:
    """Write a box as binary STL, two triangles a side."""
    x, y, z = half
    corners = [(i * x, j * y, k * z) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    faces = [
        *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ]
    data = bytes(80) + struct.pack("<I", len(faces))
    for face in faces:
        data += struct.pack("<3f", 0, 0, 0)
        data += b"".join(struct.pack("<3f", *corners[i]) for i in face) + bytes(2)
    path.write_bytes(data)
