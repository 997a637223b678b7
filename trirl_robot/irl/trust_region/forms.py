"""The forms of the trust region, by configuration."""

from __future__ import annotations

from trirl_robot.irl.trust_region.base import TrustRegion
from trirl_robot.irl.trust_region.penalty import (
    AdaptedPenalty,
    AdaptedPenaltyConfig,
    AnnealedPenalty,
    AnnealedPenaltyConfig,
)
from trirl_robot.irl.trust_region.projection import Projection, ProjectionConfig

TrustRegionConfig = AdaptedPenaltyConfig | AnnealedPenaltyConfig | ProjectionConfig


def build_trust_region(config: TrustRegionConfig, entropy_coef: float) -> TrustRegion:
    """Return the trust region of a configuration.

    Args:
        config: its form and settings.
        entropy_coef: temperature in units of the reward, more than 0.
    """
    if isinstance(config, ProjectionConfig):
        return Projection(config, entropy_coef)
    if isinstance(config, AdaptedPenaltyConfig):
        return AdaptedPenalty(config, entropy_coef)
    return AnnealedPenalty(config, entropy_coef)
