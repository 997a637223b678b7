"""From teleoperated demonstrations to a learnt reward and a policy that runs on a robot arm."""

__version__ = "0.1.0"
