"""Rollouts, statistics, and the report of a run."""
