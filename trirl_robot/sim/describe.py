"""Tables about tasks and randomisation, generated from what the code itself uses."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, takewhile

from trirl_robot.config import find_config, names_of
from trirl_robot.contract import ObservationField, PolicyContract
from trirl_robot.sim.randomisation.config import RandomisationTerm
from trirl_robot.sim.randomisation.distributions import PARAMETERS
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
        unit = " s" if quantity.unit == "control steps" else ""
        if quantity.minimum > float("-inf"):
            bounds.append(f"{'>' if quantity.above_minimum else '>='} {quantity.minimum:g}")
        if quantity.maximum < float("inf"):
            bounds.append(f"<= {quantity.maximum:g}{unit}")
        # the first is what a term does that says nothing
        operations = [quantity.operation]
        operations += [o for o in quantity.operations if o != quantity.operation]
        valid = ", ".join(bounds)
        rows.append((name, quantity.meaning, ", ".join(operations), quantity.unit, valid))
    return Table(
        title="Quantities",
        columns=("quantity", "meaning", "operations, default first", "unit", "valid"),
        rows=tuple(rows),
    )


def term_table() -> Table:
    """Return the keys of a term of a randomisation, with what their docstrings say."""
    (tree,) = ast.parse(inspect.getsource(RandomisationTerm)).body
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for key, text in pairwise(tree.body):
        if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr):
            (target, constant) = (key.target, text.value)
            assert isinstance(target, ast.Name)
            assert isinstance(constant, ast.Constant)
            rows.append((target.id, " ".join(str(constant.value).split())))
    return Table(title="Terms", columns=("key", "meaning"), rows=tuple(rows))


def distribution_table() -> Table:
    """Return the distributions that values can be drawn from."""
    rows = tuple((name, ", ".join(keys)) for name, keys in PARAMETERS.items())
    return Table(title="Distributions", columns=("distribution", "keys"), rows=rows)


def preset_table() -> Table:
    """Return the built-in randomisations, with what the comment at the head of their file says."""
    rows = []
    for name in names_of("randomisation"):
        lines = find_config("randomisation", name).read_text(encoding="utf-8").splitlines()
        head = takewhile(lambda line: line.startswith("#"), lines)
        rows.append((name, " ".join(line.lstrip("# ") for line in head)))
    return Table(title="Presets", columns=("preset", "what it is"), rows=tuple(rows))


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
