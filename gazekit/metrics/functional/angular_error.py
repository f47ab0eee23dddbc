"""Angles between directions of gaze, and the two conventions of writing a direction as two angles."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals

__all__ = ["angular_error_deg", "direction_of_pitch_yaw", "direction_of_yaw_pitch"]


def angular_error_deg(a: ArrayLike, b: ArrayLike) -> Tensor:
    """Angle between two directions in space.

        atan2(|a x b|, a . b)

    This keeps its precision near 0 and 180 degrees, and is exactly 0 for equal vectors. Deviation: usual code
    takes the arccos of the cosine, which is NaN for some equal vectors where it isn't clipped (ETH-XGaze) and
    never below 0.026 degrees where it is clipped at 0.9999999 (L2CS-Net).

    Differentiable; the angle has a kink at 0 and 180 degrees, where the gradient given is 0.

    Args:
        a: [..., 3] directions of any length; `b` [..., 3] likewise. Leading dimensions broadcast.
    Returns:
        [...] degrees from 0 to 180; NaN where a vector is zero or not finite.
    Raises:
        TypeError: not real numbers. ValueError: the last dimension is not 3.

    Example:
        >>> angular_error_deg([0.0, 0.0, 1.0], [0.0, 0.01, 1.0])
        tensor(0.5729, dtype=torch.float64)
    """
    return angle_deg(reals("a", a, 3), reals("b", b, 3))


def angle_deg(a: Tensor, b: Tensor) -> Tensor:
    """`angular_error_deg` of checked arguments."""
    a, b = torch.broadcast_tensors(a, b)
    a, a_ok = _scaled(a)
    b, b_ok = _scaled(b)
    # 2 a x b, but exactly 0 for equal and opposite vectors, as a x b is not with fused multiply-adds
    across = torch.linalg.cross(a - b, a + b).norm(dim=-1) / 2
    angle = torch.atan2(across, (a * b).sum(-1))
    return torch.where(a_ok & b_ok, angle.rad2deg(), torch.nan)


def _scaled(vector: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors with largest component 1, so that products neither vanish nor overflow, and which exist."""
    size = vector.detach().abs().amax(-1, keepdim=True)
    exists = (size > 0) & size.isfinite()
    # a stand-in keeps the gradient of the others finite
    stand_in = torch.ones_like(vector)
    return torch.where(exists, vector, stand_in) / torch.where(exists, size, 1.0), exists[..., 0]


def direction_of_pitch_yaw(pitch_yaw_rad: ArrayLike) -> Tensor:
    """Direction of gaze as ETH-XGaze writes it: v = (cos p sin y, sin p, cos p cos y).

    Args:
        pitch_yaw_rad: [..., 2] columns pitch p and yaw y, in radians.
    Returns:
        [..., 3] unit vectors.
    Raises:
        TypeError: not real numbers. ValueError: the last dimension is not 2.

    Example:
        >>> direction_of_pitch_yaw([0.0, 0.0])
        tensor([0., 0., 1.], dtype=torch.float64)
    """
    return _direction(*reals("pitch_yaw_rad", pitch_yaw_rad, 2).unbind(-1))


def direction_of_yaw_pitch(yaw_pitch_rad: ArrayLike) -> Tensor:
    """Direction of gaze as L2CS-Net writes it: v = -(cos p sin y, sin p, cos p cos y).

    The opposite of ETH-XGaze's vector, from angles in the opposite order. Angles between directions of one
    convention are the same in both; directions of different conventions must not be compared.

    Args:
        yaw_pitch_rad: [..., 2] columns yaw y and pitch p, in radians.
    Returns:
        [..., 3] unit vectors.
    Raises:
        TypeError: not real numbers. ValueError: the last dimension is not 2.

    Example:
        >>> direction_of_yaw_pitch([0.0, 0.0])
        tensor([-0., -0., -1.], dtype=torch.float64)
    """
    yaw, pitch = reals("yaw_pitch_rad", yaw_pitch_rad, 2).unbind(-1)
    return -_direction(pitch, yaw)


def _direction(pitch: Tensor, yaw: Tensor) -> Tensor:
    return torch.stack([pitch.cos() * yaw.sin(), pitch.sin(), pitch.cos() * yaw.cos()], -1)
