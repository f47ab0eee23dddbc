"""What Gupta et al. 2021 (NeurIPS) report for their models, as computed from the outputs that they released."""

from __future__ import annotations

__all__ = ["ASYMMETRY", "FIXATIONS"]

FIXATIONS: dict[str, tuple[float, ...]] = {
    "curve_in_lines": (1, 1, 1),
    "line_in_curves": (1.167, 1.367, 1.6),
    "lighting_vertical": (1, 1, 1),
    "lighting_horizontal": (1, 1.4, 1.367),
    "non_cross": (1.528, 1.861, 2.306),
    "cross": (2, 3.25, 4.306),
    "t_in_ls": (1.028, 1.139, 1.306),
    "l_in_ts": (1.75, 2.722, 4.111),
    "homogeneous_20": (1, 1.967, 3.633, 5.333),
    "homogeneous_0": (1, 1, 1, 1),
    "heterogeneous_0": (1, 1, 1.033, 1.067),
    "heterogeneous_20": (1, 1.167, 1.4, 1.6),
}
"""Mean fixations of eccNET (VGG16, stride 32) at the published set sizes of each condition, ascending."""

ASYMMETRY: dict[str, tuple[float, ...]] = {
    "IVSN, published": (0.830, 0.988, -0.631, 0.290, -0.581, 1.0),
    "no eccentricity, published": (0.962, -0.771, -0.679, 0.803, 1.0, -1.0),
    "eccNET on rotated pictures, published": (-1.0, -1.0, -0.092, -0.173, -1.0, 0.834),
}
"""Indices of models whose fixations are not at hand, in the order of `search_tasks.ASYMMETRY`."""
