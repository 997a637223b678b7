"""What the tests of worker pools have served; in a module of its own, as processes import it."""

import os
import time

from trirl_robot.errors import ConfigError


class Served:
    """A number in another process."""

    def __init__(self, number):
        if number < 0:
            raise ConfigError(f"{number} is negative")
        self.number = number

    def plus(self, more):
        return self.number + more

    def process(self):
        return os.getpid()

    def refuse(self):
        raise ConfigError(f"{self.number} is refused")

    def leave(self):
        os._exit(3)

    def wait(self):
        time.sleep(60)
