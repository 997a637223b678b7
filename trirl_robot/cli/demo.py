"""`trirl demo`: the whole chain, from recording to ROS 2, with a report."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import torch
from rich.console import Console

from teleop.record import record
from trirl_robot.cli.demo_results import DemoResults, results_tables, write_files
from trirl_robot.cli.deploy import DeployProgress, deploy
from trirl_robot.cli.deployment import DeployResult
from trirl_robot.cli.eval import BATCH
from trirl_robot.cli.export import ExportResult, export
from trirl_robot.cli.progress import progress_bar
from trirl_robot.cli.record import RecordDisplay, summary_table
from trirl_robot.cli.train import begin, resolve
from trirl_robot.errors import ConfigError, RunError
from trirl_robot.evaluation.memory import PeakMemory
from trirl_robot.evaluation.rollouts import EvaluationResult, Policy, RandomPolicy, evaluate
from trirl_robot.files import make_folder
from trirl_robot.rl.policy import MeanAction
from trirl_robot.runs.policies import load_learnt
from trirl_robot.sim.env import make_env
from trirl_robot.sim.episode_random import Purpose

TASK = "so101-reach"
EPISODES = 200


@click.command(name="demo")
@click.option("--seed", default=0, show_default=True, help="Fixes everything but timing.")
@click.option("--demonstrations", default=20, show_default=True, help="Episodes to record.")
@click.option("--steps", default=None, type=int, help="Training steps.  [default: the algorithm's]")
@click.option("--reaches", default=40, show_default=True, help="Reaches through ROS 2.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for everything.  [default: runs/demo-DATE-TIME]",
)
def command(
    seed: int, demonstrations: int, steps: int | None, reaches: int, output: Path | None
) -> None:
    """Record, train, evaluate, export and deploy an SO-101 reach, and write a report.

    Takes about ten minutes on two cores; needs no GPU, no screen and no ROS installation.

    \b
    Examples:
      trirl demo
      trirl demo --seed 1 --output runs/seed-1
      trirl demo --steps 100000 --reaches 5      a quick look; the policy will be poor
    """
    for name, value in (("demonstrations", demonstrations), ("reaches", reaches)):
        if value < 1:
            raise ConfigError(f"--{name} is {value}, expected at least 1")
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = output or Path("runs") / f"demo-{stamp}"
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder}: exists and is not empty; choose another --output")
    make_folder(folder)
    demo = Demo(folder, seed, Console())
    with demo.memory:
        demo.record(demonstrations)
        demo.train(() if steps is None else (f"total_steps={steps}",))
        demo.evaluate()
        demo.export()
        demo.deploy(reaches)
        demo.finish()


@dataclass
class Demo:
    """The stages, in order, and what they found."""

    folder: Path
    """Where everything is written."""
    seed: int
    """Seed of every stage."""
    console: Console
    """Where progress is shown."""
    started: float = field(default_factory=time.perf_counter)
    """When the demo began."""
    memory: PeakMemory = field(default_factory=PeakMemory)
    """Watches the memory of every stage."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each stage [s]."""
    evaluations: dict[str, EvaluationResult] = field(default_factory=dict)
    """Evaluations in simulation, by row of the table."""
    exported: ExportResult | None = None
    """The exported files."""
    deployed: DeployResult | None = None
    """The run through ROS 2."""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Announce a stage and measure it."""
        self.console.rule(f"[bold]{len(self.seconds) + 1}/5  {title}", align="left")
        started = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - started

    def record(self, episodes: int) -> None:
        """Record demonstrations in real time with the scripted operator."""
        with self.stage("record demonstrations"):
            with RecordDisplay(self.console, episodes) as display:
                summary = record(
                    TASK,
                    "scripted",
                    episodes,
                    self.folder / "demos.hdf5",
                    seed=self.seed,
                    on_start=display.recovered,
                    on_progress=display.update,
                )
            self.console.print(summary_table(summary))
            if summary.interrupted:
                raise KeyboardInterrupt

    def train(self, overrides: tuple[str, ...]) -> None:
        """Learn reward and policy under randomised dynamics."""
        with self.stage("train TRIRL"):
            path = self.folder / "training"
            config = resolve(self.folder / "demos.hdf5", path, seed=self.seed, overrides=overrides)
            begin(config, path, self.console)

    def evaluate(self) -> None:
        """Measure every policy on the same kind of episodes, none of them seen in training."""
        with self.stage("evaluate"):
            learnt = load_learnt(self.folder / "training")
            assert learnt.cloned is not None, "the demo's algorithm starts from cloning"
            cloned, trirl = MeanAction(learnt.cloned), MeanAction(learnt.policy)
            random = RandomPolicy(learnt.contract.action_size, self.seed)
            plan: tuple[tuple[str, Policy, str], ...] = (
                ("random policy", random, "light"),
                ("cloning", cloned, "light"),
                ("TRIRL", trirl, "light"),
                ("cloning, shifted", cloned, "shifted"),
                ("TRIRL, shifted", trirl, "shifted"),
            )
            with progress_bar("episodes") as progress:
                for name, policy, preset in plan:
                    task = progress.add_task(name, total=EPISODES, detail="")
                    env = make_env(
                        TASK,
                        num_envs=BATCH,
                        randomisation=preset,
                        seed=self.seed,
                        autoreset=False,
                        purpose=Purpose.EVALUATION,
                    )
                    result = evaluate(
                        policy,
                        env,
                        EPISODES,
                        self.seed,
                        lambda count, task=task: progress.advance(task, count),  # type: ignore[misc]
                    )
                    self.evaluations[name] = result
                    detail = f"success {100 * result.success_rate.value:.1f} %"
                    progress.update(task, detail=detail)

    def export(self) -> None:
        """Write the ONNX files."""
        with self.stage("export ONNX"):
            self.exported = export(self.folder / "training", self.folder)
            difference = self.exported.policy_difference
            self.console.print(f"{self.exported.policy}: torch to onnxruntime {difference:.2g}")

    def deploy(self, reaches: int) -> None:
        """Run the policy through ROS 2 on an arm whose dynamics it was not trained on."""
        with self.stage("run through ROS 2"), progress_bar("reaches") as progress:
            bar = progress.add_task("ROS 2", total=reaches, detail="starting")

            def show(now: DeployProgress) -> None:
                detail = f"{now.successes} of {now.done} reached" if now.done else now.stage
                progress.update(bar, completed=now.done, detail=detail)

            self.deployed = deploy(
                self.folder / "policy.onnx",
                reaches=reaches,
                randomisation="shifted",
                seed=self.seed,
                output=self.folder / "deploy",
                on_progress=show,
            )

    def finish(self) -> None:
        """Print the table; write results.json and report.html."""
        assert self.exported is not None
        assert self.deployed is not None
        learnt = load_learnt(self.folder / "training")
        results = DemoResults(
            folder=self.folder,
            seed=self.seed,
            seconds=self.seconds,
            evaluations=self.evaluations,
            exported=self.exported,
            deployed=self.deployed,
            started=self.started,
            peak_memory_gib=self.memory.peak_gib,
            wire_difference=self._wire_difference(learnt.policy),
        )
        self.console.rule("[bold]result", align="left")
        self.console.print(*results_tables(results), sep="\n")
        with self.console.status("rendering the video and writing the report"):
            write_files(results)
        self.console.print(f"{self.folder / 'report.html'}\n{self.folder / 'results.json'}")

    def _wire_difference(self, policy: torch.nn.Module) -> float:
        """Return the largest difference between torch's action and the one on the wire."""
        assert self.deployed is not None
        observation, action = self.deployed.asked()
        with torch.no_grad():
            expected = policy(torch.from_numpy(observation).float()).numpy()
        return float(abs(expected - action).max())
