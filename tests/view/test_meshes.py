import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("trimesh")
import mujoco
import trimesh

from trirl_robot.view.meshes import display_model, simplify


def test_a_sphere_keeps_its_shape_with_a_tenth_of_the_triangles():
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    vertices, faces = simplify(sphere.vertices, sphere.faces, 2000)
    assert 700 < len(faces) <= 2000
    assert faces.min() == 0
    assert faces.max() < len(vertices)
    reduced = trimesh.Trimesh(vertices, faces, process=False)
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.1).max() < 0.003
    assert reduced.volume == pytest.approx(sphere.volume, rel=0.05)


def test_no_triangle_is_degenerate_or_there_twice():
    box = trimesh.creation.box((0.1, 0.02, 0.001)).subdivide_to_size(0.002)
    _, faces = simplify(box.vertices, box.faces, 500)
    corners = np.sort(faces, axis=1)
    assert (np.diff(corners, axis=1) > 0).all()
    assert len(np.unique(corners, axis=0)) == len(faces)


def test_a_display_model_shows_less_and_leaves_the_model_as_it_is(tmp_path):
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    sphere.export(tmp_path / "ball.stl")
    xml = f"""
    <mujoco><asset><mesh name="ball" file="{tmp_path}/ball.stl"/></asset><worldbody>
      <body pos="0 0 1"><freejoint/><geom type="mesh" mesh="ball"/></body>
    </worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    before = model.mesh_vert.copy(), model.mesh_face.copy(), model.mesh_facenum.copy()
    shown = display_model(model, faces=500)
    assert 0 < shown.mesh_facenum[0] <= 500
    for array, kept in zip(
        (model.mesh_vert, model.mesh_face, model.mesh_facenum), before, strict=True
    ):
        np.testing.assert_array_equal(array, kept)
    np.testing.assert_array_equal(shown.geom_pos, model.geom_pos)
    assert display_model(model, faces=10**6).mesh_facenum[0] == model.mesh_facenum[0]
