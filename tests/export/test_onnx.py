"""Export: parity with torch, metadata, and refusal of every kind of changed file."""

import random

import numpy as np
import onnx
import pytest
import torch

from trirl_robot import model_metadata
from trirl_robot.errors import ModelFileError, NonFiniteError
from trirl_robot.export.onnx import IR_VERSION, OPSET, export_policy, export_reward
from trirl_robot.export.parity import largest_difference
from trirl_robot.model_file import load_policy, load_reward
from trirl_robot.model_metadata import GRAPH_SHA256_KEY, METADATA_SHA256_KEY


def test_policy_agrees_with_torch_on_10000_observations(policy, policy_file, draw):
    assert largest_difference(policy, policy_file, draw(10_000)[0]) <= 1e-5


def test_reward_agrees_with_torch(reward, reward_file, draw):
    assert largest_difference(reward, reward_file, *draw(10_000)) <= 1e-5
    assert load_reward(reward_file).run(observation=draw(3)[0], action=draw(3)[1]).shape == (3,)


def test_parity_notices_another_module(policy, policy_file, draw):
    with torch.no_grad():
        policy.net[0].weight[3, 2] += 0.01
    assert largest_difference(policy, policy_file, draw(1000)[0]) > 1e-4


def test_file_carries_what_a_robot_needs(policy_file, make_contract):
    model = onnx.load(policy_file)
    onnx.checker.check_model(model)
    assert model.ir_version == IR_VERSION
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    loaded = load_policy(policy_file)
    assert loaded.contract == make_contract()
    assert loaded.provenance["seed"] == 3
    assert len(loaded.golden.output) >= model_metadata.MINIMUM_GOLDEN
    assert loaded.metadata["joint_names"] == "turn,push"
    assert loaded.metadata["action_scale"] == "0.1,0.02"
    assert loaded.metadata["default_joint_pos"] == "0.0,0.1"
    assert loaded.metadata["observation_names"].startswith("joint_position,joint_velocity")


def test_file_holds_no_path_of_this_machine(policy_file):
    assert b".py" not in policy_file.read_bytes()


def test_digest_ignores_only_the_metadata(policy_file):
    model = onnx.load(policy_file)
    digest = model_metadata.graph_sha256(policy_file.read_bytes())
    del model.metadata_props[:]
    assert model_metadata.graph_sha256(model.SerializeToString()) == digest
    model.producer_version = "other"
    assert model_metadata.graph_sha256(model.SerializeToString()) != digest


def _rewrite(path, *, weights=(), metadata=None, digests=()):
    """Change weights or metadata of a file, and optionally recompute digests to hide it."""
    model = onnx.load(path)
    for number, factor in weights:
        tensor = model.graph.initializer[number]
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[0] = values.flat[0] * factor + 0.05
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries = {**entries, **(metadata or {})}
    entries = {key: value for key, value in entries.items() if value is not None}
    if GRAPH_SHA256_KEY in digests:
        entries[GRAPH_SHA256_KEY] = model_metadata.graph_sha256(model.SerializeToString())
    if METADATA_SHA256_KEY in digests:
        entries[METADATA_SHA256_KEY] = model_metadata.metadata_sha256(entries)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, path)


def test_one_changed_weight_is_named(policy_file):
    _rewrite(policy_file, weights=[(0, 1.0)])
    with pytest.raises(ModelFileError, match="graph or weights were changed after the export"):
        load_policy(policy_file)


def test_golden_vectors_catch_a_changed_weight_whose_digest_was_renewed(policy_file):
    _rewrite(policy_file, weights=[(2, 1.0)], digests=(GRAPH_SHA256_KEY, METADATA_SHA256_KEY))
    with pytest.raises(ModelFileError, match="golden self-test failed"):
        load_policy(policy_file)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"trirl.contract": None}, "without a contract"),
        ({"trirl.golden": None}, "trirl.golden are missing"),
        ({"trirl.contract": "{"}, "not valid JSON"),
        ({"trirl.contract_sha256": "0" * 64}, "contract was changed"),
        ({"trirl.provenance": "{}"}, "metadata were changed"),
        ({"trirl.graph_sha256": "0" * 64}, "graph or weights were changed"),
    ],
)
def test_changed_metadata_is_named(policy_file, metadata, message):
    _rewrite(policy_file, metadata=metadata)
    with pytest.raises(ModelFileError, match=message):
        load_policy(policy_file)


def test_contract_of_other_size_is_refused(policy_file, make_contract):
    other = make_contract(observation=make_contract().observation[:-1])
    metadata = {"trirl.contract": other.to_json(), "trirl.contract_sha256": other.sha256}
    _rewrite(policy_file, metadata=metadata, digests=(METADATA_SHA256_KEY,))
    with pytest.raises(ModelFileError, match="'observation' has the shape"):
        load_policy(policy_file)


def test_any_changed_byte_is_refused(policy_file):
    content = policy_file.read_bytes()
    generator = random.Random(0)
    for place in generator.sample(range(len(content)), 150):
        changed = bytearray(content)
        changed[place] ^= 1 << generator.randrange(8)
        policy_file.write_bytes(changed)
        with pytest.raises(ModelFileError):
            load_policy(policy_file)


@pytest.mark.parametrize("length", [0, 100, -1])
def test_truncated_file_is_refused(policy_file, length):
    policy_file.write_bytes(policy_file.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=r"policy\.onnx"):
        load_policy(policy_file)


def test_missing_file_and_wrong_kind(tmp_path, reward_file, policy_file):
    with pytest.raises(ModelFileError, match="no such file"):
        load_policy(tmp_path / "nothing.onnx")
    with pytest.raises(ModelFileError, match="not a policy"):
        load_policy(reward_file)
    with pytest.raises(ModelFileError, match="not a reward"):
        load_reward(policy_file)


def test_refused_export_leaves_the_old_file(policy, make_contract, draw, policy_file):
    before = policy_file.read_bytes()
    with pytest.raises(ModelFileError, match="at least 16"):
        export_policy(policy, make_contract(), draw(5)[0], {}, policy_file)
    with torch.no_grad():
        policy.net[2].bias[0] = np.nan
    with pytest.raises(NonFiniteError):
        export_policy(policy, make_contract(), draw(32)[0], {}, policy_file)
    assert policy_file.read_bytes() == before
    assert [p.name for p in policy_file.parent.iterdir()] == [policy_file.name]


def test_a_reward_may_read_the_next_observation(make_contract, draw, tmp_path):
    class Progress(torch.nn.Module):
        def forward(self, observation, action, following):
            return (following - observation).square().sum(-1) + action.sum(-1)

    path = tmp_path / "reward.onnx"
    observation, action = draw(32)
    following = observation[::-1].copy()
    export_reward(
        Progress(), make_contract(), observation, action, {}, path,
        golden_next_observations=following,
    )  # fmt: skip
    assert load_reward(path).golden.inputs.keys() == {"observation", "action", "next_observation"}
    assert largest_difference(Progress(), path, observation, action, following) <= 1e-3
    with pytest.raises(ModelFileError, match="golden next_observations have the shape"):
        export_reward(
            Progress(), make_contract(), observation, action, {}, path,
            golden_next_observations=following[:, 1:],
        )  # fmt: skip
