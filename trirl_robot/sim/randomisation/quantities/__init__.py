"""What can be randomised: one table of quantities, and what each belongs to."""

from trirl_robot.sim.randomisation.quantities import (
    actuators,
    bodies,
    contacts,
    joints,
    surroundings,
)
from trirl_robot.sim.randomisation.quantities.quantity import Quantity

QUANTITIES: dict[str, Quantity] = {
    **bodies.QUANTITIES,
    **joints.QUANTITIES,
    **contacts.QUANTITIES,
    **actuators.QUANTITIES,
    **surroundings.QUANTITIES,
}
"""All quantities by name; `where` of a term selects among the objects of one."""
