"""`trirl train`: learn a reward and a policy from demonstrations."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trirl_robot.baselines.ppo import TaskRewardConfig
from trirl_robot.cli.options import device_option, randomisation_option
from trirl_robot.cli.progress import progress_bar
from trirl_robot.demos.dataset import load_demonstrations
from trirl_robot.errors import ConfigError
from trirl_robot.irl.imitation import ImitationConfig
from trirl_robot.rl.processes import ALONE, DeviceKind, Processes, joined
from trirl_robot.runs.algorithms import Learner, load_algorithm
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.settings import RunConfig
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.tasks.registry import load_task


@click.command(name="train")
@click.argument("demonstrations", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="New run folder.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run folder.")
@click.option("--task", help="Task name or file; by default the demonstrations'.")
@randomisation_option("Dynamics drawn at each episode", default="light")
@click.option("--algorithm", default="trirl", show_default=True, help="Algorithm name or file.")
@click.option("--episodes", type=int, help="Learn from the first so many demonstrations only.")
@click.option(
    "--keep-every", default=1, show_default=True, help="Learn from one step in so many only."
)
@click.option("--seed", default=0, show_default=True, help="Fixes everything that is drawn.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting of the algorithm, such as ppo.gamma=0.98. Another form, such as "
    "trust_region.form=projection, begins with that form's defaults.",
)
@device_option
@click.pass_context
def command(
    context: click.Context,
    demonstrations: Path | None,
    output: Path | None,
    resume: Path | None,
    task: str | None,
    randomisation: str,
    algorithm: str,
    episodes: int | None,
    keep_every: int,
    seed: int,
    overrides: tuple[str, ...],
    device: DeviceKind,
) -> None:
    """Learn a reward and a policy from DEMONSTRATIONS, with TRIRL or a baseline.

    The run folder holds the resolved configuration, versions, metrics (metrics.jsonl and
    TensorBoard), warnings of what they show to go wrong (warnings.txt), the cloned policy and the
    last checkpoint. A run that was killed goes on with --resume, to the same result.

    Under torchrun, several processes share the simulations and the gradients of one training, whose
    result is that of one process but for rounding; the first of them writes the run folder.

    \b
    Examples:
      trirl train demos.hdf5 --output runs/reach
      trirl train demos.hdf5 --output runs/short --set total_steps=200000 --seed 3
      trirl train demos.hdf5 --algorithm gail --episodes 1 --output runs/gail
      trirl train --algorithm ppo --task half-cheetah --randomisation none --output runs/expert
      trirl train --resume runs/reach
      trirl train demos.hdf5 --output runs/wide --set policy_hidden=[1024,1024] --device cuda
      torchrun --nproc-per-node 2 -m trirl_robot train demos.hdf5 --output runs/two
      tensorboard --logdir runs
    """
    with joined(device) as processes, processes.speaking_once():
        if resume is not None:
            _require_nothing_beside_resume(context)
            folder, config = RunFolder.open(resume)
            run(folder, config, build_learner(config, resume, processes=processes), Console())
            return
        if output is None:
            raise ConfigError("expected DEMONSTRATIONS and --output, or --resume RUN")
        config = resolve(
            demonstrations,
            output,
            task=task,
            randomisation=randomisation,
            algorithm=algorithm,
            episodes=episodes,
            keep_every=keep_every,
            seed=seed,
            overrides=overrides,
        )
        begin(config, output, Console(), processes)


def _require_nothing_beside_resume(context: click.Context) -> None:
    """Refuse what a resumed run would not heed.

    Raises:
        ConfigError: names what was given.
    """
    given = [
        max(parameter.opts, key=len) if isinstance(parameter, click.Option) else "DEMONSTRATIONS"
        for parameter in context.command.params
        if parameter.name not in (None, "resume", "device")
        and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise ConfigError(
            f"--resume takes the run's own settings: leave out {', '.join(given)}, or start a new "
            "run with --output"
        )


def resolve(
    demonstrations: Path | None,
    output: Path,
    *,
    task: str | None = None,
    randomisation: str = "light",
    algorithm: str = "trirl",
    episodes: int | None = None,
    keep_every: int = 1,
    seed: int = 0,
    overrides: tuple[str, ...] = (),
) -> RunConfig:
    """Read everything that a run is asked for; nothing is written.

    Raises:
        TrirlError: any of it is missing or not valid.
    """
    drawn = load_randomisation(randomisation)
    if demonstrations is None and task is None:
        raise ConfigError("expected DEMONSTRATIONS, or a --task for an algorithm without any")
    read = None if demonstrations is None else load_demonstrations(demonstrations)
    chosen = load_task(task if task is not None else read.task)  # type: ignore[union-attr]
    settings = load_algorithm(algorithm, chosen, overrides)
    if read is None and (episodes is not None or keep_every != 1):
        raise ConfigError(
            "--episodes and --keep-every choose among DEMONSTRATIONS, and none are given"
        )
    if read is not None and isinstance(settings, TaskRewardConfig):
        raise ConfigError(
            f"{demonstrations}: algorithm {settings.algorithm} learns from the task's own reward, "
            f"not from demonstrations; give --task {chosen.name} instead"
        )
    return RunConfig(
        demonstrations=None if read is None else os.path.relpath(read.path, output),
        demonstrations_sha256=None if read is None else read.sha256,
        episodes=episodes,
        keep_every=keep_every,
        task=chosen,
        randomisation=drawn,
        algorithm=settings,
        seed=seed,
    )


def begin(config: RunConfig, output: Path, console: Console, processes: Processes = ALONE) -> None:
    """Train a new run in `output`; everything is checked before anything is written."""
    learner = build_learner(config, output, processes=processes)
    folder = RunFolder.create(output, config) if processes.is_first else RunFolder(output)
    run(folder, config, learner, console)


def run(folder: RunFolder, config: RunConfig, learner: Learner, console: Console) -> None:
    """Train with a progress bar and a closing table, which the first of several processes shows."""
    if not learner.processes.is_first:
        train(folder, config, learner)
        return
    latest: dict[str, float] = {}
    speed, evaluated = 0.0, "first evaluation pending"
    clones = isinstance(config.algorithm, ImitationConfig) and config.algorithm.start == "clone"
    is_new = not folder.checkpoint.is_file()
    with progress_bar("iterations") as progress:
        task = progress.add_task(
            "training",
            total=config.algorithm.iterations,
            detail="first, the demonstrations are cloned" if clones else "beginning",
            # where a run goes on, there is something to count after its next iteration
            visible=is_new,
        )

        def show(metrics: dict[str, float], iterations: int) -> None:
            nonlocal speed, evaluated
            latest.update(metrics)
            if "evaluation/success_rate" in metrics:
                evaluated = f"success {100 * metrics['evaluation/success_rate']:.0f} %"
                if math.isnan(metrics["evaluation/median_distance_m"]):
                    # a task without a place to come to is about its return
                    evaluated = f"return {metrics['evaluation/return']:.0f}"
            parts = [evaluated]
            if "time/iteration_s" in metrics:
                # about the last ten iterations: single ones differ by much
                done = metrics["env_steps"]
                now = done / metrics["iteration"] / metrics["time/iteration_s"]
                speed = 0.9 * speed + 0.1 * now if speed else now
                parts = [f"{done / 1e3:.0f}k steps, {speed:.0f}/s", *parts, _phases(metrics)]
            progress.update(
                task, completed=metrics["iteration"], detail=", ".join(parts), visible=True
            )

        def warn(line: str) -> None:
            progress.console.print(Text(f"Warning, {line}", style="yellow"))

        train(folder, config, learner, show, warn)
    if latest:
        console.print(_summary(latest))
    else:
        console.print(f"finished already: {config.algorithm.iterations} iterations are done")
    if folder.warnings.is_file():
        count = len(folder.warnings.read_text(encoding="utf-8").splitlines())
        console.print(Text(f"warnings: {count}, see {folder.warnings}", style="yellow"))
    console.print(f"run folder: {folder.path}")


def _summary(metrics: dict[str, float]) -> Table:
    table = Table(show_header=False)
    for name, text in _summary_rows(metrics):
        table.add_row(name, text)
    return table


def _summary_rows(metrics: dict[str, float]) -> Iterator[tuple[str, str]]:
    """Yield what a learner has reported last, name and value."""
    success, returned = metrics.get("evaluation/success_rate"), metrics.get("evaluation/return")
    if success is not None:
        yield "success in the dynamics of training", f"{100 * success:.1f} %"
    if returned is not None:
        yield "return of the task's own reward", f"{returned:.1f}"
    if metrics["env_steps"]:
        yield "environment steps", f"{metrics['env_steps']:,.0f}"
    yield "time", f"{metrics['time_s']:.0f} s"
    if "trust_region/eta" in metrics:
        bound = f" (bound {metrics['trust_region/kl_bound']:g})"
        yield "eta (weight of the KL, nats)", f"{metrics['trust_region/eta']:.2f}"
        yield "KL of the last update", f"{metrics['trust_region/kl_mean']:.4f}{bound}"
    if "discriminator/accuracy" in metrics:
        yield "discriminator accuracy", f"{metrics['discriminator/accuracy']:.2f}"
    if "reward/chain_length" in metrics:
        dropped = f" (dropped weight {metrics['reward/dropped_mass']:.3f})"
        yield "discriminators in the reward", f"{metrics['reward/chain_length']:.0f}{dropped}"
    if phases := _phases(metrics):
        yield "time by phase", phases


def _phases(metrics: dict[str, float]) -> str:
    """Return the share of each phase in the time of an iteration; nothing where there are none."""
    return ", ".join(
        f"{name.removeprefix('time/').removesuffix('_share')} {100 * share:.0f} %"
        for name, share in metrics.items()
        if name.endswith("_share") and name.startswith("time/")
    )
