"""URDF files as MuJoCo specifications, with every link kept and every mesh found."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import mujoco

from trirl_robot.errors import ConfigError

logger = logging.getLogger(__name__)

MESH_FORMATS = (".stl", ".obj", ".msh")
"""Mesh files that MuJoCo reads."""
COLLISION_GROUP = 3
"""Group of geoms that are not drawn, as the Menagerie's models have it."""


def urdf_spec(path: Path) -> mujoco.MjSpec:
    """Read a URDF file, with links and visuals kept as they are.

    MuJoCo on its own would fuse links without joints, whose names an end effector needs, drop
    visuals, and take meshes of equal names in two folders for one.

    Args:
        path: the file; its meshes may be relative, absolute or `package://` paths.

    Raises:
        ConfigError: not a URDF file, or a mesh that is missing or of a format MuJoCo does not read.
    """
    root = read_urdf(path)
    _set_compiler(root)
    assets = {}
    for name, mesh, file in _meshes(root, path):
        assets[name] = file.read_bytes()
        mesh.set("filename", name)
    try:
        spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, "unicode"), assets=assets)
    except ValueError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    _hide_collision_shapes(spec)
    return spec


def read_urdf(path: Path) -> ElementTree.Element:
    """Parse a URDF file.

    Raises:
        ConfigError: not XML, not a robot, or still a xacro file.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid XML ({error})") from None
    if root.tag != "robot":
        raise ConfigError(f"{path}: its root is <{root.tag}>, expected the <robot> of a URDF file")
    if any("xacro" in element.tag for element in root.iter()):
        raise ConfigError(f"{path}: a xacro file; run xacro on it first, and use the result")
    return root


def velocity_limits(path: Path) -> dict[str, float]:
    """Return the greatest speed that a URDF file gives for its joints [rad/s or m/s]."""
    limits = {}
    for joint in read_urdf(path).iter("joint"):
        limit = joint.find("limit")
        if limit is not None and float(limit.get("velocity", 0.0)) > 0.0:
            limits[joint.get("name", "")] = float(limit.get("velocity", 0.0))
    return limits


def _set_compiler(root: ElementTree.Element) -> None:
    extension = root.find("mujoco")
    if extension is None:
        extension = ElementTree.SubElement(root, "mujoco")
    compiler = extension.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(extension, "compiler")
    compiler.attrib.pop("meshdir", None)  # meshes are found below, and passed by name
    compiler.attrib |= {"fusestatic": "false", "discardvisual": "false", "strippath": "false"}


def _meshes(
    root: ElementTree.Element, path: Path
) -> Iterator[tuple[str, ElementTree.Element, Path]]:
    """Yield a unique name, the element and the file of each mesh; drop visuals of other formats."""
    names: dict[Path, str] = {}
    for link in root.findall("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            mesh = shape.find("geometry/mesh")
            if mesh is None:
                continue
            written = mesh.get("filename", "")
            if Path(written).suffix.lower() not in MESH_FORMATS:
                if shape.tag == "collision":
                    raise ConfigError(
                        f"{path}: link '{link.get('name')}' collides with {written}; MuJoCo reads "
                        f"{', '.join(MESH_FORMATS)}, so convert the mesh"
                    )
                logger.info("%s: %s is not drawn, as MuJoCo does not read it", path, written)
                link.remove(shape)
                continue
            file = _find_mesh(written, path)
            if file not in names:
                names[file] = f"{len(names)}_{file.name}"
            yield names[file], mesh, file


def _find_mesh(written: str, path: Path) -> Path:
    """Return the file of a mesh; `package://NAME/…` is looked for beside the URDF and above it."""
    place = written.removeprefix("file://")
    folders = [path.parent]
    if written.startswith("package://"):
        place = written.removeprefix("package://")
        folders = [path.parent, *path.parent.resolve().parents]
    inside = place.partition("/")[2] if written.startswith("package://") else ""
    for folder in folders:
        for candidate in (folder / place, folder / inside if inside else None):
            if candidate is not None and candidate.is_file():
                return candidate.resolve()
    where = "beside the URDF file or above it" if inside else f"in {path.parent}"
    raise ConfigError(f"{path}: mesh {written} was not found {where}")


def _hide_collision_shapes(spec: mujoco.MjSpec) -> None:
    """Draw the visuals alone, of bodies that have any."""
    for body in spec.bodies:
        if any(geom.contype == 0 and geom.conaffinity == 0 for geom in body.geoms):
            for geom in body.geoms:
                if geom.contype or geom.conaffinity:
                    geom.group = COLLISION_GROUP
