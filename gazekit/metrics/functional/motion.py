"""Optical flow against the truth, and against what people perceive.

A flow is [B, 2, ...]: u to the right, then v downwards, in pixels per frame, of B probes, or of B pictures at several
places each. Places where a flow is not finite are unknown and left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.metrics.functional.moments import correlation, largest_one, moments, unpack_moments

__all__ = [
    "consistency",
    "direction_correlation",
    "directions",
    "end_point_error",
    "flow_correlation",
    "flows",
    "partial_correlation",
    "partial_flow_correlation",
    "response_consistency",
    "speed_correlation",
]

_ROUNDING = 1e-12


def end_point_error(flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Distance between predicted and true flow, in pixels per frame, mean over the places of a picture.

    Source: Otte and Nagel 1994 (ECCV, LNCS 800, 51); the first measure of all optical flow benchmarks.

    Args:
        flow: [B, 2, ...] (u, v) in pixels per frame.
        true_flow: likewise; not finite where it is unknown.
    Returns:
        [B] float64, at least 0; NaN where the truth is unknown everywhere, or the prediction is NaN where it is known.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> end_point_error([[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]])
        tensor([5., 1.], dtype=torch.float64)
    """
    flow, true_flow = flows(flow=flow, true_flow=true_flow)
    known = true_flow.isfinite().all(1)
    distance = (flow - true_flow).square().sum(1).sqrt()
    total = torch.where(known, distance, 0.0)[..., None].flatten(1).sum(1)
    return total / known[..., None].flatten(1).sum(1)


def response_consistency(flow: ArrayLike, human_flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Response consistency index: does a model err as people do? Mean over places of A B C, with

        A = |R - G| / (|G| + |R|),  B = cos(R - G, M - G),  C = |M - G| / (|M - G| + |M - R|)

    for the flow M of the model, R that people report, and the true one G. A weighs places by how far people err, B
    compares the directions of the two errors, C is 1 where the model says what people say. Above 0: it errs their way.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156); Yang et al. 2023 (PLoS Computational Biology 19, e1010943), to
    our recollection. Deviation: a place where people or the model make no error is undefined, as it has no direction.

    Args:
        flow: [B, 2, ...] (u, v) of the model.
        human_flow: likewise, as reported; `true_flow` likewise.
    Returns:
        [B] float64 from -1 to 1; NaN without a defined place.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> response_consistency([[0.8, 0.0], [1.2, 0.0]], [[0.8, 0.0], [0.8, 0.0]], [[1.0, 0.0], [1.0, 0.0]])
        tensor([ 0.1111, -0.0370], dtype=torch.float64)
    """
    m, r, g = flows(flow=flow, human_flow=human_flow, true_flow=true_flow)
    return consistency(m, r, g)[..., None].flatten(1).nanmean(1)


def consistency(m: Tensor, r: Tensor, g: Tensor) -> Tensor:
    """[B, ...] A B C of `response_consistency` at each place of m, r and g [B, 2, ...]."""
    human, model = r - g, m - g
    human_size, model_size, apart = (x.square().sum(1).sqrt() for x in (human, model, m - r))
    a = human_size / (g.square().sum(1).sqrt() + r.square().sum(1).sqrt())
    b = (human * model).sum(1) / (human_size * model_size)  # 0 / 0, undefined, without an error
    c = model_size / (model_size + apart)
    return a * b * c


def flow_correlation(flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Pearson's correlation of two flows over all places, u and v as two observations.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156). The second flow may also be what people report: a model that
    perceives as people do correlates more with them than with the truth.

    Args:
        flow: [B, 2, ...] (u, v).
        true_flow: likewise.
    Returns:
        [] float64 from -1 to 1; NaN if a flow is the same everywhere in u and v, or for fewer than two values.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> flow_correlation([[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
        tensor(0.9045, dtype=torch.float64)
    """
    return correlation(_moments(*flows(flow=flow, true_flow=true_flow)))


def partial_flow_correlation(flow: ArrayLike, human_flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Correlation of a model's flow with people's, once what both share with the truth is taken out:

        (r(M, R) - r(M, G) r(R, G)) / sqrt((1 - r(M, G)^2)(1 - r(R, G)^2))

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156).

    Args:
        flow: [B, 2, ...] (u, v) of the model, M.
        human_flow: likewise, as people report it, R; `true_flow` likewise, G.
    Returns:
        [] float64 from -1 to 1; NaN where a correlation is undefined, or is 1 with the truth.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> human, true = [[0.8, 0.1], [0.2, 0.7], [-1.0, 0.3]], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> partial_flow_correlation([[0.9, 0.2], [0.1, 0.7], [-0.8, 0.3]], human, true)
        tensor(0.8624, dtype=torch.float64)
    """
    return partial_correlation(_moments(*flows(flow=flow, human_flow=human_flow, true_flow=true_flow)))


def direction_correlation(flow: ArrayLike, human_flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Pearson's correlation of the directions of a model's flow and of people's, each within 180 degrees of the truth.

    Angles are unwrapped relative to the true direction, so that one of 359 degrees where the truth is 1 counts as -1.
    Give the truth also as `human_flow` for the correlation with it.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156).

    Args:
        flow: [B, 2, ...] (u, v); `human_flow` and `true_flow` likewise.
    Returns:
        [] float64 from -1 to 1; NaN for fewer than two places or equal directions everywhere. Places where one of
        the flows is 0 have no direction and are left out.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> true = [[1.0, 0.0], [0.0, 1.0], [-1.0, -0.1]]
        >>> direction_correlation([[1.0, 0.1], [0.1, 1.0], [-1.0, 0.1]], true, true)
        tensor(0.9985, dtype=torch.float64)
    """
    m, r, g = flows(flow=flow, human_flow=human_flow, true_flow=true_flow)
    return correlation(_moments(*directions(m, r, g)))


def speed_correlation(flow: ArrayLike, true_flow: ArrayLike) -> Tensor:
    """Pearson's correlation of the speeds of two flows over all places.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156).

    Args:
        flow: [B, 2, ...] (u, v); `true_flow` likewise, or as people report it.
    Returns:
        [] float64 from -1 to 1; NaN for fewer than two places or one speed everywhere.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes differ or are not [B, 2, ...].

    Example:
        >>> speed_correlation([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
        tensor(0.8660, dtype=torch.float64)
    """
    pair = flows(flow=flow, true_flow=true_flow)
    return correlation(_moments(*(x.square().sum(1).sqrt() for x in pair)))


def partial_correlation(packed: Tensor) -> Tensor:
    """[...] of the packed moments of three quantities: the first two, with the third one taken out."""
    comoment = unpack_moments(packed)[2]
    spread = torch.stack([comoment[k, k] for k in range(3)]).sqrt()
    flat = (spread == 0).any(0)
    spread = torch.where(flat, 1.0, spread)
    mr, mg, rg = (comoment[i, j] / spread[i] / spread[j] for i, j in ((0, 1), (0, 2), (1, 2)))
    left = (1 - mg.square()) * (1 - rg.square())
    undefined = flat | (left <= _ROUNDING)
    r = (mr - mg * rg) / torch.where(undefined, 1.0, left).sqrt()
    return torch.where(undefined, torch.nan, r.clamp(-1, 1))


def directions(m: Tensor, r: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """[B, ...] the angles of m and r [B, 2, ...] within pi of that of g; NaN where one of the three is 0."""
    still = torch.stack([(x == 0).all(1) for x in (m, r, g)]).any(0)
    true = torch.atan2(g[:, 1], g[:, 0])
    return tuple(
        torch.where(still, torch.nan, true + _within_pi(torch.atan2(x[:, 1], x[:, 0]) - true)) for x in (m, r)
    )


def flows(**named: ArrayLike) -> list[Tensor]:
    """All as float64 tensors of one shape [B, 2, ...].

    Raises:
        TypeError: values are not real numbers. ValueError: shapes differ or are others.
    """
    tensors = {name: reals(name, flow, None) for name, flow in named.items()}
    shapes = {tensor.shape for tensor in tensors.values()}
    if len(shapes) > 1 or any(tensor.dim() < 2 or tensor.shape[1] != 2 for tensor in tensors.values()):
        got = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"flows must share one shape [B, 2, ...], (u, v) second, got {got}")
    return list(tensors.values())


def _within_pi(angle: Tensor) -> Tensor:
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def _moments(*quantities: Tensor) -> Tensor:
    """Packed moments over all values that are finite in every quantity."""
    rows = torch.stack([quantity.flatten() for quantity in quantities])
    rows = rows[:, rows.isfinite().all(0)]
    return moments(*(largest_one(row, 0) for row in rows))
