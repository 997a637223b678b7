import pytest
import torch
from bandit import improve, setup, wanted

from trirl_robot.rl.advantage import generalised_advantage
from trirl_robot.rl.policy import gaussian_kl


class Penalty:
    """A KL penalty with a fixed coefficient."""

    def __init__(self, coefficient):
        self.coefficient = coefficient

    def begin(self, policy, advantage_scale):
        pass

    def constrain(self, mean, log_std, old_mean, old_log_std):
        kl = gaussian_kl(mean, log_std, old_mean, old_log_std).mean()
        return mean, log_std, self.coefficient * kl

    def settle(self, policy, batch):
        pass


def test_it_finds_the_best_action_of_a_bandit():
    ppo, generator = setup(policy_learning_rate=3e-3)
    improve(ppo, generator, 60)
    observation = torch.randn(500, 3)
    error = (ppo.policy(observation) - wanted(observation)).abs().mean()
    assert error < 0.06


def test_a_larger_penalty_keeps_the_policy_nearer():
    kl = []
    for penalty in (0.0, 3.0, 100.0):
        ppo, generator = setup(policy_learning_rate=3e-3)
        kl.append(improve(ppo, generator, 3, trust_region=Penalty(penalty))[-1].kl_mean)
    assert kl[0] > 1.5 * kl[1] > 3.0 * kl[2]


def test_the_entropy_bonus_widens_the_policy():
    entropy = []
    for coefficient in (0.0, 1.0):
        ppo, generator = setup()
        improve(ppo, generator, 10, entropy_coef=coefficient)
        entropy.append(float(ppo.policy.entropy().detach()))
    assert entropy[1] > entropy[0] + 0.1


def test_while_only_the_critic_learns_the_policy_stands_still():
    ppo, generator = setup()
    before = [p.clone() for p in ppo.policy.parameters()]
    result = improve(ppo, generator, 2, critic_only=True)[-1]
    assert result.kl_mean == pytest.approx(0.0, abs=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(before, ppo.policy.parameters(), strict=True))


def test_the_learning_rate_follows_the_kl():
    rates = []
    for target in (1e-6, 10.0):
        ppo, generator = setup(kl_target=target)
        improve(ppo, generator, 4)
        ppo.set_progress(0.0)
        rates.append(ppo.learning_rate)
    assert rates[0] < ppo.config.policy_learning_rate < rates[1]


def test_what_comes_after_a_termination_is_worth_what_it_is_said_to_be():
    reward, value = torch.zeros(1, 2), torch.zeros(1, 2)
    advantage = generalised_advantage(
        reward=reward,
        value=value,
        next_value=torch.full((1, 2), 5.0),
        terminated=torch.tensor([[True, False]]),
        truncated=torch.tensor([[False, False]]),
        gamma=0.9,
        gae_lambda=0.95,
        absorbing_value=-3.0,
    )
    torch.testing.assert_close(advantage, torch.tensor([[-2.7, 4.5]]))
