"""Tasks with a cube whose states are set by hand."""

import dataclasses

import mujoco
import numpy as np
import pytest

from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.randomisation.config import RandomisationConfig
from trirl_robot.sim.tasks.registry import load_task


class CubeStage:
    """One environment whose arm is held at its home pose while its cube is moved."""

    def __init__(self, name, terms=(), **replaced):
        config = dataclasses.replace(load_task(name), start_spread_rad=0.0, **replaced)
        randomisation = RandomisationConfig(terms=terms)
        self.env = BatchEnv(config, 1, randomisation=randomisation, seed=0, nthread=1)
        self.env.reset()
        self.task = self.env.task
        self.hold = np.zeros((1, self.env.contract.action_size))

    @property
    def target(self):
        return self.task.target_position[0]

    def put(self, place, *, height=None, quat=(1.0, 0.0, 0.0, 0.0)):
        """Put the cube somewhere at rest, on the table where no height of its centre is given."""
        half = self.task.cube.half_m
        joint = self.task.simulation.model.joint("cube")
        qpos, qvel = self.task.simulation.qpos, self.task.simulation.qvel
        pose = [*place[:2], half if height is None else height, *quat]
        qpos[0, joint.qposadr[0] : joint.qposadr[0] + 7] = pose
        qvel[0, joint.dofadr[0] : joint.dofadr[0] + 6] = 0.0

    def step(self, count=1):
        for _ in range(count):
            step = self.env.step(self.hold)
        return step

    def put_into_gripper(self):
        """Put the cube between the fingers, close them, and wait until they hold it."""
        task, robot = self.task, self.task.arm.robot
        data = mujoco.MjData(task.simulation.model)
        data.qpos[:] = task.simulation.qpos[0]
        mujoco.mj_kinematics(task.simulation.model, data)
        site = data.site("robot/gripperframe")
        orientation = site.xmat.reshape(3, 3)
        centre = site.xpos + orientation @ np.array([0.0, 0.0, task.cube.half_m])
        # opening and approach of the hand are z and x of the site
        rotation = np.zeros(4)
        mujoco.mju_mat2Quat(rotation, orientation.ravel())
        finger = task.simulation.model.joint("robot/" + robot.gripper.joint)
        task.simulation.qpos[0, finger.qposadr[0]] = 0.27
        self.put(centre[:2], height=centre[2], quat=rotation)
        task.command[0, -1] = 0.1
        return self.step()


@pytest.fixture
def stage():
    return CubeStage
