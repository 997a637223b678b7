"""Simulation: robots, scenes, batches of simulations with randomised dynamics, tasks."""

from trirl_robot.sim.adapters.registration import register_tasks

register_tasks()
