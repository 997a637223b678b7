"""What torchrun runs in each process for `tests/runs/test_several_processes.py`.

    torchrun --nproc-per-node 2 tests/sharing_processes.py DEMONSTRATIONS FOLDER

Trains with every algorithm that shares rollouts, as `learnt` does in one process, and writes what
each process has in the end to FOLDER.
"""

import copy
import os
import sys
from pathlib import Path

import torch
from run_states import leaves, same

from trirl_robot.cli.train import resolve
from trirl_robot.cli.transfer import resolve as resolve_transfer
from trirl_robot.errors import WorkerError
from trirl_robot.irl.imitation import ImitationLearner
from trirl_robot.rl.processes import ALONE, joined
from trirl_robot.runs.train import build_learner

ITERATIONS = 3
# a last minibatch of one sample, which is fewer than there are processes
SHARED = ("num_envs=6", "rollout_steps=27", "ppo.epochs=2", "ppo.minibatch=23")
IMITATION = (
    "warmup_iterations=1",
    "cloning.updates=20",
    "discriminator.epochs=2",
    "discriminator.minibatch=23",
)
CASES = {
    "trirl": ("trirl", IMITATION),
    "trirl-distilled": (
        "trirl",
        (*IMITATION, "reward={form: distilled}", "discriminator.replay_share=0.3"),
    ),
    "trirl-projection": (
        "trirl",
        (*IMITATION, "reward={form: linear}", "trust_region={form: projection}"),
    ),
    "gail": ("gail", IMITATION),
    "airl": ("airl", IMITATION),
    "ppo": ("ppo", ()),
    "transfer": ("transfer", ()),
}
"""Algorithm and settings by name."""
REWARD = "reward.onnx"
"""File beside the demonstrations that transfer learns from."""


def build(case, demonstrations, processes=ALONE):
    algorithm, settings = CASES[case]
    chosen = {
        "task": "so101-reach",
        "algorithm": algorithm,
        "seed": 3,
        "overrides": (*SHARED, *settings),
    }
    if algorithm == "transfer":
        config = resolve_transfer(demonstrations.with_name(REWARD), Path("run"), **chosen)
    else:
        config = resolve(None if algorithm == "ppo" else demonstrations, Path("run"), **chosen)
    learner = build_learner(config, Path("run"), nthread=1, processes=processes)
    if isinstance(learner, ImitationLearner):
        learner.clone()
    return learner


def tensors(learner):
    """Return every parameter and statistic by name."""
    return {
        f"{name}.{key}": value.clone()
        for name, module in learner.modules.items()
        for key, value in module.state_dict().items()
        if isinstance(value, torch.Tensor)
    }


def learnt(case, demonstrations, processes=ALONE):
    """Return tensors and metrics of each iteration."""
    learner = build(case, demonstrations, processes)
    history = []
    for _ in range(ITERATIONS):
        metrics = {k: v for k, v in learner.step().items() if not k.startswith("time")}
        history.append((tensors(learner), metrics))
    return history


def differing_after_resume(demonstrations, processes):
    """Return what differs between a learner that went on and one that was stored in between."""
    first = build("trirl", demonstrations, processes)
    first.step()
    state = copy.deepcopy(first.state_dict())
    second = build("trirl", demonstrations, processes)
    second.load_state_dict(state)
    for learner in (first, second):
        learner.step()
    expected, found = (dict(leaves(learner.state_dict())) for learner in (first, second))
    return [k for k in expected.keys() | found.keys() if not same(expected[k], found[k])]


def main():
    demonstrations, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with joined() as processes:
        results = {case: learnt(case, demonstrations, processes) for case in CASES}
        results["differing"] = differing_after_resume(demonstrations, processes)
        torch.save(results, folder / f"{processes.rank}.pt")
        processes.total(0.0)
        if not processes.is_first:
            os._exit(0)
        try:
            processes.total(1.0)
        except WorkerError as error:
            (folder / "lost.txt").write_text(str(error))


if __name__ == "__main__":
    main()
