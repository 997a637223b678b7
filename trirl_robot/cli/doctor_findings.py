"""Judgements on a robot at rest: model, limits, actuators, home pose, workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trirl_robot.sim.actuation import takes
from trirl_robot.sim.robot_driver import force_limits
from trirl_robot.sim.robot_trials import Trials, Workspace
from trirl_robot.sim.scene import PREFIX

Status = Literal["ok", "warning", "problem"]
Figures = dict[str, float | list[float]]
Array = NDArray[np.float64]

POSES = 4000
"""Poses from which the workspace is estimated."""
LONGEST_REACH_M, SHORTEST_REACH_M = 4.0, 0.05
"""Reach of arms that stand on a table [m]; lengths in millimetres lie far outside."""
HEAVIEST_KG, LIGHTEST_KG = 300.0, 0.02
LEAST_ABOVE_TABLE = 0.2
"""Share of poses above the table below which the base is probably misplaced."""
MUCH_SELF_COLLISION = 0.5
"""Share of poses in self-collision from which shapes probably overlap by mistake."""
ALWAYS = 0.95
"""Share of poses from which two bodies touch wherever they are."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table."""

    name: str
    """What was looked at."""
    status: Status
    """Whether it is well."""
    found: str
    """What was found."""
    mend: str = ""
    """What to do; empty when nothing is to be done."""
    figures: Figures = field(default_factory=dict)
    """The numbers behind it, in SI units."""


def at_rest(trials: Trials) -> Iterator[Finding]:
    """Yield what can be seen without moving."""
    yield model(trials)
    yield limits(trials)
    yield actuators(trials)
    yield home_pose(trials)


def model(trials: Trials) -> Finding:
    """Count what the model has, and weigh it."""
    compiled = trials.model
    moving = [i for i in range(compiled.nbody) if compiled.body_weldid[i]]
    weight = float(compiled.body_mass[moving].sum())
    sensible = LIGHTEST_KG <= weight <= HEAVIEST_KG
    return Finding(
        name="Model",
        status="ok" if sensible else "warning",
        found=f"{len(trials.robot.joints)} arm joints, {len(trials.robot.gripper_joints)} of the "
        f"gripper, {compiled.nu} actuators, end effector '{trials.robot.end_effector_site}', "
        f"{weight:.2f} kg that move",
        mend="" if sensible else "check the masses in the model: are they in kilograms?",
        figures={"moving_mass_kg": weight},
    )


def limits(trials: Trials) -> Finding:
    """Compare an action of 1 with the limits that it meets."""
    contract = trials.contract
    (action,) = contract.action
    per_second = 1.0 if action.kind == "joint_velocity" else contract.control_rate_hz
    excess = {
        limit.joint: size * per_second / limit.velocity
        for limit, size in zip(contract.limits, action.scale, strict=True)
        if action.kind != "joint_position" and size * per_second > 1.001 * limit.velocity
    }
    close = [
        limit.joint
        for limit, home in zip(contract.limits, contract.default_joint_positions, strict=True)
        if min(home - limit.position_min, limit.position_max - home)
        < 0.01 * (limit.position_max - limit.position_min)
        and limit.joint in trials.robot.joints
    ]
    found = f"{contract.control_rate_hz:g} Hz, {action.kind}, {trials.robot.substeps} physics steps"
    if excess:
        worst = max(excess, key=lambda joint: excess[joint])
        return Finding(
            name="Limits",
            status="warning",
            found=f"an action of 1 asks '{worst}' for {excess[worst]:.1f} times its velocity limit",
            mend="lower control.scale, or raise velocity_limit if the real joint is that fast",
        )
    if close:
        return Finding(
            name="Limits",
            status="warning",
            found=f"the home pose is at the limit of {', '.join(close)}",
            mend="move home_position away from the limits, or a policy cannot go both ways",
        )
    return Finding(name="Limits", status="ok", found=found)


def actuators(trials: Trials) -> Finding:
    """Look at gains, force limits and control ranges."""
    compiled, wiring = trials.model, trials.wiring
    kinds = [takes(compiled, int(i)) for i in wiring.control_index]
    forces = force_limits(compiled, wiring)
    names = [compiled.actuator(int(i)).name.removeprefix(PREFIX) for i in wiring.control_index]
    summary = ", ".join(f"{kinds.count(kind)} take {kind}" for kind in sorted(set(kinds)))
    gains = compiled.actuator_gainprm[wiring.control_index, 0]
    unlimited = [name for name, force in zip(names, forces, strict=True) if np.isinf(force)]
    narrow = _narrow(trials)
    figures: Figures = {"gain": gains.tolist()}
    if narrow:
        return Finding(
            name="Actuators",
            status="warning",
            found=f"{summary}; controls of {', '.join(narrow)} end before the joint's limits",
            mend="give position_limit what the actuators can reach",
            figures=figures,
        )
    if unlimited:
        return Finding(
            name="Actuators",
            status="warning",
            found=f"{summary}; no greatest force: {', '.join(unlimited)}",
            mend="set actuators.force_limit to what the real motors give, or the simulated ones "
            "are stronger than any",
            figures=figures,
        )
    figures["force_limit"] = forces.tolist()
    return Finding(
        name="Actuators",
        status="ok",
        found=f"{summary}; gains {_span(gains)}, greatest force {_span(forces)}",
        figures=figures,
    )


def home_pose(trials: Trials) -> Finding:
    """Look for contacts in the home pose."""
    pairs = trials.touching_at_home()
    x, y, z = trials.end_effector_at_home()
    place = f"end effector at ({x:.3f}, {y:.3f}, {z:.3f}) m"
    if pairs:
        return Finding(
            name="Home pose",
            status="problem",
            found=f"{place}; touching: {_pairs(pairs)}",
            mend="choose another home_position; if the parts never touch in reality, list them in "
            "collision.exclude",
        )
    if z < 0.0:
        return Finding(
            name="Home pose",
            status="warning",
            found=f"{place}, below the table",
            mend="choose another home_position",
        )
    return Finding(name="Home pose", status="ok", found=f"{place}, touches nothing")


def workspace(space: Workspace) -> tuple[Finding, Finding]:
    """Judge reach and self-collision."""
    points = space.points
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float(np.linalg.norm(points[:, :2], axis=1).max())
    above = float((points[:, 2] >= 0.0).mean())
    free = float((~space.touches_floor & ~space.touches_itself).mean())
    found = (
        f"x {low[0]:.2f} to {high[0]:.2f}, y {low[1]:.2f} to {high[1]:.2f}, z {low[2]:.2f} to "
        f"{high[2]:.2f} m; {above:.0%} of poses above the table, {free:.0%} touch nothing"
    )
    mend = ""
    if not SHORTEST_REACH_M <= reach <= LONGEST_REACH_M:
        mend = f"a reach of {reach:.3g} m: are lengths and meshes in metres?"
    elif above < LEAST_ABOVE_TABLE:
        mend = "the base should stand at z = 0 of the model; check the joints' ranges"
    reachable = Finding(
        name="Workspace",
        status="warning" if mend else "ok",
        found=found,
        mend=mend,
        figures={
            "least_m": low.tolist(),
            "greatest_m": high.tolist(),
            "reach_m": reach,
            "above_table": above,
            "free": free,
        },
    )
    return reachable, _self_collision(space)


def _self_collision(space: Workspace) -> Finding:
    share = float(space.touches_itself.mean())
    always = [(first, second) for first, second, part in space.pairs if part > ALWAYS]
    often = ", ".join(f"{a} and {b} {part:.0%}" for a, b, part in space.pairs[:2])
    mend = ""
    if always:
        mend = f"list in collision.exclude what always touches: {_pairs(always)}"
    elif share > MUCH_SELF_COLLISION:
        mend = "check the collision shapes, or set collision: {self_collision: false}"
    return Finding(
        name="Self-collision",
        status="warning" if mend else "ok",
        found=f"in {share:.0%} of poses" + (f", most often {often}" if often else ""),
        mend=mend,
        figures={"share": share},
    )


def _narrow(trials: Trials) -> list[str]:
    """Return position actuators whose controls do not span their joint's limits."""
    compiled, found = trials.model, []
    by_name = {limit.joint: limit for limit in trials.contract.limits}
    for i in trials.wiring.control_index[~trials.wiring.takes_velocity]:
        name = compiled.actuator(int(i)).name.removeprefix(PREFIX)
        if name not in by_name or not compiled.actuator_ctrllimited[i]:
            continue
        least, greatest = compiled.actuator_ctrlrange[i]
        limit = by_name[name]
        slack = 0.01 * (limit.position_max - limit.position_min)
        if least > limit.position_min + slack or greatest < limit.position_max - slack:
            found.append(name)
    return found


def _span(values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if np.isclose(low, high) else f"{low:.3g} to {high:.3g}"


def _pairs(pairs: list[tuple[str, str]]) -> str:
    shown = ", ".join(f"{first} and {second}" for first, second in pairs[:3])
    return shown + (f", and {len(pairs) - 3} more" if len(pairs) > 3 else "")
