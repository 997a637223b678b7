"""Randomised dynamics: terms read from YAML, drawn for each simulation, kept by name."""
