"""What an exported ONNX file says about itself: keys, golden vectors and digests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trirl_robot.contract import PolicyContract
from trirl_robot.errors import ModelFileError

CONTRACT_KEY = "trirl.contract"
CONTRACT_SHA256_KEY = "trirl.contract_sha256"
GOLDEN_KEY = "trirl.golden"
PROVENANCE_KEY = "trirl.provenance"
GRAPH_SHA256_KEY = "trirl.graph_sha256"
METADATA_SHA256_KEY = "trirl.metadata_sha256"
KEYS = (CONTRACT_KEY, CONTRACT_SHA256_KEY, GOLDEN_KEY, PROVENANCE_KEY, GRAPH_SHA256_KEY)

MINIMUM_GOLDEN = 16
"""Least number of observations with known output that a file must carry."""

OBSERVATION, ACTION, NEXT_OBSERVATION = "observation", "action", "next_observation"
"""Names of the graph's inputs; the action is also a policy's output."""

_METADATA_FIELD = 14  # metadata_props of ModelProto in onnx.proto
Floats = NDArray[np.float32]


def sizes_of(contract: PolicyContract) -> dict[str, int]:
    """Return how many numbers each input of a graph has, by name."""
    size = contract.observation_size
    return {OBSERVATION: size, ACTION: contract.action_size, NEXT_OBSERVATION: size}


@dataclass(frozen=True, kw_only=True)
class Golden:
    """Inputs whose outputs the trainer computed, to test an inference engine with."""

    inputs: dict[str, Floats]
    """Inputs by name, each (K, n)."""
    output_name: str
    """Name of the output."""
    output: Floats
    """Expected output, shape (K, m) or (K,)."""
    tolerance: float
    """Greatest absolute difference that is accepted."""

    def to_json(self) -> str:
        """Return JSON with the arrays as base64 of little-endian float32."""
        arrays = {**self.inputs, self.output_name: self.output}
        data = {
            name: {
                "shape": list(array.shape),
                "float32": base64.b64encode(array.astype("<f4").tobytes()).decode(),
            }
            for name, array in arrays.items()
        }
        return json.dumps({"tolerance": self.tolerance, "output": self.output_name, "data": data})

    @classmethod
    def from_json(cls, text: str, where: str) -> Golden:
        """Read what `to_json` wrote.

        Raises:
            ModelFileError: the text is not of that form.
        """
        try:
            document = json.loads(text)
            arrays = {
                name: np.frombuffer(base64.b64decode(entry["float32"]), "<f4").reshape(
                    entry["shape"]
                )
                for name, entry in document["data"].items()
            }
            output = document["output"]
            expected = arrays.pop(output)
            return cls(
                inputs=arrays,
                output_name=output,
                output=expected,
                tolerance=float(document["tolerance"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
            raise ModelFileError(
                f"{where}: its golden vectors cannot be read ({error!r}); export it again"
            ) from None


def graph_sha256(model: bytes) -> str:
    """Return the SHA-256 of a serialised ONNX model without its metadata.

    Nodes, weights, shapes and versions are covered; the metadata are left out, as the digest
    itself is stored there.

    Raises:
        ModelFileError: the bytes are not a protocol-buffer message.
    """
    digest = hashlib.sha256()
    for number, raw in _fields(memoryview(model)):
        if number != _METADATA_FIELD:
            digest.update(raw)
    return digest.hexdigest()


def metadata_sha256(metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of all metadata but this digest itself."""
    rest = {key: value for key, value in metadata.items() if key != METADATA_SHA256_KEY}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and raw bytes of each top-level field of a protocol-buffer message."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(message, position)
        elif kind == 2:
            length, position = _varint(message, position)
            position += length
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            position = len(message) + 1
        if position > len(message):
            raise ModelFileError("not an ONNX file: its protocol-buffer fields do not add up")
        yield tag >> 3, message[start:position]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 64:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    raise ModelFileError("not an ONNX file: a protocol-buffer number does not end")
