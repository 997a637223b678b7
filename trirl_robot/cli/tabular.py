"""`trirl tabular`: the theorem behind TRIRL on small worlds that are solved exactly."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from trirl_robot.cli.progress import progress_bar
from trirl_robot.evaluation.tabular_plots import draw_curves, draw_rewards
from trirl_robot.files import make_folder, require_writable, write_text_atomically
from trirl_robot.irl.tabular.ascent import Ascent, Iterate
from trirl_robot.irl.tabular.comparison import Comparison, ComparisonConfig, compare, methods
from trirl_robot.irl.tabular.soft import TOLERANCE
from trirl_robot.irl.tabular.worlds import WORLDS

DEFAULTS = ComparisonConfig()
CURVES = "curves.png"
REWARDS = "rewards.png"


@click.command(name="tabular")
@click.option("--mdp", default=DEFAULTS.mdp, show_default=True, help=f"{', '.join(WORLDS)}.")
@click.option(
    "--reward",
    default=DEFAULTS.reward,
    show_default=True,
    help="What the reward is a function of: state-action, state or features.",
)
@click.option(
    "--beta", type=float, help="Weight of the divergence.  [default: 5; 50 with features]"
)
@click.option(
    "--step-size",
    default=DEFAULTS.step_size,
    show_default=True,
    help="Step of the reward before its correction, in (0, 1].",
)
@click.option(
    "--eta",
    type=float,
    help="Multiplier of the trust region; with --kl-bound the least.  "
    "[default: 10; 100 with features]",
)
@click.option("--kl-bound", type=float, help="Choose eta so that each update's KL meets this.")
@click.option(
    "--iterations", default=DEFAULTS.iterations, show_default=True, help="Steps of each method."
)
@click.option(
    "--discount", default=DEFAULTS.discount, show_default=True, help="Discount factor, in [0, 1)."
)
@click.option(
    "--target-kl",
    default=DEFAULTS.target_kl,
    show_default=True,
    help="Count sweeps until KL(rho_pi || rho_E) is this small.",
)
@click.option(
    "--tolerance",
    default=TOLERANCE,
    show_default=True,
    help="Bound on the error of soft values in a policy update, over its temperature.",
)
@click.option("--seed", default=0, show_default=True, help="Fixes the random process.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("runs/tabular"),
    show_default=True,
    help="Folder of the plots.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures.")
def command(output: Path, json_path: Path | None, **settings: object) -> None:
    """Show TRIRL's theorem where it can be solved exactly, beside what breaks without it.

    An expert of maximum causal entropy is imitated in a world of a few states: by TRIRL, by TRIRL
    without the correction of its reward, and by full dual ascent, which solves the whole problem
    for every reward. Occupancies are exact; sweeps of soft value iteration are the work.

    \b
    Examples:
      trirl tabular
      trirl tabular --eta 2                        a trust region too wide to be safe
      trirl tabular --kl-bound 0.01 --eta 3        eta chosen by the KL, with a floor
      trirl tabular --reward state --eta 30        a reward of states alone
      trirl tabular --mdp random --seed 7 --json figures.json
    """
    config = ComparisonConfig(**settings)  # type: ignore[arg-type]  # click converts by type
    # a folder that cannot be made is known before the work
    if json_path is not None:
        require_writable(json_path)
    make_folder(output)
    total = config.iterations * len(methods(config))
    names = [method.name for method in methods(config)]
    with progress_bar("iterations") as progress:
        task = progress.add_task("solving", total=total, detail="")

        def show(name: str, iterate: Iterate) -> None:
            # a run that diverges ends early
            least = names.index(name) * config.iterations
            done = max(progress.tasks[0].completed, least) + 1
            progress.update(task, completed=done, detail=f"{name}, KL {iterate.kl:.4f}")

        comparison = compare(config, show)
        progress.update(task, completed=total, detail="drawing")
        draw_rewards(comparison, output / REWARDS)
        draw_curves(comparison, output / CURVES)
        progress.update(task, detail="")
    console = Console()
    console.print(_table(comparison))
    console.print(_theorem(comparison))
    if json_path is not None:
        document = json.dumps(comparison.to_plain(), allow_nan=False)
        write_text_atomically(json_path, document + "\n")
    console.print(f"plots: {output / REWARDS}, {output / CURVES}", soft_wrap=True)


def _table(comparison: Comparison) -> Table:
    target = comparison.config.target_kl
    table = Table(
        Column("method", no_wrap=True),
        Column("last KL", no_wrap=True),
        "KL falls",
        "dual falls",
        f"sweeps to KL {target:g}",
        "policy error",
    )
    table.title = f"{comparison.world.name}, reward of {comparison.config.reward}"
    for ascent, gap in zip(comparison.ascents, comparison.policy_gaps, strict=True):
        sweeps = ascent.sweeps_to(target)
        table.add_row(
            ascent.method.name,
            "diverged" if ascent.diverged else f"{ascent.iterates[-1].kl:.5f}",
            _falls(ascent, "kl"),
            _falls(ascent, "dual"),
            "never" if sweeps is None else f"{sweeps:,}",
            f"{gap:.1e}",
        )
    return table


def _falls(ascent: Ascent, name: str) -> str:
    return "always" if ascent.falls(name) else "no"


def _theorem(comparison: Comparison) -> str:
    text = (
        "Largest difference between the trust region's policy and the soft-optimal policy of the "
        f"corrected reward: {comparison.policy_gaps[0]:.0e}; with a multiplier in every state "
        f"instead of one: {comparison.per_state_gap:.2f}."
    )
    if comparison.config.kl_bound is not None:
        etas = comparison.ascents[0].series("eta")[1:]
        text += f" Eta went from {etas.min():.3g} to {etas.max():.3g}."
    return text
