"""A simulated arm that stands in for a robot's hardware interface."""
