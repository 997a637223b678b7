"""Tables about tasks and randomisation, generated from what the code itself uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trirl_robot.contract import ObservationField, PolicyContract
from trirl_robot.sim.randomisation.quantities import QUANTITIES
from trirl_robot.sim.tasks.task import Task

MEANINGS = {
    "joint_position": "measured position",
    "joint_velocity": "measured velocity",
    "joint_command": "position commanded last",
    "previous_action": "action of the step before",
    "end_effector_position": "end effector, from the measured joints",
    "target_position": "target",
    "end_effector_to_target": "target less end effector",
    "object_position": "estimated position of the object",
    "object_orientation": "estimated orientation of the object (unit quaternion)",
    "end_effector_to_object": "object less end effector",
    "object_to_target": "target less object",
    "simulation": "state of the simulator",
}
"""What the numbers of a field are, by its source."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under headings."""

    title: str
    """What the table shows."""
    columns: tuple[str, ...]
    """Headings."""
    rows: tuple[tuple[str, ...], ...]
    """Cells, one for each heading."""

    def markdown(self) -> str:
        """Return the table as Markdown, under a heading of its own."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
        return f"## {self.title}\n\n" + "\n".join(f"| {line} |" for line in cells) + "\n"


def observation_table(task: Task) -> Table:
    """Return index, meaning, range and unit of everything that a policy reads."""
    rows = []
    for field in task.contract.observation:
        place = task.contract.observation_slices[field.name]
        rows.append(
            (
                f"{place.start}" if field.size == 1 else f"{place.start}-{place.stop - 1}",
                field.name,
                MEANINGS[field.source] + (f", {field.frame} frame" if field.frame else ""),
                _shortened(task.components[field.name]),
                _range(field, task.contract),
                field.unit,
            )
        )
    return Table(
        title="Observation",
        columns=("index", "field", "meaning", "components", "range", "unit"),
        rows=tuple(rows),
    )


def action_table(task: Task) -> Table:
    """Return what each action in [-1, 1] commands."""
    (action,) = task.contract.action
    limits = {limit.joint: limit for limit in task.contract.limits}
    rows = []
    for index, joint in enumerate(task.contract.joint_names):
        low, high = (action.offset[index] + s * action.scale[index] for s in (-1.0, 1.0))
        limit = limits.get(joint)
        rows.append(
            (
                str(index),
                joint,
                action.kind,
                f"{low:.4g} to {high:.4g}",
                action.unit,
                f"{limit.position_min:.3g} to {limit.position_max:.3g}" if limit else "",
                f"{limit.velocity:.3g}" if limit else "",
                f"{limit.acceleration:.3g}" if limit else "",
            )
        )
    return Table(
        title="Action",
        columns=(
            "index",
            "joint",
            "kind",
            "for -1 to 1",
            "unit",
            "position limits",
            "velocity limit",
            "acceleration limit",
        ),
        rows=tuple(rows),
    )


def quantity_table() -> Table:
    """Return everything that can be randomised."""
    rows = []
    for name, quantity in QUANTITIES.items():
        bounds = []
        if quantity.minimum > float("-inf"):
            bounds.append(f"{'>' if quantity.above_minimum else '>='} {quantity.minimum:g}")
        if quantity.maximum < float("inf"):
            bounds.append(f"<= {quantity.maximum:g}")
        rows.append((name, quantity.operation, quantity.unit, ", ".join(bounds)))
    return Table(
        title="Quantities",
        columns=("quantity", "operation unless said", "unit of add and set", "valid"),
        rows=tuple(rows),
    )


def _range(field: ObservationField, contract: PolicyContract) -> str:
    if field.source == "previous_action":
        return "-1 to 1"
    if field.source == "object_orientation":
        return "-1 to 1"
    if field.source in ("joint_position", "joint_command"):
        return "joint limits"
    return ""


def _shortened(names: Iterable[str]) -> str:
    listed = list(names)
    shown = listed if len(listed) <= 8 else [*listed[:4], "…", listed[-1]]
    return ", ".join(shown)
