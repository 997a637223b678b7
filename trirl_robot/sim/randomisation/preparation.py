"""What a model needs to have before its dynamics can be randomised."""

from __future__ import annotations

import mujoco

from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.randomisation.quantities.bodies import PAYLOAD
from trirl_robot.sim.simulation import add_command_history


def prepare_spec(
    spec: mujoco.MjSpec, config: RandomisationConfig, *, hand_site: str | None = None
) -> None:
    """Add to a model what the terms of `config` write into; the rest stays bit for bit.

    Args:
        spec: the model, changed in place.
        config: the terms.
        hand_site: site at which a payload is held; None where there is no hand.
    """
    if config.draws("command_latency*"):
        add_command_history(spec)
    if config.draws("body_com", "pseudo_inertia"):
        for body in spec.bodies[1:]:
            # MuJoCo takes short cuts for bodies whose centre of mass is where their frame is
            body.simple = False
    if hand_site is not None and config.draws("payload*"):
        site = spec.site(hand_site)
        # a body of its own: what compensates the arm's gravity does not know of it
        # (without a centre of mass, the compiler takes the body's place in its parent for one)
        site.parent.add_body(name=PAYLOAD, pos=site.pos, ipos=[0.0] * 3)
