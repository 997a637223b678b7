"""`trirl deploy`: a policy through ROS 2 on a simulated arm."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from trirl_robot.cli.deployment import DeployResult, read_result, write_result
from trirl_robot.cli.options import randomisation_option
from trirl_robot.cli.progress import progress_bar
from trirl_robot.contract import require_same
from trirl_robot.errors import ConfigError, DeploymentError
from trirl_robot.files import write_text_atomically
from trirl_robot.model_file import load_policy
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.tasks.reach import ReachTask

LOG = logging.getLogger(__name__)

LEFT_BY_A_RUN = (
    *("goals.json", "node_parameters.json", "reaches.json"),
    *("trace.npz", "hardware.npz", "deploy.json"),
)
DEPLOYMENT = 0x524F53
"""Sets the draws of a deployment apart from those of a recording or training with the same seed."""


@dataclass(frozen=True, kw_only=True)
class DeployProgress:
    """How far a deployment is."""

    stage: str
    """What happens now."""
    done: int
    """Reaches so far."""
    successes: int
    """Successful ones among them."""


OnProgress = Callable[[DeployProgress], None]


@click.command(name="deploy")
@click.argument("policy", type=click.Path(path_type=Path))
@click.option("--reaches", default=40, show_default=True, help="Number of reaches, 4 s each.")
@randomisation_option("Dynamics drawn for each reach", default="shifted")
@click.option("--seed", default=0, show_default=True, help="Fixes targets and dynamics.")
@click.option("--task", default="so101-reach", show_default=True, help="Task name or file.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("runs/deploy"),
    show_default=True,
    help="Folder for deploy.json, traces and logs.",
)
def command(
    policy: Path, reaches: int, randomisation: str, seed: int, task: str, output: Path
) -> None:
    """Run POLICY, an ONNX file, through a ROS 2 graph of separate processes on a simulated arm.

    Starts the lifecycle policy node, the simulated hardware and a goal publisher on a ROS domain of
    their own, brings the node up, runs the reaches, and shuts everything down.

    \b
    Examples:
      trirl deploy policy.onnx
      trirl deploy runs/reach/policy.onnx --reaches 10 --randomisation light --seed 7
      trirl deploy policy.onnx --output runs/deploy-shifted
    """
    progress = progress_bar("reaches")
    bar = progress.add_task("ROS 2", total=reaches, detail="")

    def show(now: DeployProgress) -> None:
        progress.start()  # not before the input has been checked
        reached = f"{now.successes} of {now.done} reached" if now.done else now.stage
        progress.update(bar, completed=now.done, detail=reached)

    try:
        result = deploy(
            policy,
            reaches=reaches,
            randomisation=randomisation,
            seed=seed,
            output=output,
            task=task,
            on_progress=show,
        )
    finally:
        if progress.live.is_started:
            progress.stop()
    Console().print(_table(result))
    for row in result.reaches:
        if row["latched"]:
            click.echo(f"reach {row['index']}: {row['latched']}", err=True)


def deploy(
    policy_path: Path,
    *,
    reaches: int,
    randomisation: str,
    seed: int,
    output: Path,
    task: str = "so101-reach",
    on_progress: OnProgress | None = None,
) -> DeployResult:
    """Run a policy through a ROS 2 graph on simulated hardware.

    Args:
        policy_path: the ONNX file.
        reaches: number of reaches; new dynamics are drawn for each.
        randomisation: preset or file of the dynamics.
        seed: fixes targets and dynamics.
        output: folder for the results; files of an earlier deployment there are replaced.
        task: task whose targets are published and whose measure of success counts.
        on_progress: called after each stage and each reach.

    Raises:
        ModelFileError, ContractError, ConfigError: the policy, its contract or a name is not valid.
        DeploymentError: the graph could not be started, or one of its nodes failed.
    """
    if reaches < 1:
        raise ConfigError(f"reaches is {reaches}, expected at least 1")
    if seed < 0:
        raise ConfigError(f"seed is {seed}, expected at least 0")
    model = load_policy(policy_path)
    target_seed, hardware_seed = map(
        int, np.random.SeedSequence([seed, DEPLOYMENT]).generate_state(2)
    )
    # built with the preset of the deployment, so that a misspelt name ends here
    env = make_batch(task, num_envs=1, randomisation=randomisation, seed=target_seed, nthread=1)
    require_same(model.contract, env.contract, str(policy_path), f"the task '{task}'")
    # imported here, as only this command needs the ROS packages, and before an earlier deployment's
    # files are removed, as it may fail
    processes = importlib.import_module("trirl_bringup.processes")
    for name in LEFT_BY_A_RUN:
        (output / name).unlink(missing_ok=True)
    reach = env.task
    if not isinstance(reach, ReachTask):
        raise ConfigError(f"task '{task}' is no reach; only reaches are deployed in this way")
    config = reach.config
    generator = np.random.default_rng(target_seed)
    targets = reach.arm.end_effector_at(reach.sample_poses(reaches, generator))
    goals = {
        "duration_s": config.duration_s,
        "hold_s": config.success_hold_s,
        "radius_m": config.success_radius_m,
        "targets_m": targets.tolist(),
        "starts": reach.sample_poses(reaches, generator).tolist(),
    }
    write_text_atomically(output / "goals.json", json.dumps(goals) + "\n")
    arguments = [
        str(policy_path),
        f"--goals={output / 'goals.json'}",
        f"--robot={config.robot}",
        f"--randomisation={randomisation}",
        f"--seed={hardware_seed}",
        f"--output={output}",
    ]
    _run_graph(processes, arguments, output, on_progress or (lambda _: None))
    result = read_result(output, model)
    write_result(result, model, randomisation, seed)
    return result


def _run_graph(
    processes: ModuleType, arguments: list[str], output: Path, on_progress: OnProgress
) -> None:
    """Run the bring-up process, which starts and stops all others.

    Raises:
        DeploymentError: it failed; the message is its own.
    """
    with processes.Processes({}, output / "logs") as running:
        bringup = running.start("bringup", "trirl_bringup.bringup", arguments, read_output=True)
        _follow(bringup, on_progress)
        status = bringup.wait()
        if status != 0:
            raise DeploymentError(
                f"the ROS graph failed: {running.last_line('bringup')} (logs: {output / 'logs'})"
            )


def _follow(bringup: subprocess.Popen[str], on_progress: OnProgress) -> None:
    """Turn the lines that the bring-up prints into progress."""
    stage, done, successes = "", 0, 0
    assert bringup.stdout is not None
    for line in bringup.stdout:
        event = _event(line)
        if event.get("event") == "stage":
            stage = str(event.get("text", ""))
        elif event.get("event") == "reach":
            done += 1
            successes += event.get("success") is True
        else:
            # ROS and its middleware may print there as well
            LOG.info("bring-up: %s", line.rstrip())
            continue
        on_progress(DeployProgress(stage=stage, done=done, successes=successes))


def _event(line: str) -> dict[str, Any]:
    """Return the event that a line of the bring-up is; empty for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _table(result: DeployResult) -> Table:
    rate = result.success_rate
    table = Table("through ROS 2", "", title=str(result.output))
    rows = {
        "success": f"{100 * rate.value:.1f} % of {rate.n}"
        f" (95 %: {100 * rate.low:.1f} - {100 * rate.high:.1f} %)",
        "action, onnxruntime to wire": f"{result.action_difference:.2g}",
        "command, sent to received": f"{result.command_difference:.2g} rad",
        "cycle jitter p50 / p99": f"{1e3 * result.jitter_p50_s:.2f} / "
        f"{1e3 * result.jitter_p99_s:.2f} ms",
        "inference p50": f"{1e6 * result.inference_p50_s:.0f} us",
        "protective stops": str(result.latches),
    }
    if result.nonfinite_actions:
        rows["actions that were not finite"] = f"{result.nonfinite_actions:,}"
    for name, value in rows.items():
        table.add_row(name, value)
    return table
