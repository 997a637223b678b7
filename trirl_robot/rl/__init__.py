"""Reinforcement learning: policy, critic, advantages, rollouts, proximal policy optimisation."""
