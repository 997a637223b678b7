"""Does the exported file compute what the trainer's module computes?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trirl_robot.model_file import ModelFile


def largest_difference(
    module: torch.nn.Module, path: Path, *inputs: NDArray[np.floating[Any]]
) -> float:
    """Return the largest absolute difference between a torch module and its ONNX file.

    Args:
        module: the policy or reward that was exported.
        path: the ONNX file.
        inputs: observations (B, n), and for a reward also actions (B, m) and, where it reads them,
            next observations (B, n).

    Raises:
        ModelFileError: the file is not a valid model file.
    """
    model = ModelFile(path)
    arrays = [np.asarray(array, np.float32) for array in inputs]
    with torch.no_grad():
        expected = module(*(torch.from_numpy(array) for array in arrays)).numpy()
    output = model.run(**dict(zip(model.golden.inputs, arrays, strict=True)))
    return float(np.max(np.abs(output - expected)))
