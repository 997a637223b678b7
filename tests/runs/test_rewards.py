"""The reward of a run: which of its discriminators make it, and the file that it goes into."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from trirl_robot.cli.export import export
from trirl_robot.cli.train import resolve
from trirl_robot.errors import RunError
from trirl_robot.irl.archive import DiscriminatorArchive
from trirl_robot.irl.discriminator import Discriminator
from trirl_robot.model_file import load_reward
from trirl_robot.runs.checkpoint import save_checkpoint
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.rewards import load_reward_of
from trirl_robot.runs.train import build_learner, train

SHORT = ("total_steps=640", "discriminator.hidden=8")


def trained(demonstrations, path, tiny, algorithm, *more):
    config = resolve(demonstrations, path, algorithm=algorithm, overrides=(*tiny, *SHORT, *more))
    config = dataclasses.replace(config, evaluation_episodes=2, evaluation_every=100)
    folder = RunFolder.create(path, config)
    learner = build_learner(config, path)
    train(folder, config, learner)
    return folder, learner


@pytest.fixture(scope="module", params=["trirl", "gail", "airl"])
def run(request, demonstrations, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "run"
    return (request.param, *trained(demonstrations, path, tiny, request.param))


def logits(folder, count, features):
    """Evaluate the archived discriminators one by one, (K, B)."""
    heads = DiscriminatorArchive(folder.discriminators).read(count).heads
    network = Discriminator(features.shape[1], 8, torch.Generator())
    result = []
    for head in heads:
        torch.nn.utils.vector_to_parameters(head, network.parameters())
        result.append(network(features).detach())
    return torch.stack(result)


@pytest.mark.parametrize("weighting", ["average", "newest"])
def test_a_weighting_is_that_of_the_archived_discriminators(run, weighting):
    algorithm, folder, learner = run
    kept = load_reward_of(folder.path, weighting)
    observation, action = torch.randn(40, 26), torch.rand(40, 5) * 2 - 1
    each = logits(folder, 3, learner.features(observation, action))
    expected = each.mean(0) if weighting == "average" else each[-1]
    if (algorithm, weighting) == ("gail", "newest"):
        expected = functional.softplus(expected)
    torch.testing.assert_close(kept.reward(observation, action), expected, atol=1e-5, rtol=1e-5)
    assert kept.statement["weighting"] == weighting
    assert kept.statement["discriminators"] == (3 if weighting == "average" else 1)
    form = "logit" if weighting == "average" else "softplus"
    forms = {"gail": form, "airl": "reward without shaping"}
    assert kept.statement.get("form") == forms.get(algorithm)


def test_by_default_a_reward_is_what_the_run_trained_with(run):
    algorithm, folder, learner = run
    kept = load_reward_of(folder.path)
    if algorithm == "trirl":
        assert kept.statement["discriminators"] == len(kept.statement["weights"])
    observation, action = torch.randn(40, 26), torch.rand(40, 5) * 2 - 1
    reward = kept.reward(observation, action)
    if algorithm == "trirl":
        torch.testing.assert_close(reward, learner.reward(observation, action))
        assert kept.statement["weighting"] == "chain"
        assert len(kept.statement["weights"]) == 3
        return
    assert kept.statement["weighting"] == "newest"
    features, network = learner.features(observation, action), learner.discriminator.discriminator
    expected = learner.reward_of(network(features)) if algorithm == "gail" else None
    if algorithm == "airl":
        # shaping and density belong to the policy that it was trained with
        expected = network.reward(features)
    torch.testing.assert_close(reward, expected.detach(), atol=1e-5, rtol=1e-5)
    with pytest.raises(RunError, match="has no chain of discriminators"):
        load_reward_of(folder.path, "chain")


def test_the_statement_holds_the_reward_of_an_absorbing_state(run):
    _, folder, learner = run
    kept = load_reward_of(folder.path, "average")
    expected = logits(folder, 3, learner.features.absorbing[None]).mean()
    assert kept.statement["absorbing_reward"] == pytest.approx(float(expected), abs=1e-5)


def test_the_statement_holds_how_much_the_entropy_weighs(run):
    algorithm, folder, learner = run
    # AIRL's logit is in nats and holds that of the policy
    weight = learner.config.entropy_coef + (1.0 if algorithm == "airl" else 0.0)
    assert load_reward_of(folder.path).statement["entropy_coef"] == weight


@pytest.mark.parametrize("algorithm", ["trirl", "gail"])
def test_a_run_in_its_warm_up_has_no_reward_yet(demonstrations, tiny, tmp_path, algorithm):
    config = resolve(demonstrations, tmp_path / "run", algorithm=algorithm, overrides=tiny)
    folder = RunFolder.create(tmp_path / "run", config)
    save_checkpoint(folder.checkpoint, build_learner(config, folder.path).state_dict())
    with pytest.raises(RunError, match="holds no discriminator yet"):
        load_reward_of(folder.path)


FORMS = {
    "chain": (),
    "distilled": ("reward={form: distilled, hidden: [16]}",),
    "inputs": ("reward={form: linear, basis: inputs}",),
    "quadratic": ("reward={form: linear, basis: quadratic}",),
    "fourier": ("reward={form: linear, basis: fourier, count: 12}",),
    "learnt": ("reward={form: linear, basis: learnt, count: 12}",),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_of_the_reward_is_exported_as_it_is(demonstrations, tiny, tmp_path, form):
    inputs = "discriminator.inputs=[end_effector_to_target.norm, next_joint_position]"
    settings = (*FORMS[form], *((inputs,) if form in ("chain", "fourier") else ()))
    folder, _ = trained(demonstrations, tmp_path / "run", tiny, "trirl", *settings)
    for weighting in ("chain", "average"):
        result = export(folder.path, tmp_path / weighting, weighting)
        assert result.reward_difference < 1e-4
        model = load_reward(result.reward)
        assert model.provenance["reward"]["weighting"] == weighting
        assert ("next_observation" in model.golden.inputs) == (len(settings) > len(FORMS[form]))
