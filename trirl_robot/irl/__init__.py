"""Inverse reinforcement learning: Trust Region IRL (Diwan et al., ICML 2026, arXiv 2605.11020)."""
