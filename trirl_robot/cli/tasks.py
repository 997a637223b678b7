"""`trirl tasks`: which tasks there are, and what a policy of each reads and commands."""

from __future__ import annotations

from dataclasses import replace

import click
import rich.table
from rich.console import Console
from rich.markup import escape

from trirl_robot.config import names_of
from trirl_robot.sim.describe import (
    Table,
    action_table,
    distribution_table,
    observation_table,
    preset_table,
    quantity_table,
    term_table,
)
from trirl_robot.sim.env import make_batch

NEVER_CUT = ("task", "field", "joint", "quantity")
"""Columns whose text is typed again elsewhere."""


@click.command(name="tasks")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Show every task in full.")
@click.option("--quantities", is_flag=True, help="Show what randomisation can draw instead.")
@click.option("--markdown", is_flag=True, help="Print Markdown instead of tables.")
def command(name: str | None, every: bool, quantities: bool, markdown: bool) -> None:
    """List the tasks, or show observation and action of NAME (a task or a YAML file).

    \b
    Examples:
      trirl tasks
      trirl tasks so101-reach
      trirl tasks my_task.yaml --markdown
      trirl tasks --quantities
    """
    if name is not None:
        tables = _of_task(name)
    elif quantities:
        tables = [term_table(), quantity_table(), distribution_table(), preset_table()]
    else:
        tables = [_overview()]
        if every:
            tables += [table for task in names_of("tasks") for table in _of_task(task)]
    if markdown:
        click.echo("\n".join(table.markdown() for table in tables), nl=False)
        return
    for table in tables:
        Console().print(_shown(table))


def _of_task(name: str) -> list[Table]:
    task = make_batch(name, num_envs=1, randomisation="none", nthread=1).task
    return [
        replace(table, title=f"{name}: {table.title.lower()}")
        for table in (observation_table(task), action_table(task))
    ]


def _overview() -> Table:
    rows = []
    for name in names_of("tasks"):
        env = make_batch(name, num_envs=1, randomisation="none", nthread=1)
        contract = env.contract
        rows.append(
            (
                name,
                contract.robot,
                str(contract.observation_size),
                str(contract.action_size),
                f"{contract.control_rate_hz:.4g}",
                f"{env.max_episode_steps * contract.control_period_s:.4g}",
            )
        )
    columns = ("task", "robot", "observation", "action", "rate [Hz]", "episode [s]")
    return Table(title="Tasks", columns=columns, rows=tuple(rows))


def _shown(table: Table) -> rich.table.Table:
    shown = rich.table.Table(title=table.title)
    for column in table.columns:
        shown.add_column(column, no_wrap=column in NEVER_CUT, overflow="fold")
    for row in table.rows:
        shown.add_row(*(escape(cell) for cell in row))
    return shown
