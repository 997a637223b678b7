"""From teleoperated demonstrations to a learnt reward and a policy that runs on a robot arm."""

import importlib
import sys

__version__ = "0.1.0"

if "gymnasium" in sys.modules:
    # Gymnasium loads no plug-ins since 1.0: that a package is imported is what registers its names
    importlib.import_module("trirl_robot.sim")
