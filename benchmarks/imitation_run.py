"""One run of the imitation benchmark: trained, measured, kept, with the rewards it has learnt."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from experts import demonstrations_of, expert_return, made_by

from trirl_robot.cli.export import export
from trirl_robot.cli.train import resolve
from trirl_robot.config import to_mapping
from trirl_robot.evaluation.results import machine
from trirl_robot.evaluation.rollouts import EvaluationResult, Policy, RandomPolicy, evaluate
from trirl_robot.files import write_text_atomically
from trirl_robot.irl.discriminator import ABSORBED_DECAY, ABSORBING_WEIGHT
from trirl_robot.irl.features import ACTION
from trirl_robot.irl.samples import LEAST_ABSORBING_SHARE
from trirl_robot.rl.policy import MeanAction
from trirl_robot.runs.algorithms import load_algorithm
from trirl_robot.runs.checkpoint import load_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.policies import load_learnt
from trirl_robot.runs.rewards import Weighting
from trirl_robot.runs.settings import RunConfig
from trirl_robot.runs.train import build_learner, train
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.randomisation.config import load_randomisation
from trirl_robot.sim.tasks.locomotion.walkers import WalkerConfig
from trirl_robot.sim.tasks.registry import load_task
from trirl_robot.versions import revision

Row = dict[str, Any]

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "imitation"
REWARDS = FOLDER / "rewards"
"""Rewards of finished runs, which are larger than what belongs in a repository."""
PROTOCOL = 2
"""To be raised when code changes what results are worth: learners, operators, robots, measures."""
EPISODES = 100
"""Episodes of the final evaluation."""
EVERY_STEPS = 50_000
"""Environment steps between two evaluations on the way."""
WEIGHTINGS: dict[str, tuple[Weighting, ...]] = {
    "trirl": ("chain", "average"),
    "gail": ("newest", "average"),
    "airl": ("newest", "average"),
}
"""Rewards that are kept of a run, by algorithm: its own, and the average of its discriminators."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of the table."""

    task: str
    """Task."""
    method: str
    """Algorithm."""
    demonstrations: int
    """How many are learnt from."""
    keep_every: int
    """One step in this many of each is learnt from."""
    seed: int
    """Seed of the training and of the demonstrations that it learns from."""
    randomisation: str = "none"
    """Dynamics that are learnt in and measured in; demonstrations are of none."""
    observation_only: bool = False
    """Whether the demonstrations count as holding no actions."""
    variant: str = ""
    """Name of settings that differ from the recipe's."""
    settings: tuple[str, ...] = ()
    """These settings."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What differs from the recipe's settings, last what counts most."""
        if not self.observation_only:
            return (*self._where_randomised, *self.settings)
        recipe = load_algorithm(self.method, load_task(self.task)).discriminator  # type: ignore[union-attr]
        seen = [name for name in recipe.inputs if name != ACTION]
        noise = {name: std for name, std in recipe.instance_noise.items() if name in seen}
        return (
            f"discriminator.inputs={json.dumps(seen)}",
            f"discriminator.instance_noise={json.dumps(noise)}",
            # there is nothing to clone, and a policy that knows nothing has more to try
            "start=scratch",
            "initial_std=0.4",
            "entropy_coef=0.004",
            *self._where_randomised,
            *self.settings,
        )

    @property
    def _where_randomised(self) -> tuple[str, ...]:
        """What every method that steps environments has where each of these is another one."""
        if self.randomisation == "none" or self.method == "bc":
            return ()
        return ("num_envs=64", "entropy_coef=0.004")

    @property
    def recipe(self) -> str:
        """Digest of what a result depends on beside this cell and the code (see `PROTOCOL`)."""
        task = load_task(self.task)
        settings = load_algorithm(self.method, task, self.overrides)
        drawn = load_randomisation(self.randomisation)
        measured = [PROTOCOL, EPISODES, EVERY_STEPS, made_by(task)]
        if isinstance(task, WalkerConfig) and task.terminate_when_unhealthy:
            measured += [LEAST_ABSORBING_SHARE, ABSORBED_DECAY, ABSORBING_WEIGHT]
        return digest(settings, task, drawn, measured)

    @property
    def name(self) -> str:
        """Name of the files that are kept of it."""
        setting = f"{self.demonstrations}x{self.keep_every}"
        setting += f"-{self.randomisation}" if self.randomisation != "none" else ""
        setting += "-observation" if self.observation_only else ""
        variant = self.variant.replace(",", "").replace(" ", "-")
        method = self.method + (f"+{variant}" if variant else "")
        return f"{self.task}_{method}_{setting}_{self.seed}"

    @property
    def path(self) -> Path:
        """File of the result."""
        return RESULTS / f"{self.name}.json"

    def kept(self) -> Row | None:
        """Return what is kept of it; None where it has not been run, or with another recipe."""
        return read_row(self.path, self.recipe)

    def reward(self, weighting: Weighting) -> Path:
        """Return the file of a reward that the run has learnt."""
        return REWARDS / f"{self.name}_{weighting}_{self.recipe}.onnx"


def digest(*parts: Any) -> str:
    """Return twelve hexadecimal digits of settings."""
    text = json.dumps([to_mapping(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_row(path: Path, recipe: str) -> Row | None:
    """Return the kept result of a run; None where there is none of this recipe."""
    if not path.is_file():
        return None
    row: Row = json.loads(path.read_text())
    return row if row["recipe"] == recipe else None


def run(cell: Cell) -> Row:
    """Train and measure on one thread; keep and return the result, keep the rewards."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "run"
        config = resolve(
            demonstrations_of(cell.task, cell.seed),
            path,
            randomisation=cell.randomisation,
            algorithm=cell.method,
            episodes=cell.demonstrations,
            keep_every=cell.keep_every,
            seed=cell.seed,
            overrides=cell.overrides,
        )
        folder = train_measured(path, config)
        found = measure(cell.task, cell.randomisation, folder)
        result = {**asdict(cell), "recipe": cell.recipe, **found}
        for weighting in WEIGHTINGS.get(cell.method, ()):
            export(path, path / weighting, weighting)
            REWARDS.mkdir(exist_ok=True)
            shutil.copyfile(path / weighting / "reward.onnx", cell.reward(weighting))
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text_atomically(cell.path, json.dumps(result, indent=1) + "\n")
    return result


def train_measured(path: Path, config: RunConfig) -> RunFolder:
    """Train on one thread, with an evaluation every so many steps."""
    iteration = getattr(config.algorithm, "steps_per_iteration", EVERY_STEPS)
    config = replace(
        config, evaluation_every=max(1, EVERY_STEPS // iteration), evaluation_episodes=10
    )
    folder = RunFolder.create(path, config)
    train(folder, config, build_learner(config, path, nthread=1))
    return folder


def measure(task: str, randomisation: str, folder: RunFolder) -> Row:
    """Return what a finished run has reached, and the way there."""
    learnt = load_learnt(folder.path)
    found = _evaluate(task, randomisation, MeanAction(learnt.policy))
    random_policy = RandomPolicy(learnt.contract.action_size)
    random = float(_evaluate(task, randomisation, random_policy).episode_return.mean())
    expert = expert_return(task)
    rows = folder.read_metrics()
    curve = [row for row in rows if "evaluation/return" in row]
    if folder.cloned.is_file() and len(curve) > 1:
        # what cloning had reached; its time is counted up to the evaluation after it
        learnt.policy.load_state_dict(load_checkpoint(folder.cloned))
        cloned = _evaluate(task, randomisation, MeanAction(learnt.policy)).episode_return.mean()
        begun = {"env_steps": 0.0, "time_cpu_s": curve[0]["time_cpu_s"]}
        curve.insert(0, {**begun, "evaluation/return": float(cloned)})

    def normalised(value: float) -> float:
        return (value - random) / (expert - random)

    return {
        "normalised": normalised(float(found.episode_return.mean())),
        "return": float(found.episode_return.mean()),
        "success": found.success_rate.value,
        "expert_return": expert,
        "random_return": random,
        "steps": [row["env_steps"] for row in curve],
        "seconds": [row["time_cpu_s"] for row in curve],
        "curve": [normalised(row["evaluation/return"]) for row in curve],
        "minutes": rows[-1]["time_cpu_s"] / 60.0,
        "phases": {
            name: float(np.mean([row[name] for row in rows]))
            for name in rows[-1]
            if _is_share(name)
        },
        "chain_length": rows[-1].get("reward/chain_length"),
        "machine": machine()["cpu"],
        "revision": revision(),
    }


def _is_share(name: str) -> bool:
    return name.startswith("time/") and name.endswith("_share")


def _evaluate(task: str, randomisation: str, policy: Policy) -> EvaluationResult:
    env = make_batch(
        task,
        num_envs=EPISODES,
        randomisation=randomisation,
        seed=0,
        nthread=1,
        purpose=Purpose.EVALUATION,
        autoreset=False,
    )
    return evaluate(policy, env, EPISODES, 0)


if __name__ == "__main__":
    values = json.loads(sys.argv[1])
    done = run(Cell(**{**values, "settings": tuple(values["settings"])}))
    sys.stdout.write(f"{done['normalised']:.3f} in {done['minutes']:.1f} min\n")
