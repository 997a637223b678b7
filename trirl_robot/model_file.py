"""ONNX files that carry their contract: verification and inference.

Needs numpy and onnxruntime only, so that a robot reads the files without torch or onnx.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract, contract_from_json
from trirl_robot.errors import ContractError, ModelFileError
from trirl_robot.model_metadata import (
    ACTION,
    CONTRACT_KEY,
    CONTRACT_SHA256_KEY,
    GOLDEN_KEY,
    GRAPH_SHA256_KEY,
    KEYS,
    METADATA_SHA256_KEY,
    MINIMUM_GOLDEN,
    NEXT_OBSERVATION,
    OBSERVATION,
    PROVENANCE_KEY,
    Golden,
    graph_sha256,
    metadata_sha256,
    sizes_of,
)

Floats = NDArray[np.float32]


class ModelFile:
    """A policy or a reward from an ONNX file, verified before it is used."""

    def __init__(self, path: Path) -> None:
        """Read and verify a file; nothing is trusted that a digest or golden vector contradicts.

        Args:
            path: the ONNX file.

        Raises:
            ModelFileError: missing, not ONNX, without contract, changed after the export, of other
                shapes than its contract says, or failing its golden vectors.
        """
        self.path = path
        content = _read(path)
        self._session = _session(content, path)
        self.metadata = _metadata(self._session, path)
        _require_keys(self.metadata, path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.contract = _contract(self.metadata, path)
        _require_digests(self.metadata, content, path)
        self.golden = Golden.from_json(self.metadata[GOLDEN_KEY], str(path))
        self._check_shapes()
        self.golden_difference = self._self_test()

    @property
    def provenance(self) -> dict[str, Any]:
        """What the exporter wrote about where the model comes from."""
        data: dict[str, Any] = json.loads(self.metadata[PROVENANCE_KEY])
        return data

    def run(self, **inputs: NDArray[Any]) -> Floats:
        """Evaluate the model.

        Args:
            inputs: arrays by input name, such as observation (B, n); converted to float32.

        Returns:
            The output, shape (B, m) for a policy and (B,) for a reward.
        """
        feed = {name: np.ascontiguousarray(array, np.float32) for name, array in inputs.items()}
        output: Floats = self._session.run(None, feed)[0]
        return output

    def _check_shapes(self) -> None:
        sizes = sizes_of(self.contract)
        inputs = {value.name: value.shape for value in self._session.get_inputs()}
        outputs = {value.name: value.shape for value in self._session.get_outputs()}
        for name, shape in {**inputs, **outputs}.items():
            wanted = 1 if name == "reward" else 2
            if len(shape) != wanted or (wanted == 2 and shape[1] != sizes.get(name)):
                raise ModelFileError(
                    f"{self.path}: '{name}' has the shape {shape}, its contract says (batch"
                    + (f", {sizes.get(name)})" if wanted == 2 else ")")
                    + "; export it again"
                )
        golden = self.golden
        count = len(golden.output)
        if (
            set(golden.inputs) != set(inputs)
            or golden.output_name not in outputs
            or count < MINIMUM_GOLDEN
            or any(array.shape != (count, sizes[n]) for n, array in golden.inputs.items())
        ):
            raise ModelFileError(
                f"{self.path}: its golden vectors do not fit its inputs {sorted(inputs)} (at least "
                f"{MINIMUM_GOLDEN} of the contract's size are expected); export it again"
            )

    def _self_test(self) -> float:
        golden = self.golden
        output = self.run(**golden.inputs)
        difference = float(np.max(np.abs(output - golden.output), initial=0.0))
        if output.shape != golden.output.shape or not difference <= golden.tolerance:
            raise ModelFileError(
                f"{self.path}: golden self-test failed, the output differs by {difference:.3g} "
                f"from what the trainer computed (tolerance {golden.tolerance:.3g}); the weights "
                "or the inference engine are not the trainer's: export it again"
            )
        return difference


def load_policy(path: Path) -> ModelFile:
    """Read and verify a policy (observation to action).

    Raises:
        ModelFileError: see `ModelFile`; also for a file that holds a reward.
    """
    return _load(path, ((OBSERVATION,),), ACTION, "policy")


def load_reward(path: Path) -> ModelFile:
    """Read and verify a reward; raises as `load_policy`.

    It maps observation and action to the reward, or observation, action and next observation.
    """
    inputs = (OBSERVATION, ACTION)
    return _load(path, (inputs, (*inputs, NEXT_OBSERVATION)), "reward", "reward")


def _load(path: Path, inputs: tuple[tuple[str, ...], ...], output: str, kind: str) -> ModelFile:
    model = ModelFile(path)
    if tuple(model.golden.inputs) not in inputs or model.golden.output_name != output:
        raise ModelFileError(
            f"{path}: not a {kind}: it maps {', '.join(model.golden.inputs)} to "
            f"{model.golden.output_name}, expected {', '.join(inputs[0])} to {output}"
        )
    return model


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: no such file; expected an ONNX file written by 'trirl export'"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from None


def _session(content: bytes, path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # small networks: more threads only add waiting, and jitter to a control loop
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(
            f"{path}: not a readable ONNX file ({reason}); copy or export it again"
        ) from None


def _metadata(session: Any, path: Path) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError:
        raise ModelFileError(
            f"{path}: its metadata were changed after the export (they are not UTF-8 text any "
            "more); copy it again, or export it again"
        ) from None


def _require_keys(metadata: Mapping[str, str], path: Path) -> None:
    missing = [key for key in (*KEYS, METADATA_SHA256_KEY) if key not in metadata]
    if CONTRACT_KEY in missing:
        raise ModelFileError(
            f"{path}: an ONNX file without a contract (metadata '{CONTRACT_KEY}'); expected a file "
            "written by 'trirl export'"
        )
    if missing:
        raise ModelFileError(
            f"{path}: the metadata {', '.join(missing)} are missing; export it again"
        )


def _contract(metadata: Mapping[str, str], path: Path) -> PolicyContract:
    try:
        contract = contract_from_json(metadata[CONTRACT_KEY], str(path))
    except ContractError as error:
        raise ModelFileError(str(error)) from None
    expected = metadata[CONTRACT_SHA256_KEY]
    if contract.sha256 != expected:
        raise ModelFileError(
            f"{path}: its contract was changed after the export (SHA-256 is "
            f"{contract.sha256[:12]}…, expected {expected[:12]}…); export it again"
        )
    return contract


def _require_digests(metadata: Mapping[str, str], content: bytes, path: Path) -> None:
    checks = (
        ("graph or weights were", graph_sha256(content), metadata[GRAPH_SHA256_KEY]),
        ("metadata were", metadata_sha256(metadata), metadata[METADATA_SHA256_KEY]),
    )
    for what, found, expected in checks:
        if found != expected:
            raise ModelFileError(
                f"{path}: its {what} changed after the export (SHA-256 is {found[:12]}…, expected "
                f"{expected[:12]}…); copy it again, or export it again"
            )
