"""Judgements on a robot in motion: sag, gripper, tracking, stability."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from trirl_robot.cli.doctor_findings import Figures, Finding, Status
from trirl_robot.sim.actuation import inertias
from trirl_robot.sim.robot_trials import Drive, Trials
from trirl_robot.sim.scene import PREFIX

SAG_M = (2e-3, 20e-3)
"""Sag from which there is a warning, and a problem [m]."""
LAG_S = (0.25, 1.0)
"""Lag behind commands from which there is a warning, and a problem [s]."""
RESTLESS = (0.03, 0.5)
"""Speed in stillness from which there is a warning, and a problem [rad/s or m/s]."""
GROWING = 1.05
"""Growth of that speed from one second to the next from which it is a problem."""
MUCH_SATURATION = 0.2
"""Share of time at the greatest force from which acceleration limits are too high."""
STROKE_MISSED = (0.05, 0.25)
"""Missing share of the gripper's stroke from which there is a warning, and a problem."""

_CHOOSE_GAINS = "actuators: {kind: position} has gains chosen"


def in_motion(trials: Trials) -> Iterator[Finding]:
    """Yield what shows when the robot holds still, grips, and follows random commands."""
    yield sag(trials)
    if trials.robot.gripper is not None:
        yield gripper(trials)
    drive = trials.drive()
    yield tracking(trials, drive)
    yield stability(trials, drive)


def sag(trials: Trials) -> Finding:
    """Hold the home pose and see what gravity does."""
    hold = trials.hold()
    worst = int(np.argmax(np.abs(hold.joint_error)))
    joint = trials.wiring.joint_names[worst]
    millimetres = 1e3 * hold.sag_m
    if hold.diverged:
        return Finding(
            name="Sag",
            status="problem",
            found="the simulation breaks down while the home pose is held",
            mend=f"lower stiffness, or physics_timestep_s; {_CHOOSE_GAINS}",
        )
    status = _grade(hold.sag_m, SAG_M)
    return Finding(
        name="Sag",
        status=status,
        found=f"{millimetres:.1f} mm after 5 s at home"
        + (f", most in '{joint}' ({hold.joint_error[worst]:+.3f})" if status != "ok" else ""),
        mend=""
        if status == "ok"
        else "set gravity_compensation: true if the real drives hold still, or raise stiffness",
        figures={"sag_m": hold.sag_m, "joint_error": hold.joint_error.tolist()},
    )


def gripper(trials: Trials) -> Finding:
    """Open and close the gripper."""
    config = trials.robot.gripper
    assert config is not None
    stroke = trials.stroke()
    whole = abs(config.open_position - config.closed_position)
    missed = (
        max(abs(stroke.opened - config.open_position), abs(stroke.closed - config.closed_position))
        / whole
    )
    status = _grade(missed, STROKE_MISSED)
    return Finding(
        name="Gripper",
        status=status,
        found=f"'{config.joint}' opens to {stroke.opened:.3f} of {config.open_position:g}, closes "
        f"to {stroke.closed:.3f} of {config.closed_position:g}",
        mend="" if status == "ok" else "raise the gripper's force_limit or stiffness",
        figures={"opened": stroke.opened, "closed": stroke.closed},
    )


def tracking(trials: Trials, drive: Drive) -> Finding:
    """Judge how well random commands are followed."""
    names = trials.wiring.joint_names
    figures: Figures = {
        "lag_s": drive.lag_s.tolist(),
        "error_95": drive.error.tolist(),
        "saturated": drive.saturated.tolist(),
    }
    if drive.diverged == 1.0:
        return Finding(
            name="Tracking",
            status="problem",
            found="every simulation broke down under random commands",
            mend="see Stability",
        )
    slow, strained = int(np.argmax(drive.lag_s)), int(np.argmax(drive.saturated))
    found = (
        f"{1e3 * float(np.median(drive.lag_s)):.0f} ms behind random commands, at most "
        f"{1e3 * drive.lag_s[slow]:.0f} ms ('{names[slow]}')"
    )
    status = _grade(float(drive.lag_s[slow]), LAG_S)
    mend = "raise stiffness or force_limit, or lower velocity_limit" if status != "ok" else ""
    if drive.saturated[strained] > MUCH_SATURATION:
        status = "warning" if status == "ok" else status
        found += f"; '{names[strained]}' at its greatest force {drive.saturated[strained]:.0%}"
        mend = mend or "lower acceleration_limit: commands ask for more than the motor gives"
    return Finding(name="Tracking", status=status, found=found, mend=mend, figures=figures)


def stability(trials: Trials, drive: Drive) -> Finding:
    """Judge whether joints come to rest after commands have stopped."""
    names = trials.wiring.joint_names
    lower = f"lower its stiffness, raise its damping, or lower physics_timestep_s; {_CHOOSE_GAINS}"
    figures: Figures = {"diverged": drive.diverged, "diverged_touching": drive.diverged_in_contact}
    broken = max(drive.diverged, drive.diverged_in_contact)
    if broken > 0.0:
        where = "" if drive.diverged else " when parts touch"
        suspects = ", ".join(f"'{name}'" for name in too_stiff(trials))
        step = f"{1e3 * trials.robot.physics_timestep_s:g} ms"
        return Finding(
            name="Stability",
            status="problem",
            found=f"{broken:.0%} of the simulations break down under random commands{where}"
            + (f"; {suspects}: too stiff for steps of {step}" if suspects else ""),
            mend=lower if drive.diverged else "soften contacts, or lower physics_timestep_s",
            figures=figures,
        )
    figures |= {"restlessness": drive.restlessness.tolist(), "growth": drive.growth.tolist()}
    worst = int(np.argmax(drive.restlessness))
    speed = float(drive.restlessness[worst])
    status = _grade(speed, RESTLESS)
    if status != "ok" and drive.growth[worst] > GROWING:
        status = "problem"
    slides = trials.model.joint(PREFIX + names[worst]).type[0] == mujoco.mjtJoint.mjJNT_SLIDE
    unit = "m/s" if slides else "rad/s"
    return Finding(
        name="Stability",
        status=status,
        found="at rest 3 s after random commands"
        if status == "ok"
        else f"'{names[worst]}' still swings at {speed:.2g} {unit} 3 s after random commands, "
        f"{drive.growth[worst]:.2f} times as much each second",
        mend="" if status == "ok" else lower,
        figures=figures,
    )


def too_stiff(trials: Trials) -> list[str]:
    """Return joints whose servo swings up by itself at the simulation's step.

    The step integrates damping implicitly and stiffness explicitly: see `actuation.gains`.
    """
    model, wiring = trials.model, trials.wiring
    step = model.opt.timestep
    found = []
    for actuator in wiring.control_index[~wiring.takes_velocity]:
        name = model.joint(int(model.actuator_trnid[actuator, 0])).name
        least, _ = inertias((name,), model)
        damping = -model.actuator_biasprm[actuator, 2] + model.joint(name).damping[0]
        stiffness = model.actuator_gainprm[actuator, 0]
        if stiffness * step**2 > 4.0 * least[0] + 2.0 * damping * step:
            found.append(name.removeprefix(PREFIX))
    return found


def _grade(value: float, thresholds: tuple[float, float]) -> Status:
    if not np.isfinite(value) or value > thresholds[1]:
        return "problem"
    return "warning" if value > thresholds[0] else "ok"
