"""The processes that train one policy together, and the device that each of them learns on.

torchrun starts them. Each simulates an equal part of the environments, one after another as they
are numbered, and holds every network. What all have met is exchanged once a rollout, so that
everything that is derived from it, and every random number, is the same in each process; of every
minibatch each takes a part, and gradients are added up. So the result is that of one process, but
for the order of sums.

No other module speaks to `torch.distributed`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, distributed, nn

from trirl_robot.errors import ConfigError, RunError, TrirlError, WorkerError
from trirl_robot.sim.interface import Place

DeviceKind = Literal["cpu", "cuda"]
"""Where networks are and learn; simulations always run on the processor."""

PATIENCE = timedelta(hours=6)
"""Time that the others wait for one process, which may evaluate the policy meanwhile. The end of a
process is noticed at once."""
PROCESSOR = torch.device("cpu")
ECHO_S = 5.0
"""Time in which the launcher ends the other processes once one has failed, s."""
_PARTS = "by_process"


class Part(NamedTuple):
    """What one process takes of the samples of a gradient step."""

    rows: slice
    """Which samples."""
    weight: float
    """How much their mean counts in the mean of all."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that train together; by default it is the only one."""

    rank: int = 0
    """Its number."""
    size: int = 1
    """How many there are."""
    on_this_machine: int = 1
    """How many of them share this machine."""
    device: torch.device = PROCESSOR
    """Where its networks are."""

    @property
    def is_first(self) -> bool:
        """Whether it is the one that reports, evaluates and writes."""
        return self.rank == 0

    @property
    def threads(self) -> int:
        """Threads that it may simulate on; 0 for all cores."""
        if self.on_this_machine == 1:
            return 0
        # those that it may run on, which a container or a scheduler may have limited
        return max(1, len(os.sched_getaffinity(0)) // self.on_this_machine)

    def place(self, num_envs: int) -> Place:
        """Return which of so many environments this process simulates.

        Raises:
            ConfigError: they cannot be shared out evenly.
        """
        if num_envs % self.size:
            raise ConfigError(
                f"num_envs is {num_envs}, expected a multiple of the {self.size} processes; choose "
                f"another --nproc-per-node, or --set num_envs={num_envs + -num_envs % self.size}"
            )
        return Place(first=self.rank * (num_envs // self.size), total=num_envs)

    def part(self, count: int) -> Part:
        """Return what this process takes of the samples of a gradient step.

        Of fewer samples than there are processes, each takes all.
        """
        if self.size == 1:
            return Part(slice(None), 1.0)
        if count < self.size:
            return Part(slice(None), 1.0 / self.size)
        first, last = self._bounds(count)
        return Part(slice(first, last), (last - first) / count)

    def sum_gradients(self, parameters: Iterable[nn.Parameter], weight: float) -> None:
        """Make every gradient the weighted sum of those of all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients]).mul_(weight)
        self._sum(together)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, torch.split(together, sizes), strict=True):
            gradient.copy_(total.view_as(gradient))

    def mean(self, values: Sequence[Tensor], weights: Sequence[float]) -> float:
        """Return the mean over gradient steps of what each process took the mean of in its part.

        Args:
            values: scalars, one of each step.
            weights: the parts' weights.
        """
        together = torch.stack(list(values))
        if self.size > 1:
            together = together * together.new_tensor(weights)
            self._sum(together)
        return float(together.mean())

    def total(self, value: float) -> float:
        """Return the sum of a number over all processes."""
        if self.size == 1:
            return value
        together = torch.tensor([value], dtype=torch.float64)
        self._sum(together)
        return float(together)

    @torch.no_grad()
    def mapped(self, function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        """Return a function's value for each row, of which every process computes a part.

        Args:
            function: takes rows and returns one value, of any shape, for each.
            rows: what it is called with, each (B, ...).

        Returns:
            What the function returns for all rows, (B, ...), the same in every process.
        """
        if self.size == 1:
            return function(*rows)
        count = len(rows[0])
        first, last = self._bounds(count)
        own = function(*(values[first:last] for values in rows))
        together = own.new_zeros(count, *own.shape[1:])
        together[first:last] = own
        self._sum(together)
        return together

    def gathered(self, values: Tensor, dim: int) -> Tensor:
        """Return the values of all processes one after another, on the device; all of one shape."""
        values = values.to(self.device)
        if self.size == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.size)]
        with _in_company():
            distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts, dim)

    def joint_state(self, own: Any) -> Any:
        """Return what `own_state` takes apart again: plain data of every process."""
        if self.size == 1:
            return own
        parts: list[Any] = [None] * self.size
        with _in_company():
            distributed.all_gather_object(parts, own)
        return {_PARTS: parts}

    def own_state(self, state: Any) -> Any:
        """Return what this process gave to `joint_state`.

        Raises:
            RunError: another number of processes made it.
        """
        parts = state.get(_PARTS) if isinstance(state, dict) else None
        count = 1 if parts is None else len(parts)
        if count != self.size:
            start = "without torchrun" if count == 1 else f"with torchrun --nproc-per-node {count}"
            raise RunError(
                f"the number of processes is {self.size}, expected {count} as when the checkpoint "
                f"was written, which holds the simulations of each; resume the run {start}"
            )
        return state if parts is None else parts[self.rank]

    @contextmanager
    def speaking_once(self) -> Iterator[None]:
        """Leave it to the first process to tell of what ends all of them."""
        try:
            yield
        except KeyboardInterrupt:
            if not self.is_first:
                sys.exit(128 + signal.SIGINT)
            raise
        except (TrirlError, OSError):
            if not self.is_first:
                # if it is everyone's error, the launcher ends this process within that time
                time.sleep(ECHO_S)
            raise

    def _bounds(self, count: int) -> tuple[int, int]:
        return count * self.rank // self.size, count * (self.rank + 1) // self.size

    def _sum(self, values: Tensor) -> None:
        with _in_company():
            distributed.all_reduce(values)


ALONE = Processes()
"""One process, on the processor."""


@contextmanager
def joined(kind: DeviceKind = "cpu") -> Iterator[Processes]:
    """Join the processes that torchrun has started, or be the only one without it.

    Raises:
        ConfigError: there is no GPU, or not one for each process of this machine.
    """
    launched = distributed.is_available() and distributed.is_torchelastic_launched()
    local_rank, on_this_machine = (
        (int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])) if launched else (0, 1)
    )
    device = _device(kind, local_rank, on_this_machine)
    size = int(os.environ["WORLD_SIZE"]) if launched else 1
    if size == 1:
        yield Processes(device=device)
        return
    if on_this_machine == size:
        # nobody else has to be reached; by default gloo listens where the host's name points to
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _loopback())
    backend = "cpu:gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl"
    with _in_company():
        distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(
            rank=distributed.get_rank(), size=size, on_this_machine=on_this_machine, device=device
        )
    finally:
        distributed.destroy_process_group()


def _device(kind: DeviceKind, local_rank: int, on_this_machine: int) -> torch.device:
    if kind == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ConfigError(
            f"--device cuda: PyTorch {torch.__version__} sees no CUDA GPU on this machine; use "
            "--device cpu, or install a driver and a PyTorch with CUDA"
        )
    if count < on_this_machine:
        raise ConfigError(
            f"--device cuda: there are {on_this_machine} processes and {count} GPU(s) on this "
            f"machine, expected one each; use --nproc-per-node {count}"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def _loopback() -> str:
    """Return the name of the interface that only this machine reaches: `lo` or `lo0`."""
    return next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")


@contextmanager
def _in_company() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WorkerError(
            f"a process that trains with this one has ended, or cannot be reached ({reason}); see "
            "what it said above, and go on from the last checkpoint with --resume"
        ) from error
