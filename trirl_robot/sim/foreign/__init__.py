"""Environments of others, stepped by processes: slower than our own, and said so."""
