"""Visual search: how soon a scanpath reaches the target, and how directly.

A trial is a scanpath, whose first fixation is usually given (the centre of the screen), and the box of its
target. Source: Yang et al. 2020 (CVPR, search by inverse reinforcement learning), its released code and that of
HAT for the details.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, boxes, reals, whole_number
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = [
    "found_by",
    "probability_mismatch",
    "scanpath_ratio",
    "steps_to_target",
    "target_found_curve",
    "tfp_auc",
    "tfp_auc_mean",
]


def steps_to_target(paths: ScanpathsLike, boxes_xyxy_px: ArrayLike) -> Tensor:
    """Number of the first fixation strictly inside the target's box, from 1.

    The first fixation counts even where it is given: that the second one hits is "found in 2 steps".

    Deviation: the released code keeps steps in 8 bits, with 1000 for "not found", which overflows.

    Args:
        paths: [..., T] scanpaths in any form that `Scanpaths.of` takes.
        boxes_xyxy_px: [..., 4] x_min, y_min, x_max, y_max of the targets (COCO's files hold x, y, width,
            height). Leading dimensions broadcast. A box of NaN says that there is no target.
    Returns:
        [...] 1, 2, ...; inf where no fixation hits, also of a scanpath without fixations, as who does not
        look does not find; NaN without a target.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; boxes of other shape or with a maximum below its minimum;
            leading dimensions that don't broadcast.

    Example:
        >>> path = [[400, 300], [120, 90], [620, 410], [630, 420]]
        >>> steps_to_target(path, [600, 400, 700, 500])
        tensor(3., dtype=torch.float64)
    """
    paths, box = _trials(paths, boxes_xyxy_px)
    return _steps(paths, box)


def target_found_curve(steps: ArrayLike, max_step: int) -> Tensor:
    """Target fixation probability (TFP): which fraction of trials found the target within k fixations.

        c_k = P(steps <= k),  k = 1 ... K,  K = max_step + 1

    With the given first fixation as number 1 there are `max_step` fixations of the searcher's own: 6 for
    COCO-Search18. The "TFP@k" of tables is c_{k+1}, k fixations after the first. Such tables average the
    curves of the categories of targets: compute one a category and take their mean.

    Args:
        steps: [..., N] of N trials, from `steps_to_target`.
        max_step: fixations after the first.
    Returns:
        [..., K], never falling; NaN trials are left out, NaN if there are no others.
    Raises:
        TypeError: steps are not real numbers, max_step is not an integer.
        ValueError: no dimension of trials, a step below 1 or between whole numbers, max_step below 0.

    Example:
        >>> import torch
        >>> target_found_curve(torch.tensor([2.0, 3.0, torch.inf, 2.0]), max_step=3)
        tensor([0.0000, 0.5000, 0.7500, 0.7500], dtype=torch.float64)
    """
    whole_number("max_step", max_step, 0)
    steps = reals("steps", steps, None)
    wrong = (steps < 1) | (steps.isfinite() & (steps != steps.floor()))
    if wrong.any():
        raise ValueError(f"steps must be 1, 2, ..., inf or NaN, got {steps[wrong][0].item():g}")
    return found_by(steps, max_step).nanmean(-2)


def found_by(steps: Tensor, max_step: int) -> Tensor:
    """[..., K] of steps [...]: 1 from the step at which the target is found, 0 before, NaN without a target."""
    step = torch.arange(1, max_step + 2, device=steps.device)
    found = (steps[..., None] <= step).to(steps)
    return torch.where(steps[..., None].isnan(), torch.nan, found)


def tfp_auc(curve: ArrayLike) -> Tensor:
    """Area under the target found curve, as it is tabulated: the plain sum of c_1 ... c_K.

    It can exceed 1, up to K, and depends on K. `tfp_auc_mean` is the mean, from 0 to 1.

    Args:
        curve: [..., K] from `target_found_curve`.
    Returns:
        [...] from 0 to K; NaN where the curve is.
    Raises:
        TypeError: not real numbers. ValueError: no dimension of steps.

    Example:
        >>> import torch
        >>> tfp_auc(torch.tensor([0.0, 0.5, 0.75, 0.75]))
        tensor(2., dtype=torch.float64)
    """
    return reals("curve", curve, None).sum(-1)


def tfp_auc_mean(curve: ArrayLike) -> Tensor:
    """Area under the target found curve as the mean of c_1 ... c_K, from 0 to 1.

    Args:
        curve: [..., K] from `target_found_curve`.
    Returns:
        [...] from 0 to 1; NaN where the curve is.
    Raises:
        TypeError: not real numbers. ValueError: no dimension of steps.

    Example:
        >>> import torch
        >>> tfp_auc_mean(torch.tensor([0.0, 0.5, 0.75, 0.75]))
        tensor(0.5000, dtype=torch.float64)
    """
    return reals("curve", curve, None).mean(-1)


def probability_mismatch(model_curve: ArrayLike, human_curve: ArrayLike) -> Tensor:
    """How far a model's target found curve is from people's: sum over k of |c_k(model) - c_k(human)|.

    Args:
        model_curve: [..., K] from `target_found_curve`; `human_curve` [..., K], each averaged over
            categories where there are several.
    Returns:
        [...] from 0 (equal curves) to K; NaN where a curve is.
    Raises:
        TypeError: not real numbers. ValueError: curves of different length.

    Example:
        >>> import torch
        >>> probability_mismatch(torch.tensor([0.0, 0.5, 0.75]), torch.tensor([0.0, 0.75, 0.75]))
        tensor(0.2500, dtype=torch.float64)
    """
    model, human = reals("model_curve", model_curve, None), reals("human_curve", human_curve, None)
    if model.shape[-1] != human.shape[-1]:
        raise ValueError(
            "model_curve and human_curve must have equally many steps, "
            f"got {list(model.shape)} and {list(human.shape)}"
        )
    return (model - human).abs().sum(-1)


def scanpath_ratio(paths: ScanpathsLike, boxes_xyxy_px: ArrayLike, max_step: int | None = None) -> Tensor:
    """How directly the target was reached: straight distance over the length of the path that was taken.

        min(1, |centre of the target - first fixation| / length of the path up to the fixation that found it)

    Differentiable in the positions.

    Args:
        paths: [..., T] scanpaths in any form that `Scanpaths.of` takes.
        boxes_xyxy_px: [..., 4] boxes of the targets as in `steps_to_target`. Leading dimensions broadcast.
        max_step: fixations after the first within which the target must be found; None = any number.
    Returns:
        [...] from 0 to 1 (straight there); NaN where the target was not found (in time), where the first
        fixation found it or all fixations up to the finding one coincide, and without a target.
    Raises:
        TypeError, ValueError: as `steps_to_target`; max_step below 0.

    Example:
        >>> path = [[0, 0], [30, 0], [30, 40]]  # 70 px where 50 would have done
        >>> scanpath_ratio(path, [20, 30, 40, 50])
        tensor(0.7143, dtype=torch.float64)
    """
    if max_step is not None:
        whole_number("max_step", max_step, 0)
    paths, box = _trials(paths, boxes_xyxy_px)
    steps = _steps(paths, box)
    found = (steps > 1) & (steps <= (paths.mask.shape[-1] if max_step is None else max_step + 1))
    if not paths.mask.shape[-1]:
        return torch.full_like(steps, torch.nan)
    xy = paths.xy_px
    taken = found[..., None] & (torch.arange(2, xy.shape[-2] + 1, device=xy.device) <= steps[..., None])
    saccade = torch.where(taken[..., None], xy[..., 1:, :] - xy[..., :-1, :], 0.0)
    length = saccade.norm(dim=-1).sum(-1)
    centre = (box[..., :2] + box[..., 2:]) / 2
    straight = (centre - xy[..., 0, :]).norm(dim=-1)
    defined = found & (length > 0)
    ratio = straight / torch.where(defined, length, 1.0)
    return torch.where(defined, ratio.clamp(max=1), torch.nan)


def _trials(paths: ScanpathsLike, boxes_xyxy_px: ArrayLike) -> tuple[Scanpaths, Tensor]:
    """Scanpaths and boxes of one leading shape."""
    paths, box = Scanpaths.of(paths, "paths"), boxes("boxes_xyxy_px", boxes_xyxy_px)
    try:
        shape = torch.broadcast_shapes(paths.shape, box.shape[:-1])
    except RuntimeError as error:
        raise ValueError(
            "leading dimensions of paths and boxes_xyxy_px must broadcast, "
            f"got {list(paths.shape)} and {list(box.shape[:-1])}"
        ) from error
    steps = paths.mask.shape[-1]
    xy, mask = paths.xy_px.expand(*shape, steps, 2), paths.mask.expand(*shape, steps)
    return Scanpaths(xy, mask), box.to(xy).expand(*shape, 4)


def _steps(paths: Scanpaths, box: Tensor) -> Tensor:
    corners = box[..., None, :]
    inside = (paths.xy_px > corners[..., :2]) & (paths.xy_px < corners[..., 2:])
    hit = inside.all(-1) & paths.mask
    never = torch.full_like(box[..., :1], torch.inf)
    number = torch.arange(1, hit.shape[-1] + 1, device=box.device)
    steps = torch.cat([torch.where(hit, number, torch.inf).to(box), never], -1).amin(-1)
    return torch.where(box.isnan().any(-1), torch.nan, steps)
