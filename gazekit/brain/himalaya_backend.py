"""Banded ridge regression by himalaya (Dupre la Tour et al. 2022, BSD-3), an optional package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

from gazekit.brain.ridge_solver import RidgeScore

__all__ = ["search"]


def search(
    xs: Sequence[Tensor],
    y: Tensor,
    alphas: Tensor,
    gammas: Tensor,
    fold: Tensor,
    score: RidgeScore,
    target_chunk: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights [F, V], intercepts [V], deltas [K, V] and scores [V]; constant voxels as for `ridge_cv`.

    Args:
        target_chunk: himalaya's `n_targets_batch`; penalties are tried one at a time, to bound memory.
        xs, y, alphas, gammas, fold, score: as `banded_ridge_cv` checks them.
    Raises:
        ModuleNotFoundError: himalaya is not installed.
        ValueError: missing responses, or a division with a 0, by which himalaya would divide.
    """
    himalaya_ridge, scoring = _himalaya()
    if y.isnan().any():
        raise ValueError('y has missing responses (NaN), which himalaya does not take: use backend="torch"')
    if (gammas.to(y) == 0).any():
        raise ValueError('draws have divisions with a 0, which himalaya does not take: use backend="torch"')
    numbers = range(int(fold.max()) + 1)
    splits = [((fold != k).nonzero()[:, 0].cpu(), (fold == k).nonzero()[:, 0].cpu()) for k in numbers]
    with _torch_backend(y.device):
        deltas, weight, scores, intercept = himalaya_ridge.solve_group_ridge_random_search(
            [x.clone() for x in xs],
            y,
            n_iter=gammas,
            alphas=alphas.to(y),
            fit_intercept=True,
            score_func={"mse": scoring.l2_neg_loss, "r": scoring.correlation_score}[score],
            cv=[(train.numpy(), val.numpy()) for train, val in splits],
            return_weights=True,
            n_targets_batch=target_chunk,
            n_alphas_batch=1,
            progress_bar=False,
            warn=False,
        )
    constant = (y == y[0]).all(0)
    weight, intercept, scores = (one.to(y) for one in (weight, intercept, scores.amax(0)))
    weight[:, constant], intercept[constant] = 0, y[0, constant]
    deltas[:, constant], scores[constant] = torch.nan, torch.nan
    return weight, intercept, deltas, scores


def _himalaya() -> tuple[ModuleType, ModuleType]:
    try:
        from himalaya import ridge, scoring
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'backend="himalaya" needs a package that is not installed ({error.name}): '
            "pip install gazekit-attention[himalaya]"
        ) from error
    return ridge, scoring


@contextmanager
def _torch_backend(device: torch.device) -> Iterator[None]:
    """himalaya's back end is one switch of the process; it is as before afterwards."""
    from himalaya.backend import get_backend, set_backend

    before = get_backend()
    set_backend("torch" if device.type == "cpu" else f"torch_{device.type}")
    try:
        yield
    finally:
        set_backend(before)
