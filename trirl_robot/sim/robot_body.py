"""What a robot's file says of its body: the end effector, and what collides with what."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trirl_robot.config import require
from trirl_robot.errors import ConfigError

Triple = tuple[float, float, float]

END_EFFECTOR_SITE = "end_effector"
"""Name of the site that is made where a robot's file names a body instead of a site."""


@dataclass(frozen=True, kw_only=True)
class HandConfig:
    """How the hand points, as unit vectors in the frame of the end effector's site or body."""

    approach: Triple
    """Direction in which the fingers reach."""
    opening: Triple
    """Direction from one finger to another, or from the one that does not move to the one that
    does."""

    def __post_init__(self) -> None:
        """Refuse what is not a pair of perpendicular unit vectors."""
        unit = [abs(math.hypot(*axis) - 1.0) < 1e-3 for axis in (self.approach, self.opening)]
        along = sum(a * b for a, b in zip(self.approach, self.opening, strict=True))
        if not all(unit) or abs(along) > 1e-3:
            raise ConfigError(
                f"approach {list(self.approach)} and opening {list(self.opening)} are not "
                "perpendicular unit vectors; expected such as [0, 0, 1] and [1, 0, 0]"
            )


@dataclass(frozen=True, kw_only=True)
class EndEffectorConfig:
    """The point of the robot that a task moves: a site of the model, or a point on a body."""

    site: str | None = None
    """Name of the site."""
    body: str | None = None
    """Name of the body, for a model without a site there; a link is a body in URDF."""
    offset_m: Triple = (0.0, 0.0, 0.0)
    """Where on the body [m], in the body's frame."""
    hand: HandConfig | None = None
    """How the hand points there; the scripted operator needs it to push and to grasp."""

    def __post_init__(self) -> None:
        """Check that exactly one place is named."""
        if (self.site is None) == (self.body is None):
            raise ConfigError("the end effector needs either a site or a body, and not both")
        if self.site is not None and any(self.offset_m):
            raise ConfigError("offset_m is given with a site; it belongs to a body")


@dataclass(frozen=True, kw_only=True)
class CollisionBoxConfig:
    """A box of a body, along the axes of the body's frame."""

    name: str
    """Name of its geom."""
    body: str
    """Name of the body."""
    centre_m: Triple
    """Centre [m], in the body's frame."""
    half_size_m: Triple
    """Half of its edges [m]."""

    def __post_init__(self) -> None:
        """Refuse a box of nothing."""
        require(self, "more than 0 each", lambda v: min(v) > 0.0, "half_size_m")


@dataclass(frozen=True, kw_only=True)
class CollisionConfig:
    """What of the robot can touch what.

    Bodies on the two sides of a joint never collide.
    """

    self_collision: bool = True
    """Whether parts of the robot can touch each other; all of them touch other things."""
    exclude: tuple[tuple[str, str], ...] = ()
    """Pairs of bodies that never collide."""
    boxes: tuple[CollisionBoxConfig, ...] = ()
    """Boxes in place of everything else that their bodies collide with. MuJoCo collides the convex
    hulls of meshes, and that of a curved finger has no face to hold anything with."""
