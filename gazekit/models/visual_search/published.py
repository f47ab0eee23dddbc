"""What Gupta et al. 2021 (NeurIPS) report for their models, as computed from the outputs that they released."""

from __future__ import annotations

__all__ = ["ASYMMETRY", "FIXATIONS"]

FIXATIONS: dict[str, tuple[int, tuple[int, ...]]] = {
    "curve_in_lines": (30, (30, 30, 30)),
    "line_in_curves": (30, (35, 41, 48)),
    "lighting_vertical": (30, (30, 30, 30)),
    "lighting_horizontal": (30, (30, 42, 41)),
    "non_cross": (36, (55, 67, 83)),
    "cross": (36, (72, 117, 155)),
    "t_in_ls": (36, (37, 41, 47)),
    "l_in_ts": (36, (63, 98, 148)),
    "homogeneous_20": (30, (30, 59, 109, 160)),
    "homogeneous_0": (30, (30, 30, 30, 30)),
    "heterogeneous_0": (30, (30, 30, 31, 32)),
    "heterogeneous_20": (30, (30, 35, 42, 48)),
}
"""eccNET (VGG16, stride 32): number of displays, and all their fixations together at the published set sizes of each
condition, ascending. Restored from means with three decimals."""

ASYMMETRY: dict[str, tuple[float, ...]] = {
    "IVSN, published": (0.830, 0.988, -0.631, 0.290, -0.581, 1.0),
    "no eccentricity, published": (0.962, -0.771, -0.679, 0.803, 1.0, -1.0),
    "eccNET on rotated pictures, published": (-1.0, -1.0, -0.092, -0.173, -1.0, 0.834),
}
"""Indices of models whose fixations are not at hand, in the order of `search_tasks.ASYMMETRY`."""
