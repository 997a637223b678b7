"""The discriminators of a run: kept, exported, and the same after a kill."""

import dataclasses

import pytest

from trirl_robot.cli.train import resolve
from trirl_robot.errors import RunError
from trirl_robot.irl.archive import DiscriminatorArchive
from trirl_robot.runs.folder import RunFolder
from trirl_robot.runs.train import build_learner, train


class KilledError(Exception):
    """Ends a run as a kill does: after an iteration, without anything else."""


def trained(demonstrations, path, tiny, algorithm, *more, kill_after=None):
    config = resolve(demonstrations, path, algorithm=algorithm, overrides=(*tiny, *more))
    config = dataclasses.replace(
        config, evaluation_episodes=2, evaluation_every=100, checkpoint_every=4
    )
    folder = RunFolder.create(path, config)

    def progress(metrics, iterations):
        if metrics["iteration"] == kill_after:
            raise KilledError

    learner = build_learner(config, path)
    if kill_after is None:
        train(folder, config, learner)
        return folder
    with pytest.raises(KilledError):
        train(folder, config, learner, progress)
    return folder


def resumed(folder):
    reopened, config = RunFolder.open(folder.path)
    train(reopened, config, build_learner(config, folder.path))


@pytest.mark.parametrize("algorithm", ["trirl", "gail", "airl"])
def test_every_discriminator_is_kept_also_when_the_run_is_killed(
    demonstrations, tmp_path, tiny, algorithm
):
    whole = trained(demonstrations, tmp_path / "whole", tiny, algorithm)
    kept = DiscriminatorArchive(whole.discriminators).read(9)
    assert kept.iteration.tolist() == list(range(2, 11))
    assert (kept.heads[1:] != kept.heads[:-1]).any(1).all()
    rows = whole.read_metrics()[1:]
    if algorithm == "trirl":
        assert kept.eta.tolist() == [row["trust_region/eta"] for row in rows]
        steps = [row["dual/corrected_step_size"] for row in rows]
        assert kept.corrected_step_size.tolist() == steps
    killed = trained(demonstrations, tmp_path / "killed", tiny, algorithm, kill_after=7)
    content = killed.discriminators.read_bytes()
    assert len(content) > len(whole.discriminators.read_bytes()) / 2
    resumed(killed)
    assert killed.discriminators.read_bytes() == whole.discriminators.read_bytes()


def test_a_run_whose_discriminators_are_gone_is_not_resumed(demonstrations, tmp_path, tiny):
    folder = trained(demonstrations, tmp_path / "run", tiny, "trirl", kill_after=5)
    folder.discriminators.unlink()
    with pytest.raises(RunError, match="does not hold the 3 discriminators"):
        resumed(folder)


FORMS = {
    "distilled": ("reward={form: distilled, hidden: [16], replay_size: 200}",),
    "learnt": ("reward={form: linear, basis: learnt, count: 12}",),
    "fourier": ("reward={form: linear, basis: fourier, count: 12}",),
    "short": ("reward.maximum_length=3",),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_of_the_reward_resumes_bit_for_bit(demonstrations, tmp_path, tiny, form):
    whole = trained(demonstrations, tmp_path / "whole", tiny, "trirl", *FORMS[form])
    killed = trained(demonstrations, tmp_path / "killed", tiny, "trirl", *FORMS[form], kill_after=7)
    resumed(killed)
    for first, second in zip(whole.read_metrics(), killed.read_metrics(), strict=True):
        timeless = {key for key in first if not key.startswith("time")}
        assert "reward/drift_on_demonstrations" in timeless
        assert {key: first[key] for key in timeless} == {key: second[key] for key in timeless}
    assert whole.discriminators.read_bytes() == killed.discriminators.read_bytes()
