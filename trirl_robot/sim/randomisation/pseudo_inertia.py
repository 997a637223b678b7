r"""Mass, centre of mass and inertia of a body, drawn together and always physical.

A body of density $\rho$ has the pseudo-inertia $J = \int \rho\, [x; 1] [x; 1]^T$, a symmetric 4 x 4
matrix; ten numbers are the mass, centre and inertia of some body if and only if it is positive
definite (Wensing, Kim & Slotine 2018, "Linear matrix inequalities for physically consistent
inertial parameter identification", IEEE RA-L 3(1)). Rucker & Wensing 2022, "Smooth
parameterization of rigid-body inertia", IEEE RA-L 7(2), write it as $J = U U^T$ with

$$U = e^\alpha \begin{bmatrix} e^{d_1} & s_{12} & s_{13} & t_1 \\ 0 & e^{d_2} & s_{23} & t_2 \\
0 & 0 & e^{d_3} & t_3 \\ 0 & 0 & 0 & 1 \end{bmatrix},$$

so that any ten numbers belong to a body. Here U changes what the model has, $J' = U J U^T$, in the
principal frame at the centre of mass: the mass goes by $e^{2\alpha}$, the body is stretched by
$e^{d_i}$ along its axes and sheared by $s_{ij}$, and its centre moves by $t_i$. All zero changes
nothing. Where J is diag(Σ, m), this gives the mass $m e^{2\alpha}$, the centre t, and
$e^{2\alpha} A \Sigma A^T$ about it, with A the upper left 3 x 3 block of $e^{-\alpha} U$.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIELDS = ("body_mass", "body_ipos", "body_iquat", "body_inertia")
"""Fields of the model that change together."""
_PARAMETERS = 10


class PseudoInertia:
    """Changes mass, centre and inertia of the bodies in rows of fields side by side."""

    def __init__(self, num_bodies: int, start: Mapping[str, int]) -> None:
        """Look up where the fields stand.

        Args:
            num_bodies: number of bodies B, the world included.
            start: where each field begins in a row.
        """
        width = {"body_mass": 1, "body_ipos": 3, "body_iquat": 4, "body_inertia": 3}
        self._spans = {
            name: (slice(start[name], start[name] + num_bodies * width[name]), width[name])
            for name in FIELDS
        }
        first = start["pseudo_inertia"]
        self._first = first
        self._num_bodies = num_bodies

    def apply(self, rows: Array) -> None:
        """Change the fields in `rows` (n, K), in place."""
        span = slice(self._first, self._first + _PARAMETERS * self._num_bodies)
        parameters = rows[:, span].reshape(len(rows), self._num_bodies, _PARAMETERS)
        # bodies that no term draws stay as they are, to the last bit
        sims, bodies = np.nonzero(parameters.any(axis=2))
        if not len(sims):
            return
        # splitting an axis gives views, so writing to them changes `rows`
        views = {
            name: rows[:, place].reshape(len(rows), self._num_bodies, width)
            for name, (place, width) in self._spans.items()
        }
        old = [views[name][sims, bodies] for name in FIELDS]
        new = transformed(parameters[sims, bodies], old[0][:, 0], *old[1:])
        for name, value in zip(FIELDS, new, strict=True):
            views[name][sims, bodies] = value.reshape(-1, self._spans[name][1])


def transformed(
    parameters: Array, mass: Array, centre: Array, quat_wxyz: Array, inertia: Array
) -> tuple[Array, Array, Array, Array]:
    """Return mass, centre, principal frame and principal moments of changed bodies.

    Args:
        parameters: alpha, d1, d2, d3, s12, s13, s23, t1, t2, t3 of each body, (n, 10).
        mass: kg, (n,).
        centre: of mass in the body's frame, m, (n, 3).
        quat_wxyz: rotation from the principal frame to the body's, (n, 4).
        inertia: principal moments about the centre, kg m², (n, 3).

    Returns:
        The same four, of the same shapes.
    """
    alpha, stretch, shear, shift = np.split(parameters, (1, 4, 7), axis=1)
    density = np.exp(2.0 * alpha)
    # second moments of mass along the principal axes; negative by rounding for flat bodies
    moments = np.maximum(0.5 * inertia.sum(axis=1, keepdims=True) - inertia, 0.0)
    affine = np.zeros((len(parameters), 3, 3))
    affine[:, [0, 1, 2], [0, 1, 2]] = np.exp(stretch)
    affine[:, [0, 0, 1], [1, 2, 2]] = shear
    spread = density[:, :, None] * np.einsum("nij,nj,nkj->nik", affine, moments, affine)
    along, frame = np.linalg.eigh(spread)
    # a frame is right-handed
    frame[np.linalg.det(frame) < 0.0, :, 0] *= -1.0
    along = np.maximum(along, 0.0)
    return (
        mass * density[:, 0],
        centre + _rotated(quat_wxyz, shift),
        _product(quat_wxyz, _quaternion(frame)),
        along.sum(axis=1, keepdims=True) - along,
    )


def _rotated(quat_wxyz: Array, vector: Array) -> Array:
    w, axis = quat_wxyz[:, :1], quat_wxyz[:, 1:]
    turned = 2.0 * np.cross(axis, vector)
    return np.asarray(vector + w * turned + np.cross(axis, turned))


def _product(first: Array, second: Array) -> Array:
    w1, v1, w2, v2 = first[:, :1], first[:, 1:], second[:, :1], second[:, 1:]
    w = w1 * w2 - (v1 * v2).sum(axis=1, keepdims=True)
    product = np.concatenate([w, w1 * v2 + w2 * v1 + np.cross(v1, v2)], axis=1)
    return np.asarray(product / np.linalg.norm(product, axis=1, keepdims=True))


def _quaternion(rotation: Array) -> Array:
    """Return the quaternions (n, 4) of rotation matrices (n, 3, 3), by the greatest component."""
    m = rotation
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    # four times the products of the components; the best conditioned row is the one to normalise
    outer = np.empty((len(m), 4, 4))
    outer[:, 0, 0] = 1.0 + trace
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        outer[:, i + 1, i + 1] = 1.0 - trace + 2.0 * m[:, i, i]
        outer[:, 0, i + 1] = outer[:, i + 1, 0] = m[:, k, j] - m[:, j, k]
        outer[:, i + 1, j + 1] = outer[:, j + 1, i + 1] = m[:, i, j] + m[:, j, i]
    best = np.argmax(np.einsum("nii->ni", outer), axis=1)
    chosen = outer[np.arange(len(m)), best]
    return np.asarray(chosen / np.linalg.norm(chosen, axis=1, keepdims=True))
