"""Clusters of fixations as symbols: found on people's fixations, then read as the nearest centre."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.labels import Labelling, finite_number, labelled
from gazekit.scanpath import Ragged, Scanpaths, ScanpathsLike

__all__ = ["cluster_centres", "cluster_labelling", "cluster_labels", "fit_clusters"]

_BLOCK = 2**20  # distances from fixations to centres held at once: 8 MiB


def fit_clusters(fixations: ScanpathsLike, bandwidth_px: float) -> Tensor:
    """Centres of the mean-shift clusters of fixations, to label scanpaths with by `cluster_labels`.

    The symbols of the published sequence score: one fit a picture (and task) on all human fixations of it.
    Flat kernel, started from every fixation: nothing is drawn at random, so two fits agree. The centres are a
    plain tensor: save them with the scores they led to.

    Source: Comaniciu and Meer 2002 (IEEE TPAMI 24, 603), as scikit-learn implements it; Yang et al. 2020
    (CVPR) for its use.

    Args:
        fixations: scanpaths in any form that `Scanpaths.of` takes; all their fixations are put together.
        bandwidth_px: radius of the kernel. Published code does not always say which it used, and the scores
            depend on it: report it.
    Returns:
        [K, 2] float64 centres, that with most fixations around it first.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; no fixations, or bandwidth_px not above 0.

    Example:
        >>> fit_clusters([[0, 0], [0, 2], [100, 0], [0, 1]], bandwidth_px=20)
        tensor([[  0.,   1.],
                [100.,   0.]], dtype=torch.float64)
    """
    from sklearn.cluster import MeanShift

    paths = Scanpaths.of(fixations, "fixations")
    if not finite_number("bandwidth_px", bandwidth_px) > 0:
        raise ValueError(f"bandwidth_px must be above 0, got {bandwidth_px}")
    xy = paths.xy_px[paths.mask]
    if not len(xy):
        raise ValueError("fixations must hold at least one fixation to find clusters of")
    found = MeanShift(bandwidth=float(bandwidth_px)).fit(xy.cpu().numpy())
    return torch.as_tensor(found.cluster_centers_, dtype=torch.float64)


def cluster_labels(
    paths: ScanpathsLike, centres_px: ArrayLike | Sequence[ArrayLike], name: str = "paths"
) -> Ragged:
    """The nearest of some centres, such as `fit_clusters` finds, to each fixation; the first of equal ones.

    Args:
        paths: [..., T] scanpaths in any form that `Scanpaths.of` takes.
        centres_px: [K, 2] (x, y) for all, [..., K, 2] where pictures have their own, rows of NaN for absent
            ones; or a list of [K_i, 2], one for each first index.
        name: what errors call the scanpaths.
    Returns:
        [..., T] labels from 0 to K - 1.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; centres of another shape, or none for a picture.

    Example:
        >>> cluster_labels([[0, 0], [90, 10], [40, 0]], torch.tensor([[0., 0.], [100., 0.]])).values
        tensor([0, 1, 0])
    """
    return labelled(cluster_labelling(centres_px), paths, name)


def cluster_labelling(centres_px: ArrayLike | Sequence[ArrayLike]) -> Labelling:
    """`cluster_labels` as a `Labelling`.

    Raises:
        TypeError, ValueError: as `cluster_centres`.
    """
    centres = cluster_centres(centres_px)
    *leading, count, _ = centres.shape
    absent = centres.isnan().any(-1, keepdim=True)
    centres = torch.where(absent, torch.inf, centres).reshape(-1, count, 2)  # nobody's nearest
    return Labelling("centres_px", torch.Size(leading), centres, _nearest)


def _nearest(xy_px: Tensor, centres: Tensor, picture: Tensor) -> Tensor:
    centres = centres.to(xy_px)
    rows = max(1, _BLOCK // (xy_px.shape[1] * centres.shape[1]))
    parts = [
        torch.cdist(xy, centres[which], compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
        for xy, which in zip(xy_px.split(rows), picture.split(rows), strict=True)
    ]
    return torch.cat(parts)


def cluster_centres(centres_px: ArrayLike | Sequence[ArrayLike]) -> Tensor:
    """[..., K, 2] float64; a list of [K_i, 2] is padded with NaN.

    Raises:
        TypeError: not real numbers. ValueError: another shape, a picture without a centre.
    """
    if isinstance(centres_px, Tensor | np.ndarray):
        centres = values("centres_px", centres_px)
    else:
        parts = [values(f"centres_px[{i}]", part) for i, part in enumerate(centres_px)]
        if any(part.dim() != 2 or part.shape[1] != 2 for part in parts):
            raise ValueError(
                f"centres_px must be a list of [K_i, 2], got shapes {[list(part.shape) for part in parts]}"
            )
        centres = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=torch.nan)
    if centres.dim() < 2 or centres.shape[-1] != 2:
        raise ValueError(f"centres_px must have shape [..., K, 2], got {list(centres.shape)}")
    if not (~centres.isnan()).all(-1).any(-1).all():
        raise ValueError("centres_px must hold at least one centre for every picture")
    return centres
