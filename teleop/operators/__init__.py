"""Scripted operators: they move like people, and each knows one kind of task."""
