"""Starts policy, simulated hardware and goals as processes, and scores what the arm did."""
