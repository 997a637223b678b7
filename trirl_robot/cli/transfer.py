"""`trirl transfer`: a fresh policy on a frozen reward."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from trirl_robot.cli.options import device_option, randomisation_option
from trirl_robot.cli.train import begin
from trirl_robot.errors import ConfigError
from trirl_robot.irl.transfer import FrozenReward, TransferConfig
from trirl_robot.rl.processes import DeviceKind, joined
from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.runs.settings import RunConfig
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.tasks.registry import load_task


@click.command(name="transfer")
@click.argument("reward", type=click.Path(path_type=Path))
@click.option("--task", required=True, help="Task name or file.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Run folder.")
@randomisation_option("Dynamics drawn at each episode", default="light")
@click.option("--algorithm", default="transfer", show_default=True, help="Recipe name or file.")
@click.option("--seed", default=0, show_default=True, help="Fixes everything that is drawn.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting of the algorithm, such as total_steps=600000.",
)
@device_option
def command(
    reward: Path,
    task: str,
    output: Path,
    randomisation: str,
    algorithm: str,
    seed: int,
    overrides: tuple[str, ...],
    device: DeviceKind,
) -> None:
    """Train a policy from scratch, by PPO, on REWARD alone, a file of 'trirl export'.

    The reward does not change any more. Neither the demonstrations nor the policy that it was
    learnt with are used, and the task's own reward only for evaluation: its return says how much of
    the task the learnt reward holds, in the same dynamics or, by --randomisation, in others. A run
    that was killed goes on with 'trirl train --resume RUN', to the same result.

    \b
    Examples:
      trirl export runs/cheetah --reward average --output models/
      trirl transfer models/reward.onnx --task half-cheetah --randomisation none --output runs/again
      trirl transfer models/reward.onnx --task half-cheetah --randomisation mars --output runs/mars
    """
    with joined(device) as processes, processes.speaking_once():
        config = resolve(
            reward,
            output,
            task=task,
            randomisation=randomisation,
            algorithm=algorithm,
            seed=seed,
            overrides=overrides,
        )
        begin(config, output, Console(), processes)


def resolve(
    reward: Path,
    output: Path,
    *,
    task: str,
    randomisation: str = "light",
    algorithm: str = "transfer",
    seed: int = 0,
    overrides: tuple[str, ...] = (),
) -> RunConfig:
    """Read everything that a run is asked for; nothing is written.

    Raises:
        TrirlError: any of it is missing or not valid.
    """
    chosen, frozen = load_task(task), FrozenReward(reward)
    # how much the entropy weighs beside a reward belongs to it, where no recipe knows better
    stated = {"entropy_coef": frozen.entropy_coef}
    settings = load_algorithm(algorithm, chosen, overrides, defaults=stated)
    if not isinstance(settings, TransferConfig):
        raise ConfigError(
            f"--algorithm {algorithm} is a recipe of {settings.algorithm}, expected one of transfer"
        )
    return RunConfig(
        demonstrations=None,
        demonstrations_sha256=None,
        reward=os.path.relpath(reward, output),
        reward_sha256=frozen.model.sha256,
        task=chosen,
        randomisation=load_randomisation(randomisation),
        algorithm=settings,
        seed=seed,
    )
