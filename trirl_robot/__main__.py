"""`python -m trirl_robot`: the same as the command `trirl`."""

from trirl_robot.cli.main import main

main()
