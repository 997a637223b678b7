"""The step of TRIRL in function space: the provisional reward and its correction."""

from __future__ import annotations

from trirl_robot.errors import ConfigError


def corrected_step_size(step_size: float, eta: float) -> float:
    """Return epsilon_tr = epsilon / (1 + eta) (Diwan et al. 2026, Theorem 1).

    A policy that is optimal within a trust region for the large step is globally optimal (maximum
    causal entropy) for this smaller step in the same direction.

    Args:
        step_size: epsilon, in (0, 1].
        eta: multiplier of the trust-region constraint, >= 0, in units of the reward in nats.

    Raises:
        ConfigError: step_size outside (0, 1], or eta below 0.
    """
    if not 0.0 < step_size <= 1.0:
        raise ConfigError(f"step_size is {step_size}, expected a value in (0, 1]")
    if not eta >= 0.0:
        raise ConfigError(f"eta is {eta}, expected 0 or more")
    return step_size / (1.0 + eta)
