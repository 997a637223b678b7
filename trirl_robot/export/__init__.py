"""Writing policies and rewards as files that a robot can check and run."""
