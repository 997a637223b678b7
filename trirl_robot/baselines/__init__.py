"""Baselines that learn from the same demonstrations."""
