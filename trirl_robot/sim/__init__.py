"""Simulation: robots, scenes, batches of simulations with randomised dynamics, tasks."""
