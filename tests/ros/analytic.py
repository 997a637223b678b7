"""A policy that needs no training: resolved-rate control on the contract's own kinematics."""

import torch

from trirl_robot.contract import PolicyContract


class ReachingPolicy(torch.nn.Module):
    """Moves the commanded pose towards the target by damped least squares."""

    def __init__(self, contract: PolicyContract, gain: float = 0.3) -> None:
        super().__init__()
        self._slices = contract.observation_slices
        self._scale = contract.action[0].scale[0]
        self._chain = [
            (contract.joint_names.index(screw.joint), screw.axis, screw.anchor_m)
            for screw in contract.kinematics.screws
        ]
        self._tip = contract.kinematics.end_effector_m
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        part = {name: observation[:, place] for name, place in self._slices.items()}
        target = part["end_effector_position"] + part["end_effector_to_target"]
        tip, jacobian = self._kinematics(part["joint_command"])
        square = jacobian @ jacobian.transpose(1, 2) + 1e-3 * torch.eye(3)
        wrench = _solve(square, target - tip)
        step = (jacobian.transpose(1, 2) @ wrench.unsqueeze(2)).squeeze(2)
        return (self.gain * step / self._scale).clamp(-1.0, 1.0)

    def _kinematics(self, joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rotation = torch.eye(3).expand(joints.shape[0], 3, 3)
        shift = torch.zeros(3).expand(joints.shape[0], 3)
        axes, anchors = [None] * joints.shape[1], [None] * joints.shape[1]
        for index, axis_of, anchor_of in self._chain:
            axis, anchor = torch.tensor(axis_of), torch.tensor(anchor_of)
            axes[index] = rotation @ axis
            anchors[index] = rotation @ anchor + shift
            turn = _rotation(axis, joints[:, index])
            shift = (rotation @ (anchor - turn @ anchor).unsqueeze(2)).squeeze(2) + shift
            rotation = rotation @ turn
        tip = rotation @ torch.tensor(self._tip) + shift
        columns = [torch.linalg.cross(a, tip - c) for a, c in zip(axes, anchors, strict=True)]
        return tip, torch.stack(columns, dim=2)


def _rotation(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    x, y, z = axis
    zero = torch.tensor(0.0)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    sin, cos = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    return torch.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def _solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve a batch of 3x3 systems by cofactors."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    determinant = (a * columns[0]).sum(1, keepdim=True)
    return (torch.stack(columns, dim=2) @ right.unsqueeze(2)).squeeze(2) / determinant
