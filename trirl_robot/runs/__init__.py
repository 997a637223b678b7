"""Runs: folders that hold a training's configuration, metrics and checkpoints."""
