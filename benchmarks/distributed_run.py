"""What one process of `benchmarks/distributed.py` does: learn a little, keep it, be timed."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from trirl_robot.irl.imitation import ImitationConfig, ImitationLearner
from trirl_robot.rl.processes import joined
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner

COMPARED = 3
"""Iterations after which parameters are compared."""
CLONING_UPDATES = 200
"""Passes over the demonstrations before that; every process clones the whole policy."""


def main() -> None:
    """Learn in as many processes as there are; the first writes the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path, help="run folder whose configuration is learnt with")
    parser.add_argument("result", type=Path, help="file to write")
    parser.add_argument("--threads", type=int, default=0, help="threads of one process")
    parser.add_argument("--timed", type=int, default=0, help="iterations that are timed after that")
    parser.add_argument("--move", type=float, default=0.0, help="added to one bias of the policy")
    arguments = parser.parse_args()
    folder, config = RunFolder.open(arguments.run)
    algorithm = config.algorithm
    assert isinstance(algorithm, ImitationConfig)
    # so that the update of the policy is compared too, and not the critic's alone
    cloning = replace(algorithm.cloning, updates=CLONING_UPDATES)
    config = replace(config, algorithm=replace(algorithm, warmup_iterations=0, cloning=cloning))
    with joined() as processes:
        learner = build_learner(config, folder.path, nthread=arguments.threads, processes=processes)
        assert isinstance(learner, ImitationLearner)
        learner.clone()
        last = learner.policy.network[-1]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.bias[0] += arguments.move
        history = []
        for _ in range(COMPARED):
            learner.step()
            history.append(
                {
                    f"{name}.{key}": value.detach().clone()
                    for name, module in learner.modules.items()
                    for key, value in module.named_parameters()
                }
            )
        seconds = []
        for _ in range(arguments.timed):
            start = time.perf_counter()
            learner.step()
            seconds.append(time.perf_counter() - start)
        if processes.is_first:
            steps = learner.config.steps_per_iteration
            rate = steps / median(seconds) if seconds else 0.0
            torch.save({"history": history, "steps_per_s": rate}, arguments.result)


if __name__ == "__main__":
    main()
