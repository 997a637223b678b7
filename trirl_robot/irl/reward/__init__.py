"""The learnt reward: a chain of discriminators, a network fitted to it, or linear in features."""
