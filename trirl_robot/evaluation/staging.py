"""What pictures and videos of a scene share: a floor and light for the eye, a quick renderer."""

from __future__ import annotations

import mujoco


def plain_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """Return a renderer without the effects that make software rendering six times as slow."""
    renderer = mujoco.Renderer(model, height, width)
    for flag in ("SHADOW", "REFLECTION", "SKYBOX", "HAZE", "FOG"):
        renderer.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
    return renderer


def dress(spec: mujoco.MjSpec) -> None:
    """Add what is for the eye only: a checked floor and soft light from three sides."""
    checks = spec.add_texture(
        name="checks",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.93, 0.94, 0.95],
        rgb2=[0.86, 0.87, 0.89],
        width=256,
        height=256,
    )
    material = spec.add_material(name="floor", texrepeat=[10, 10], texuniform=True, reflectance=0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = checks.name
    floor = spec.geom("floor")
    floor.material = material.name
    floor.rgba = [1, 1, 1, 1]
    floor.size = [6, 6, 0.05]
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.3, 0.3, 0.3]
    spec.visual.headlight.specular = [0, 0, 0]
