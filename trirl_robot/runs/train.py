"""Train and resume: iterations, evaluations, checkpoints, logs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from trirl_robot.contract import require_same
from trirl_robot.demos.dataset import Demonstrations, load_demonstrations
from trirl_robot.errors import DatasetError, ModelFileError
from trirl_robot.evaluation.rollouts import EvaluationResult, evaluate
from trirl_robot.irl.archive import DiscriminatorArchive
from trirl_robot.irl.imitation import ImitationConfig, ImitationLearner
from trirl_robot.irl.transfer import FrozenReward
from trirl_robot.rl.on_policy import OnPolicyLearner
from trirl_robot.rl.policy import MeanAction
from trirl_robot.rl.processes import ALONE, PROCESSOR, Processes
from trirl_robot.runs.algorithms import Learner, build_learner_of
from trirl_robot.runs.checkpoint import fitting, load_checkpoint, save_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.settings import RunConfig
from trirl_robot.runs.starts import begin_in_demonstrations
from trirl_robot.runs.watch import WarningLog
from trirl_robot.sim.env import build_env
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.sim.interface import Environments

Progress = Callable[[dict[str, float], int], None]
"""Called after each iteration with its metrics and the number of iterations of the run."""
Warn = Callable[[str], None]
"""Called with each warning of `WarningLog`."""

_log = logging.getLogger(__name__)


def build_learner(
    config: RunConfig, folder: Path, *, nthread: int = 0, processes: Processes = ALONE
) -> Learner:
    """Build the learner of a run, untrained.

    Args:
        config: the run's configuration.
        folder: the run's folder, from which the demonstrations' path counts; it need not exist.
        nthread: threads to simulate on; 0 for all cores. With more than one, policy and critic
            learn side by side. Results do not depend on it.
        processes: which train together, and the device of this one.

    Raises:
        ConfigError: the environments cannot be shared out evenly to the processes.
        DatasetError: the demonstrations are missing, damaged or not those of the run.
        ModelFileError: the same of the frozen reward.
        ContractError: they were recorded under another contract than the task's.
    """
    # a run must not hang on how many cores the machine has: sums in another order differ
    torch.set_num_threads(1)
    place = processes.place(config.algorithm.num_envs)
    env = build_env(
        config.task,
        place.total // processes.size,
        randomisation=config.randomisation,
        seed=config.seed,
        nthread=nthread or processes.threads,
        place=place,
    )
    demonstrations = _demonstrations(config, folder, env)
    if demonstrations is not None and isinstance(config.algorithm, ImitationConfig):
        begin_in_demonstrations(env, demonstrations, config.algorithm.demonstrated_starts)
    reward = _reward(config, folder, env)
    learner = build_learner_of(
        config.algorithm, demonstrations, env, config.seed, reward, processes
    )
    if isinstance(learner, OnPolicyLearner):
        alone = processes.size == 1 and processes.device == PROCESSOR
        learner.ppo.side_by_side = alone and nthread != 1 and len(os.sched_getaffinity(0)) > 1
    return learner


def _demonstrations(config: RunConfig, folder: Path, env: Environments) -> Demonstrations | None:
    if config.demonstrations is None:
        return None
    path = Path(os.path.normpath(folder / config.demonstrations))
    demonstrations = load_demonstrations(path, contract=env.contract)
    if demonstrations.sha256 != config.demonstrations_sha256:
        raise DatasetError(
            f"{path}: changed since the run began (SHA-256 is {demonstrations.sha256[:12]}, "
            f"expected {str(config.demonstrations_sha256)[:12]}); restore the file or start a new "
            "run"
        )
    return demonstrations.subset(config.episodes, config.keep_every)


def _reward(config: RunConfig, folder: Path, env: Environments) -> FrozenReward | None:
    if config.reward is None:
        return None
    path = Path(os.path.normpath(folder / config.reward))
    reward = FrozenReward(path)
    if reward.model.sha256 != config.reward_sha256:
        raise ModelFileError(
            f"{path}: changed since the run began (SHA-256 is {reward.model.sha256[:12]}, expected "
            f"{str(config.reward_sha256)[:12]}); restore the file or start a new run"
        )
    require_same(reward.model.contract, env.contract, str(path), f"the task '{config.task.name}'")
    return reward


def train(
    folder: RunFolder,
    config: RunConfig,
    learner: Learner,
    on_progress: Progress | None = None,
    on_warning: Warn = _log.warning,
) -> None:
    """Train from the last checkpoint, or from the beginning where there is none.

    Metrics go to `metrics.jsonl` and TensorBoard, what they show to go wrong to `warnings.txt`;
    checkpoints replace each other atomically. Of several processes, the first one writes.

    Args:
        folder: the run's folder.
        config: the run's configuration.
        learner: what `build_learner` made of that configuration; trained in place.
        on_progress: see `Progress`.
        on_warning: see `Warn`.

    Raises:
        RunError: another process trains in the folder, or its checkpoint does not fit.
    """
    if not learner.processes.is_first:
        _follow(folder, config, learner)
        return
    with folder.locked():
        _train(folder, config, learner, on_progress, on_warning)


def _follow(folder: RunFolder, config: RunConfig, learner: Learner) -> None:
    """Do what `_train` does together with the first process, and write nothing."""
    # cloning, from which a policy may begin, is a part of its training
    elapsed = _Elapsed(learner.processes)
    elapsed.go_on(_restore(folder, learner))
    while learner.iteration < config.algorithm.iterations:
        learner.step()
        elapsed.metrics()
        if _is_due(config.checkpoint_every, config, learner):
            learner.state_dict()


def _is_due(every: int, config: RunConfig, learner: Learner) -> bool:
    """Return whether something is done now that is done every so many iterations, and last."""
    return learner.iteration == config.algorithm.iterations or learner.iteration % every == 0


def _train(
    folder: RunFolder,
    config: RunConfig,
    learner: Learner,
    on_progress: Progress | None,
    on_warning: Warn,
) -> None:
    # cloning, from which a policy may begin, is a part of its training
    elapsed = _Elapsed(learner.processes)
    elapsed.go_on(_restore(folder, learner))
    warnings = WarningLog(folder, config.algorithm)
    archive = DiscriminatorArchive(folder.discriminators)
    archive.rewind(learner.archived if isinstance(learner, ImitationLearner) else 0)
    writer = SummaryWriter(str(folder.path / "tensorboard"), purge_step=learner.iteration + 1)
    iterations = config.algorithm.iterations
    evaluation_env = _evaluation_env(config)
    try:
        while learner.iteration < iterations:
            metrics = learner.step()
            if _is_due(config.evaluation_every, config, learner):
                metrics |= _reported(evaluate_learner(learner, evaluation_env, config))
            metrics |= elapsed.metrics()
            folder.append_metrics(metrics)
            if isinstance(learner, ImitationLearner) and learner.newest is not None:
                archive.append(learner.newest)
            for name, value in metrics.items():
                writer.add_scalar(name, value, learner.iteration)
            for line in warnings.look(metrics):
                writer.add_text("warnings", line, learner.iteration)
                on_warning(line)
            if _is_due(config.checkpoint_every, config, learner):
                # a checkpoint counts on what came before it
                archive.flush()
                save_checkpoint(folder.checkpoint, learner.state_dict())
            if on_progress is not None:
                on_progress(metrics, iterations)
    finally:
        writer.close()


def evaluate_learner(learner: Learner, env: Environments, config: RunConfig) -> EvaluationResult:
    """Measure the averaged policy's success under the training's randomisation."""
    return evaluate(
        MeanAction(learner.averaged),
        env,
        config.evaluation_episodes,
        config.seed,
    )


def _reported(result: EvaluationResult) -> dict[str, float]:
    return {
        "evaluation/success_rate": result.success_rate.value,
        "evaluation/median_distance_m": result.median_distance_m,
        "evaluation/return": float(result.episode_return.mean()),
    }


class _Elapsed:
    """Time of a run, over all the processes that have gone on with it."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._wall, self._cpu = -time.perf_counter(), -time.process_time()

    def go_on(self, before: dict[str, float]) -> None:
        """Add the time up to the last iteration before this process, if there is one."""
        self._wall += before.get("time_s", 0.0)
        # what all have used before is counted once
        self._cpu += before.get("time_cpu_s", 0.0) * self._processes.is_first

    def metrics(self) -> dict[str, float]:
        """Return the seconds on the wall's clock and those of all threads on a processor.

        A critic that learns in a process of its own is not counted among the latter.

        All processes have to ask for it together.
        """
        return {
            "time_s": self._wall + time.perf_counter(),
            "time_cpu_s": self._processes.total(self._cpu + time.process_time()),
        }


def _restore(folder: RunFolder, learner: Learner) -> dict[str, float]:
    """Load the last checkpoint or begin; return the metrics of the iteration before."""
    writes = learner.processes.is_first
    if writes:
        folder.remove_torn()
    if folder.checkpoint.is_file():
        state = load_checkpoint(folder.checkpoint)
        with fitting(folder.checkpoint):
            learner.load_state_dict(state)
    elif isinstance(learner, ImitationLearner) and learner.config.start == "clone":
        learner.clone()
        if writes:
            save_checkpoint(folder.cloned, learner.averaged.state_dict())
    if not writes:
        return {}
    folder.rewind_metrics(learner.iteration)
    rows = folder.read_metrics()
    return rows[-1] if rows else {}


def _evaluation_env(config: RunConfig) -> Environments:
    return build_env(
        config.task,
        config.evaluation_episodes,
        randomisation=config.randomisation,
        seed=config.seed,
        purpose=Purpose.MONITORING,
        autoreset=False,
    )
