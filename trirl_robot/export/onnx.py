"""Policies and rewards as ONNX files that carry their contract, golden vectors and provenance."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from trirl_robot import model_metadata as keys
from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ModelFileError, NonFiniteError
from trirl_robot.files import replaced_atomically
from trirl_robot.model_file import ModelFile
from trirl_robot.model_metadata import Golden

OPSET = 18
IR_VERSION = 9
"""Both are read by every onnxruntime since 1.17 (January 2024)."""

GOLDEN_TOLERANCE = 1e-5
"""Greatest difference from the trainer's outputs, relative to the largest where that is above 1."""

Floats = NDArray[np.floating[Any]]


def export_policy(
    policy: torch.nn.Module,
    contract: PolicyContract,
    golden_observations: Floats,
    provenance: Mapping[str, Any],
    path: Path,
) -> None:
    """Write `policy` as an ONNX file with the input `observation` and the output `action`.

    Args:
        policy: maps observations (B, n) float32 in SI units to actions (B, m) in [-1, 1];
            deterministic, with normaliser and squashing inside.
        contract: what the policy reads and commands.
        golden_observations: at least 16 observations, shape (K, n), whose actions go into the file.
        provenance: plain data about where the policy comes from.
        path: the file, replaced atomically.

    Raises:
        ModelFileError: too few golden observations, or sizes that differ from the contract.
        NonFiniteError: the policy is not finite on a golden observation.
    """
    golden = {keys.OBSERVATION: golden_observations}
    _export(policy, contract, golden, keys.ACTION, provenance, path)


def export_reward(
    reward: torch.nn.Module,
    contract: PolicyContract,
    golden_observations: Floats,
    golden_actions: Floats,
    provenance: Mapping[str, Any],
    path: Path,
    *,
    golden_next_observations: Floats | None = None,
) -> None:
    """Write `reward` as an ONNX file with inputs `observation`, `action` and the output `reward`.

    Args:
        reward: maps observations (B, n) and actions (B, m) to rewards (B,); with golden next
            observations, these (B, n) as well, the input `next_observation` of the file.
        contract: what observation and action are.
        golden_observations: at least 16 observations, shape (K, n).
        golden_actions: as many actions, shape (K, m).
        provenance: plain data about where the reward comes from.
        path: the file, replaced atomically.
        golden_next_observations: as many observations after the step, shape (K, n).

    Raises:
        ModelFileError, NonFiniteError: as `export_policy`.
    """
    golden = {keys.OBSERVATION: golden_observations, keys.ACTION: golden_actions}
    if golden_next_observations is not None:
        golden[keys.NEXT_OBSERVATION] = golden_next_observations
    _export(reward, contract, golden, "reward", provenance, path)


def _export(
    module: torch.nn.Module,
    contract: PolicyContract,
    golden_inputs: Mapping[str, Floats],
    output_name: str,
    provenance: Mapping[str, Any],
    path: Path,
) -> None:
    golden = _golden(module, contract, golden_inputs, output_name)
    metadata = _metadata(contract, golden, provenance)
    model = _convert(module, golden)
    metadata[keys.GRAPH_SHA256_KEY] = keys.graph_sha256(model.SerializeToString())
    metadata[keys.METADATA_SHA256_KEY] = keys.metadata_sha256(metadata)
    onnx.helper.set_model_props(model, metadata)
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        # what does not load here must not get its final name
        ModelFile(temporary)


def _golden(
    module: torch.nn.Module,
    contract: PolicyContract,
    inputs: Mapping[str, Floats],
    output_name: str,
) -> Golden:
    sizes = keys.sizes_of(contract)
    arrays = {name: np.asarray(array, np.float32) for name, array in inputs.items()}
    count = len(arrays[keys.OBSERVATION])
    for name, array in arrays.items():
        if array.shape != (count, sizes[name]) or count < keys.MINIMUM_GOLDEN:
            raise ModelFileError(
                f"golden {name}s have the shape {array.shape}, expected (at least "
                f"{keys.MINIMUM_GOLDEN}, {sizes[name]}) as in the contract"
            )
    with torch.no_grad():
        output = module(*(torch.from_numpy(array) for array in arrays.values())).numpy()
    expected = (count,) if output_name == "reward" else (count, contract.action_size)
    if output.shape != expected:
        raise ModelFileError(
            f"the module returns the shape {output.shape} for {count} inputs, expected {expected}"
        )
    if not np.isfinite(output).all():
        raise NonFiniteError(
            f"the {output_name} is not finite on a golden observation; do not export this module"
        )
    tolerance = GOLDEN_TOLERANCE * max(1.0, float(np.abs(output).max()))
    return Golden(inputs=arrays, output_name=output_name, output=output, tolerance=tolerance)


def _metadata(
    contract: PolicyContract, golden: Golden, provenance: Mapping[str, Any]
) -> dict[str, str]:
    (action,) = contract.action
    return {
        keys.CONTRACT_KEY: contract.to_json(),
        keys.CONTRACT_SHA256_KEY: contract.sha256,
        keys.GOLDEN_KEY: golden.to_json(),
        keys.PROVENANCE_KEY: json.dumps(provenance),
        # keys that other deployment tools read, as comma-separated lists
        "joint_names": ",".join(contract.joint_names),
        "default_joint_pos": ",".join(map(repr, contract.default_joint_positions)),
        "action_scale": ",".join(map(repr, action.scale)),
        "observation_names": ",".join(field.name for field in contract.observation),
    }


def _convert(module: torch.nn.Module, golden: Golden) -> onnx.ModelProto:
    """Trace a module into a self-contained graph with a free batch size."""
    batch = torch.export.Dim("batch")
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(torch.from_numpy(array[:2].copy()) for array in golden.inputs.values()),
            input_names=list(golden.inputs),
            output_names=[golden.output_name],
            dynamic_shapes=tuple({0: batch} for _ in golden.inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelFileError("the module could not be converted to ONNX")
    model = program.model_proto
    model.ir_version = IR_VERSION
    _strip(model)
    return model


def _strip(model: onnx.ModelProto) -> None:
    """Remove the tracer's notes: they hold source lines and paths of this machine."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        item.doc_string = ""
        del item.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice about packages that are not used here from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
