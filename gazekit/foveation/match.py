"""Blurs that lose as much as another transform does.

Source: Deza and Konkle 2020 (arXiv 2006.07991), rate-distortion matching: D(f) is the mean over pictures of the
similarity of f(I) to Reference(I), and the blurs are as strong as makes theirs equal to that of foveated texture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.foveation.blur import FoveatedBlur, UniformBlur
from gazekit.foveation.pictures import to_points
from gazekit.foveation.windows import Layout

__all__ = ["FeatureSimilarity", "match_blur", "match_foveated_blur", "similarity"]

Metric = str | Callable[[Tensor, Tensor], Tensor]


def similarity(reference: Tensor, pictures: Tensor, metric: Metric = "ssim") -> Tensor:
    """How similar pictures are to others, higher is more.

    Args:
        reference, pictures: [B, C, H, W] in [0, 1].
        metric: "ssim" (Wang et al. 2004, Gaussian window of 11 px with sigma 1.5; pictures of 11 px or more) or
            "ms_ssim" (Wang, Simoncelli and Bovik 2003, five scales; more than 160 px), both of torchmetrics; or a
            function of both that returns [B, H, W] or [B], such as `FeatureSimilarity`.
    Returns:
        [B, H, W] where the metric has a value for each pixel; else [B].
    Raises:
        ValueError: an unknown metric, or pictures too small for it.
    """
    if callable(metric):
        return metric(reference, pictures)
    if metric == "ssim":
        from torchmetrics.functional.image import structural_similarity_index_measure

        planes = [
            x.flatten(0, 1)[:, None] for x in (pictures, reference)
        ]  # much faster than groups of channels
        return (
            structural_similarity_index_measure(
                *planes, data_range=1.0, reduction=None, return_full_image=True
            )[1]
            .view_as(reference)
            .mean(1)
        )
    if metric == "ms_ssim":
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

        return multiscale_structural_similarity_index_measure(
            pictures, reference, data_range=1.0, reduction=None
        )
    raise ValueError(
        f'metric must be "ssim", "ms_ssim" or a function of two batches of pictures, got {metric!r}'
    )


class FeatureSimilarity:
    """1 - LPIPS-like distance: squared differences of features of unit length over channels, averaged over layers, at
    each pixel.

    Source: Zhang et al. 2018 (CVPR, "The unreasonable effectiveness of deep features"), without its learned weights of
    channels.

    Args:
        features: [B, 3, H, W] in [0, 1] to a dictionary (or list) of maps [B, C, h, w]; a `gazekit.backbones` net with
            its own normalisation, for instance.
    """

    def __init__(self, features: Callable[[Tensor], Any]):
        self.features = features

    def __call__(self, reference: Tensor, pictures: Tensor) -> Tensor:
        both = [self.features(x) for x in (reference, pictures)]
        both = [list(maps.values()) if isinstance(maps, dict) else list(maps) for maps in both]
        distances = [
            F.interpolate((F.normalize(a) - F.normalize(b)).square().sum(1, keepdim=True), reference.shape[-2:],
                          mode="bilinear")
            for a, b in zip(*both, strict=True)
        ]  # fmt: skip
        return 1 - torch.cat(distances, 1).mean(1)


@torch.no_grad()
def match_blur(reference: Tensor, target: Tensor, metric: Metric = "ssim", tol: float = 1e-3) -> UniformBlur:
    """The uniform blur of `reference` that is as similar to it as `target` is, on average over pictures.

    Args:
        reference: [B, C, H, W] in [0, 1], what `Reference` makes of pictures.
        target: the same pictures through the transform to be matched.
        metric: see `similarity`.
        tol: how far the similarity may be from the target's.
    Returns:
        A transform; its `sigma_px` is what was found.
    Raises:
        ValueError: shapes differ, or no blur is as dissimilar as the target.
    """
    _check(reference, target)
    wanted = float(similarity(reference, target, metric).double().mean())

    def excess(sigma_px: float) -> float:
        blurred = UniformBlur(sigma_px)(reference)
        return float(similarity(reference, blurred, metric).double().mean()) - wanted

    largest = max(reference.shape[-2:]) / 4
    if excess(0.0) <= tol / 2:
        return UniformBlur(0.0)
    if (least := excess(largest)) > 0:
        raise ValueError(
            f"the target's similarity of {wanted:.4f} cannot be matched: a blur of {largest:g} px still has "
            f"{wanted + least:.4f}"
        )
    from scipy.optimize import brentq

    found = brentq(excess, 0.0, largest, xtol=1e-4, rtol=1e-4)
    if abs(missed := excess(found)) > tol:
        raise ValueError(f"similarity jumps by {missed:.2g} at {found:g} px, more than tol={tol:g}")
    return UniformBlur(found)


@torch.no_grad()
def match_foveated_blur(
    reference: Tensor,
    target: Tensor,
    px_per_dva: float,
    scaling: float = 0.4,
    fixation_xy_px: Any = None,
    inner_dva: float = 0.5,
    metric: Metric = "ssim",
    tol: float = 1e-3,
) -> FoveatedBlur:
    """The foveated blur of `reference` that is as similar to it as `target` is, in every ring of eccentricity.

    The similarity of a ring is the mean over pictures and pixels, weighted by the ring's window. All rings are found
    together by least squares, since a blur reaches into the neighbours' pixels.

    Args:
        reference, target: as for `match_blur`.
        px_per_dva, scaling, inner_dva: of the rings, as in `FoveatedBlur`.
        fixation_xy_px: as in a transform, one fixation a picture.
        metric: one that has a value for each pixel.
        tol: how far the mean similarity may be from the target's; single rings may differ more where no blur can be as
            dissimilar as the target.
    Raises:
        ValueError: shapes differ, a metric without a value for each pixel, or the target cannot be matched.
    """
    _check(reference, target)
    points, _ = to_points(fixation_xy_px, reference)
    if points.shape[1] != 1:
        raise ValueError(f"one fixation a picture is needed, got {points.shape[1]}")
    shares = ring_shares(Layout(px_per_dva, scaling, inner_dva), points[:, 0], *reference.shape[-2:])
    seen = shares.sum((1, 2, 3)) > 0
    last = int(seen.nonzero().max())

    def of_rings(pictures: Tensor) -> np.ndarray:
        values = similarity(reference, pictures, metric)
        if values.ndim != 3:
            raise ValueError("rings need a metric with a value for each pixel, such as ssim")
        means = (shares * values).sum((1, 2, 3)) / shares.sum((1, 2, 3)).clamp_min(1e-9)
        return means[1 : last + 1].double().numpy()

    def blurred(sigmas: np.ndarray) -> Tensor:
        return FoveatedBlur(px_per_dva, scaling, sigmas.tolist(), inner_dva)(reference, points[:, 0])

    wanted = of_rings(target)
    start, largest = _ring_start(of_rings, wanted, reference)
    from scipy.optimize import least_squares

    apart = np.abs(np.subtract.outer(np.arange(len(start)), np.arange(len(start))))
    found = least_squares(
        lambda sigmas: of_rings(blurred(sigmas)) - wanted, start, bounds=(0, largest), xtol=1e-3, ftol=1e-6,
        diff_step=0.02, jac_sparsity=apart <= 1, max_nfev=12,
    ).x  # fmt: skip
    mean = [float(similarity(reference, x, metric).double().mean()) for x in (target, blurred(found))]
    if abs(mean[1] - mean[0]) > tol:
        raise ValueError(f"the target's similarity of {mean[0]:.4f} cannot be matched, only {mean[1]:.4f}")
    return FoveatedBlur(px_per_dva, scaling, found.tolist(), inner_dva)


def ring_shares(layout: Layout, points: Tensor, height: int, width: int) -> Tensor:
    """[rings + 1, B, height, width] weights of the fovea and of each ring at every pixel, for fixations [B, 2]."""
    x, y = (torch.arange(side, dtype=points.dtype, device=points.device) + 0.5 for side in (width, height))
    square = (x - points[:, None, :1]) ** 2 + ((y - points[:, 1:]) ** 2)[..., None]
    inner, outer_weight = layout.ring_of(square)
    ring = inner.long() + 1
    shares = torch.zeros(int(ring.max()) + 2, *ring.shape, dtype=points.dtype, device=points.device)
    shares.scatter_(0, ring[None], (1 - outer_weight)[None])
    return shares.scatter_add_(0, ring[None] + 1, outer_weight[None])


def _ring_start(
    of_rings: Callable[[Tensor], np.ndarray], wanted: np.ndarray, reference: Tensor
) -> tuple[np.ndarray, float]:
    """Where uniform blurs have each ring's similarity, and the strongest blur that is tried."""
    largest = max(reference.shape[-2:]) / 4
    ladder = np.concatenate(([0.0], np.geomspace(0.25, largest, 12)))
    curve = np.stack([of_rings(UniformBlur(float(sigma))(reference)) for sigma in ladder])
    start = [np.interp(-value, -np.minimum.accumulate(ring), ladder)
             for value, ring in zip(wanted, curve.T, strict=True)]  # fmt: skip
    return np.clip(start, 0.05, largest * 0.99), largest


def _check(reference: Tensor, target: Tensor) -> None:
    if reference.shape != target.shape or reference.ndim != 4 or not len(reference):
        raise ValueError(
            f"reference and target must both be [B, C, H, W], got {list(reference.shape)} and {list(target.shape)}"
        )
