"""A process beside this one that fits the critic while the policy learns here.

Two threads of one interpreter stand in each other's way: between the short products of networks
this small, each waits for the other to give up Python. The process keeps nothing between two fits,
so that it may be started, or lost, at any time without a difference in what is learnt.

    python -m trirl_robot.rl.regression_process        what is started; it speaks pickle
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from typing import IO, Any

import torch
from torch import Tensor

from trirl_robot.own_process import python_command, python_environment
from trirl_robot.rl.regression import Regression, RegressionResult

_log = logging.getLogger(__name__)

_PROTOCOL = pickle.HIGHEST_PROTOCOL
_READY = b"."


class RegressionProcess:
    """Fits the network of a regression elsewhere, and brings home what became of it."""

    def __init__(self, regression: Regression) -> None:
        """Start the process; it is ready after some seconds.

        Args:
            regression: whose network, on the processor, is fitted.
        """
        self._regression = regression
        self._process = subprocess.Popen(
            python_command("-m", "trirl_robot.rl.regression_process"),
            env=python_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._ready = False
        self._end = weakref.finalize(self, _end, self._process)

    def is_ready(self) -> bool:
        """Return whether it takes work now; never again once it has ended."""
        if not self._ready and self._end.alive and select.select([self._from], [], [], 0)[0]:
            self._ready = self._from.read(1) == _READY
            if self._ready:
                self._send((self._regression.network, self._regression.config))
            else:
                self._lose()
        return self._ready

    def begin(self, inputs: Tensor, targets: Tensor, orders: Sequence[Tensor]) -> None:
        """Start a fit; see `Regression.fit`."""
        state = [values.numpy() for values in self._regression.state()]
        self._send((state, inputs.numpy(), targets.numpy(), [order.numpy() for order in orders]))

    def finish(self) -> RegressionResult | None:
        """Wait for its end and take what was learnt; None if the process is lost."""
        try:
            state, result = pickle.load(self._from)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            # it has ended, now or before
            self._lose()
            return None
        for kept, learnt in zip(self._regression.state(), state, strict=True):
            kept.copy_(torch.from_numpy(learnt))
        done: RegressionResult = result
        return done

    def _lose(self) -> None:
        self.close()
        _log.warning(
            "the process in which the critic learns has ended (status %s); the training goes on "
            "without it, to the same result but slower",
            self._process.returncode,
        )

    def close(self) -> None:
        """End the process."""
        self._ready = False
        self._end()

    def _send(self, message: Any) -> None:
        try:
            pickle.dump(message, self._to, _PROTOCOL)
            self._to.flush()
        except (OSError, ValueError):
            self.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    # at the end of its input it ends by itself, unless it is in the middle of a fit
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    process.kill()
    process.wait()


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Fit whatever comes, until the source ends."""
    sink.write(_READY)
    sink.flush()
    try:
        network, config = pickle.load(source)
        regression = Regression(network, config)
        while True:
            state, *samples, orders = pickle.load(source)
            for kept, given in zip(regression.state(), state, strict=True):
                kept.copy_(torch.from_numpy(given))
            # copies lie as torch lays them, whatever lay about them in the pipe: sums are then the
            # same to the last bit
            inputs, targets = (torch.from_numpy(values).clone() for values in samples)
            result = regression.fit(inputs, targets, [torch.from_numpy(o) for o in orders])
            learnt = [values.numpy() for values in regression.state()]
            pickle.dump((learnt, result), sink, _PROTOCOL)
            sink.flush()
    except (EOFError, BrokenPipeError):
        return


if __name__ == "__main__":
    # Ctrl-C is for the process that started this one, whose end is then noticed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    with os.fdopen(os.dup(1), "wb") as answers:
        # what else is printed does not belong between the answers
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)
