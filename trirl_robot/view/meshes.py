"""Fewer triangles for the eye: robots' meshes come from CAD, with every screw hole."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray

FACES = 2500
"""Greatest number of triangles that a mesh is shown with."""
COARSER = 1.25
"""Factor from one cell size to the next that is tried."""

Vertices = NDArray[np.float64]
Faces = NDArray[np.int32]


def display_model(model: mujoco.MjModel, faces: int = FACES) -> mujoco.MjModel:
    """Return a copy of a model whose meshes have few triangles; for display, not for physics.

    Args:
        model: the model.
        faces: greatest number of triangles in a mesh. Meshes with texture coordinates stay whole,
            since these hang on the triangles.
    """
    shown = copy.copy(model)
    for mesh in range(model.nmesh):
        if model.mesh_facenum[mesh] <= faces or model.mesh_texcoordnum[mesh] > 0:
            continue
        first_vertex, first_face = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
        vertices, triangles = simplify(
            model.mesh_vert[first_vertex:][: model.mesh_vertnum[mesh]],
            model.mesh_face[first_face:][: model.mesh_facenum[mesh]],
            faces,
        )
        shown.mesh_vertnum[mesh], shown.mesh_facenum[mesh] = len(vertices), len(triangles)
        shown.mesh_vert[first_vertex:][: len(vertices)] = vertices
        shown.mesh_face[first_face:][: len(triangles)] = triangles
        shown.mesh_polynum[mesh] = 0  # the convex hull's polygons index the vertices of before
    return shown


def simplify(vertices: Vertices, faces: Faces, count: int) -> tuple[Vertices, Faces]:
    """Reduce a mesh by merging the vertices that lie in one cell of a grid.

    Vertex clustering (Rossignac and Borrel 1993): no vertex moves by more than a cell's diagonal,
    and it takes milliseconds where collapsing edges takes seconds.

    Args:
        vertices: shape (v, 3).
        faces: indices of vertices, shape (f, 3).
        count: greatest number of faces to return, at least 100.

    Returns:
        Vertices (v', 3) and faces (f', 3).
    """
    # a closed surface crosses about six cells for each square of its bounding box's side
    cell = float(np.ptp(vertices, axis=0).max()) / np.sqrt(count)
    while True:
        merged = _cluster(vertices, faces, cell)
        if len(merged[1]) <= count:
            return merged
        cell *= COARSER


def _cluster(vertices: Vertices, faces: Faces, cell: float) -> tuple[Vertices, Faces]:
    place = np.floor(vertices / cell).astype(np.int64)
    place -= place.min(axis=0)
    width, height = place.max(axis=0)[1:] + 1
    key = (place[:, 0] * width + place[:, 1]) * height + place[:, 2]
    _, cluster, size = np.unique(key, return_inverse=True, return_counts=True)
    sums = [np.bincount(cluster, vertices[:, axis]) for axis in range(3)]
    merged = np.stack(sums, axis=1) / size[:, None]
    triangles = cluster[faces]
    corners = np.sort(triangles, axis=1)
    solid = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    triangles, corners = triangles[solid], corners[solid]
    _, first = np.unique(corners, axis=0, return_index=True)
    return merged, triangles[first].astype(np.int32)
