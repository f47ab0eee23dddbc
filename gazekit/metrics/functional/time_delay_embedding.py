"""Time-delay embedding: does every stretch of the model's scanpath have its like in the human one?"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.labels import frame_size
from gazekit.metrics.functional.pairs import over_pairs
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["scaled_time_delay_embedding", "time_delay_embedding_px"]

Window = Literal["l2", "sum"]


def time_delay_embedding_px(
    human: ScanpathsLike,
    model: ScanpathsLike,
    k: int,
    reduce: Literal["mean", "max"] = "mean",
    window: Window = "l2",
    chunk: int | None = None,
) -> Tensor:
    """How far stretches of k fixations of the model's scanpath are from the nearest such stretch of the human's.

        TDE_k = mean over model windows s of min over human windows h of |h - s| / k

    Not symmetric: what the human does and the model does not costs nothing. Mind the order of the arguments.

    Source: Wang et al. 2011 (CVPR, simulating human saccadic scanpaths), after time-delay embedding in dynamical
    systems. |h - s| is the root of the sum of the k squared distances between fixations (`window="l2"`, as in
    FixaTons) or their sum (`window="sum"`, as in code derived from an older version of it); for k = 1 both agree.

    Args:
        human: [..., T] scanpaths in any form that `Scanpaths.of` takes; `model` likewise. Leading dimensions
            broadcast.
        k: length of the windows.
        reduce: "mean" over model windows, or "max" (called Hausdorff in FixaTons).
        window: "l2" or "sum".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] pixels, 0 if each window of the model is one of the human's; NaN if either scanpath has fewer than
        k fixations.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; leading dimensions that don't broadcast; k or chunk below 1;
            another reduce or window.

    Example:
        >>> human, model = [[0, 0], [100, 0], [100, 100]], [[100, 0], [100, 130]]
        >>> time_delay_embedding_px(human, model, k=2)
        tensor(15., dtype=torch.float64)
    """
    if int(k) != k or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, got {k}")
    if reduce not in ("mean", "max"):
        raise ValueError(f"reduce must be mean or max, got {reduce!r}")
    _check_window(window)
    return over_pairs(partial(_one_delay, k=int(k), reduce=reduce, window=window), human, model, chunk=chunk)


def scaled_time_delay_embedding(
    human: ScanpathsLike,
    model: ScanpathsLike,
    size_px: ArrayLike | tuple[float, float],
    window: Window = "l2",
    chunk: int | None = None,
) -> Tensor:
    """Scaled time-delay embedding (STDE): TDE for all window lengths, as a similarity.

        mean over k = 1 .. min(n, m) of exp(-TDE_k), on coordinates divided by max(W, H)

    Not symmetric. The scale is compressed: unrelated scanpaths still get some 0.8, so print a random and a human
    baseline beside it. The two kinds of window differ by more than models do (0.834 against 0.708 on average over
    random pairs of our test set), and tables rarely say which was used: name it.

    Source: Zanca et al. 2018 (FixaTons, arXiv 1802.02534); window="l2" as in its code, "sum" as in code derived from
    an older version of it.

    Args:
        human: [..., T] scanpaths in any form that `Scanpaths.of` takes; `model` likewise. Leading dimensions
            broadcast.
        size_px: (width, height) of the picture, one for all or [..., 2], broadcasting with the scanpaths.
        window: "l2" or "sum".
        chunk: pairs computed at once; by default as many as keep the working memory below 64 MiB.
    Returns:
        [...] above 0 up to 1 (equal scanpaths); NaN if either is empty.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size that is not two positive numbers; leading dimensions that
            don't broadcast; chunk below 1; another window.

    Example:
        >>> human, model = [[0, 0], [100, 0], [100, 100]], [[100, 0], [100, 130]]
        >>> scaled_time_delay_embedding(human, model, size_px=(800, 600))
        tensor(0.9814, dtype=torch.float64)
    """
    _check_window(window)
    return over_pairs(partial(_scaled, window=window), human, model, frame_size(size_px), chunk=chunk)


def _one_delay(human: Scanpaths, model: Scanpaths, k: int, reduce: str, window: Window) -> Tensor:
    if k > min(human.mask.shape[1], model.mask.shape[1]):
        return human.xy_px.new_full((len(human),), torch.nan)
    cost = _cost(human, model, window)
    total = cost
    for length in range(2, k + 1):
        total = _longer(total, cost, length)
    return _nearest(total, human, model, k, reduce, window)


def _scaled(human: Scanpaths, model: Scanpaths, size_px: Tensor, window: Window) -> Tensor:
    shorter = torch.minimum(human.lengths, model.lengths)
    scale = size_px.to(human.xy_px).amax(1)
    cost = _cost(human, model, window)
    total, result = cost, torch.zeros_like(scale)
    for k in range(1, min(human.mask.shape[1], model.mask.shape[1]) + 1):
        total = _longer(total, cost, k)
        similarity = (-_nearest(total, human, model, k, "mean", window) / scale).exp()
        result = result + torch.where(k <= shorter, similarity, 0)
    return result / shorter  # 0 / 0 for an empty one


def _cost(human: Scanpaths, model: Scanpaths, window: Window) -> Tensor:
    """[P, T, T'] what a pair of fixations adds to the distance of windows, squared for "l2"."""
    step = human.xy_px[:, :, None] - model.xy_px[:, None]
    step = torch.where((human.mask[:, :, None] & model.mask[:, None])[..., None], step, 0)
    return step.square().sum(-1) if window == "l2" else torch.linalg.vector_norm(step, dim=-1)


def _longer(total: Tensor, cost: Tensor, k: int) -> Tensor:
    """Sums over windows of k fixations [P, T-k+1, T'-k+1], from those over windows of k - 1."""
    return total if k == 1 else total[:, :-1, :-1] + cost[:, k - 1 :, k - 1 :]


def _nearest(
    total: Tensor, human: Scanpaths, model: Scanpaths, k: int, reduce: str, window: Window
) -> Tensor:
    """[P] mean or largest distance from model windows to the nearest human ones; NaN where there are none."""
    to_human = torch.where(human.mask[:, k - 1 :, None], total, torch.inf).amin(1)
    valid = model.mask[:, k - 1 :] & human.mask[:, k - 1 : k]
    apart = valid & (to_human > 0)
    to_human = torch.where(apart, to_human, 1)  # the root has no gradient at 0
    distance = torch.where(apart, to_human.sqrt() if window == "l2" else to_human, 0) / k
    worst_or_mean = distance.amax(1) if reduce == "max" else distance.sum(1) / valid.sum(1)
    return torch.where(valid.any(1), worst_or_mean, torch.nan)


def _check_window(window: str) -> None:
    if window not in ("l2", "sum"):
        raise ValueError(f"window must be l2 or sum, got {window!r}")
