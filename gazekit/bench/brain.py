"""Ridge regression with a penalty of its own for each of many voxels, beside himalaya and scikit-learn.

All get the same float32 arrays and penalties, and fit an intercept. himalaya's `RidgeCV` and ours use the same 5 folds.
scikit-learn's `RidgeCV` chooses a penalty per voxel only by leave-one-out (`alpha_per_target=True`, its generalised
cross-validation, in float64), which is closed-form and by far faster than its `cv=5` would be voxel by voxel: that is
what it is timed with.

The alternatives need up to an hour for all voxels of the large case, which therefore has no `reference`. They are timed
once on each of two numbers of voxels; their time is a constant (decompositions) and a time per voxel, from which
follows the time for all, "NAME all_s", and "NAME ratio" to ours. Scaling the time of one part instead would count the
constant many times over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.brain import Ridge, ridge_cv
from gazekit.harness import Case

__all__ = ["Sizes", "cases"]

ALPHAS = np.logspace(0, 6, 20, dtype=np.float32)
FOLDS = 5


@dataclass(frozen=True)
class Sizes:
    """How much work the cases are.

    Args:
        whole: voxels, pictures and features of the cases that are timed in full on both sides.
        large: those of the case whose alternatives are timed on `parts` of the voxels.
        parts: two numbers of voxels.
        batch: voxels that himalaya takes at once.
    """

    whole: tuple[int, int, int] = (8_000, 2_000, 200)
    large: tuple[int, int, int] = (40_000, 10_000, 1_000)
    parts: tuple[int, int] = (250, 1_000)
    batch: int = 2_000


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """A problem that each alternative solves in full, then 40,000 voxels."""
    return _ridge_cases(device, sizes or Sizes())


def _ridge_cases(device: str, sizes: Sizes) -> list[Case]:
    x, y = responses(*sizes.whole, device=device)
    title = _title(*sizes.whole)
    rivals = alternatives(device, sizes.batch)

    def case(name: str, fit: Callable[[Tensor, Tensor], Ridge]) -> Case:
        return Case(title, lambda: ridge_cv(x, y, ALPHAS, FOLDS), len(y.T), "voxel",
                    name, lambda: fit(x, y), facts=differences)  # fmt: skip

    return [*(case(*rival) for rival in rivals.items()), _large_case(device, sizes, rivals)]


def _large_case(device: str, sizes: Sizes, rivals: dict[str, Callable[[Tensor, Tensor], Ridge]]) -> Case:
    """Made when it is run: 1.6 GB of responses."""

    @cache
    def data() -> tuple[Tensor, Tensor]:
        return responses(*sizes.large, device=device)

    def ours() -> tuple[Ridge, float]:
        x, y = data()
        return timed(lambda: ridge_cv(x, y, ALPHAS, FOLDS))

    def facts(ours: tuple[Ridge, float], _: None) -> dict[str, float]:
        (x, y), found = data(), {}
        for name, fit in rivals.items():
            parts = [y[:, :voxels].clone() for voxels in sizes.parts]
            fitted = [timed(lambda part=part, fit=fit: fit(x, part)) for part in parts]
            seconds = [one[1] for one in fitted]
            more = extrapolated(sizes.parts, seconds, sizes.large[0], ours[1]) | differences(
                ours[0], fitted[1][0]
            )
            found |= {f"{name} {key}": value for key, value in more.items()}
        return found

    return Case(_title(*sizes.large), ours, sizes.large[0], "voxel", facts=facts)


def responses(voxels: int, pictures: int, features: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Features [n, F] whose k-th principal component has variance 1 / k, as those of nets roughly do, and responses
    [n, V] whose signal to noise ratio rises from 0.01 to 1.
    """
    g = torch.Generator().manual_seed(0)
    x = torch.randn(pictures, features, generator=g) * torch.arange(1, features + 1) ** -0.5
    rotation = torch.linalg.qr(torch.randn(features, features, generator=g)).Q
    x = x @ rotation
    y = x @ torch.randn(features, voxels, generator=g)
    y *= torch.logspace(-1, 0, voxels) / y[:1000].std(0)
    for rows in y.split(1000):  # one array of 1.6 GB, not two
        rows += torch.randn(rows.shape, generator=g)
    return x.to(device), y.to(device)


def alternatives(device: str, batch: int) -> dict[str, Callable[[Tensor, Tensor], Ridge]]:
    """Name to a function of features and responses that fits what `ridge_cv` does."""
    torch_name = "torch" if device == "cpu" else "torch_cuda"
    return {
        f"himalaya RidgeCV ({torch_name})": lambda x, y: by_himalaya(x, y, torch_name, batch),
        "himalaya RidgeCV (numpy)": lambda x, y: by_himalaya(
            x.cpu().numpy(), y.cpu().numpy(), "numpy", batch
        ),
        "scikit-learn RidgeCV (per target, leave-one-out)": by_scikit_learn,
    }


def by_himalaya(x: Any, y: Any, backend: str, batch: int) -> Ridge:
    from himalaya.backend import get_backend, set_backend
    from himalaya.ridge import RidgeCV

    before = get_backend()
    set_backend(backend)
    settings = {"n_targets_batch": batch, "n_alphas_batch": 1, "warn": False}
    try:
        found = RidgeCV(ALPHAS, fit_intercept=True, cv=FOLDS, solver_params=settings).fit(x, y)
    finally:
        set_backend(before)
    fitted = (found.coef_, found.intercept_, found.best_alphas_, found.cv_scores_.reshape(-1))
    return Ridge(*(torch.as_tensor(one).cpu() for one in fitted))


def by_scikit_learn(x: Tensor, y: Tensor) -> Ridge:
    from sklearn.linear_model import RidgeCV

    found = RidgeCV(ALPHAS, alpha_per_target=True).fit(x.cpu().numpy(), y.cpu().numpy())
    fitted = (found.coef_.T, found.intercept_, found.alpha_, found.best_score_)
    return Ridge(*(torch.as_tensor(np.asarray(one, np.float32)) for one in fitted))


def differences(ours: Ridge, theirs: Ridge) -> dict[str, float]:
    """Share of voxels with another penalty; largest difference of weights of the others, relative to the largest."""
    voxels = len(theirs.alpha)
    same = (ours.alpha[:voxels].cpu() / theirs.alpha - 1).abs() < 1e-3
    weight = ours.weight[:, :voxels].cpu()[:, same]
    off = (
        (weight - theirs.weight[:, same]).abs().max() / weight.abs().max() if same.any() else torch.tensor(0)
    )
    return {"other_penalty": float((~same).float().mean()), "largest_difference": float(off)}


def extrapolated(
    parts: tuple[int, int], seconds: list[float], voxels: int, ours_s: float
) -> dict[str, float]:
    """Time for all voxels, of a constant and a time per voxel, and how many times ours that is."""
    per_voxel = (seconds[1] - seconds[0]) / (parts[1] - parts[0])
    constant = seconds[0] - per_voxel * parts[0]
    all_s = constant + per_voxel * voxels
    return {"constant_s": constant, "s_per_1000": 1000 * per_voxel, "all_s": all_s, "ratio": all_s / ours_s}


def timed(run: Callable[[], Ridge]) -> tuple[Ridge, float]:
    """The result and the seconds it took."""
    start = time.perf_counter()
    return run(), time.perf_counter() - start


def _title(voxels: int, pictures: int, features: int) -> str:
    return (
        f"ridge, {voxels:,} voxels x {pictures:,} pictures x {features:,} features, {len(ALPHAS)} penalties"
    )
