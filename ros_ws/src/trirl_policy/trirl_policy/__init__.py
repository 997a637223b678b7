"""Runs a policy on an arm: a safety core without ROS, and a lifecycle node around it."""
