"""Gymnasium's own models, from the installed package."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import mujoco

from trirl_robot.errors import ConfigError, unknown_name


def gymnasium_spec(file: str) -> mujoco.MjSpec:
    """Return an editable model of Gymnasium's, with a name for every body and actuator.

    Args:
        file: name of the file among Gymnasium's assets, such as `ant.xml`.

    Raises:
        ConfigError: Gymnasium is not installed, or has no such file.
    """
    # Gymnasium's module of MuJoCo environments is not imported: it wants a renderer
    package = importlib.util.find_spec("gymnasium")
    if package is None or not package.submodule_search_locations:
        raise ConfigError("gymnasium is not installed; install trirl-robot[sim]")
    assets = Path(package.submodule_search_locations[0]) / "envs" / "mujoco" / "assets"
    path = assets / file
    if not path.is_file():
        known = [found.name for found in assets.glob("*.xml")]
        raise ConfigError(unknown_name("model of Gymnasium's", file, known))
    spec = mujoco.MjSpec.from_file(str(path))
    _name_everything(spec)
    return spec


def compile_model(spec: mujoco.MjSpec) -> tuple[mujoco.MjModel, str]:
    """Return the compiled model and its XML."""
    with warnings.catch_warnings():
        # settotalmass is deprecated; HalfCheetah's own file uses it
        warnings.filterwarnings("ignore", "compiler attribute 'settotalmass'", UserWarning)
        return spec.compile(), spec.to_xml()


def compute_contact_forces(spec: mujoco.MjSpec, substeps: int) -> None:
    """Have the engine compute `cfrc_ext` at the end of each control step, as Gymnasium does.

    Gymnasium calls mj_rnePostConstraint after mj_step, when the contacts are those of the last
    stage of the Runge-Kutta integrator. Sensors see the first stage, but one with a delay is
    sampled while the state advances, after the last stage: an accelerometer that samples once a
    control step, in its last substep, makes the engine do the same natively, bit for bit.

    Args:
        spec: the model, changed in place.
        substeps: physics steps in a control step.
    """
    timestep_s = spec.option.timestep
    spec.add_sensor(
        name="contact_forces",
        type=mujoco.mjtSensor.mjSENS_FRAMELINACC,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname=spec.bodies[1].name,
        nsample=1,
        delay=timestep_s,
        # due half a timestep before the last substep of each control step: no rounding matters
        interval=[substeps * timestep_s, -1.5 * timestep_s],
    )


def _name_everything(spec: mujoco.MjSpec) -> None:
    """Name bodies after their geometry and actuators after their joint, where they have no name."""
    for body in spec.bodies:
        geom = body.first_geom()
        if not body.name and geom is not None:
            body.name = geom.name.removesuffix("_geom")
    for actuator in spec.actuators:
        actuator.name = actuator.name or actuator.target
