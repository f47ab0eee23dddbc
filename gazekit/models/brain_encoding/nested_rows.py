"""Rows that make all their choices within the training pictures: layers, penalties, when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from gazekit.base import Data, Predictor, System
from gazekit.models.brain_encoding.fitting import fit_readout, masked_r, predict_in_batches, seeded
from gazekit.models.brain_encoding.folds import inner_folds
from gazekit.models.brain_encoding.rows import READOUTS

__all__ = ["NestedEncoder", "NestedReadout", "NestedRidge"]


class _NestedRow(Predictor):
    """Maps of layers, averaged to `grid` x `grid` cells, of training and validation pictures together.

    Attributes:
        chosen: plain values that say what was chosen in the fit.
    """

    def __init__(self, facts: Mapping[str, Any], layers: Sequence[str] | None, grid: int) -> None:
        super().__init__(facts)
        self.layers, self.grid = list(layers or facts["layers"]), grid
        self.channels = [facts["layers"][layer][0] for layer in self.layers]
        self.chosen: dict[str, Any] = {}
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, data: Data) -> None:
        """Learn from the parts train and val. With `data.split=all` nothing is done: `FoldComparison` fits copies."""
        if data.split != "all":
            parts = [data.arrays(part) for part in ("train", "val")]
            maps = [
                torch.cat(both) for both in zip(*(self.maps(part.features) for part in parts), strict=True)
            ]
            self.learn(maps, torch.cat([part.response for part in parts]))
            self.fitted.fill_(True)

    def learn(self, maps: list[Tensor], response: Tensor) -> None:
        """From maps [n, C, g, g] of each layer and responses [n, V]."""
        raise NotImplementedError

    def respond(self, maps: list[Tensor]) -> Tensor:
        """[B, V] of maps [B, C, g, g] of each layer."""
        raise NotImplementedError

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        """`prediction` [B, V].

        Raises:
            ValueError: it has not been fitted, as after a report on all pictures, which fits copies.
        """
        if not self.fitted:
            raise ValueError(
                f"{type(self).__name__} has learned nothing: data.split=all fits copies; use data.split=test"
            )
        return {"prediction": self.respond(self.maps(batch["features"]))}

    def maps(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """[n, C, g, g] of each layer."""
        return [adaptive_avg_pool2d(features[layer], self.grid) for layer in self.layers]


class NestedRidge(_NestedRow):
    """Ridge regression on the tokens of one layer; layer and penalty of each voxel by inner cross-validation.

    Args:
        facts: of `BrainData`.
        layers: that are tried; None = all.
        grid: cells a side to which maps are averaged.
        inner: folds of the training pictures.
        alphas: penalties that are tried: from and to which power of ten, and how many.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        grid: int = 7,
        inner: int = 3,
        alphas: Sequence[float] = (1, 7, 13),
    ) -> None:
        super().__init__(facts, layers, grid)
        self.inner, self.alphas = inner, torch.logspace(*alphas[:2], int(alphas[2]))
        voxels = facts["voxels"]
        self.register_buffer("intercept", torch.zeros(voxels))
        for k, channels in enumerate(self.channels):
            self.register_buffer(f"weight{k}", torch.zeros(channels * grid**2, voxels))

    def learn(self, maps: list[Tensor], response: Tensor) -> None:
        from gazekit.brain import ridge_cv

        fold, best = inner_folds(len(response), self.inner), response.new_full(response.shape[1:], -torch.inf)
        layer = torch.full((len(best),), -1)
        self.intercept.copy_(response.nanmean(0))  # all that is said of voxels without a defined r
        for k, x in enumerate(maps):
            self._weight(k).zero_()
            x, mean, scale = _standardised(x)
            found = ridge_cv(x, response, self.alphas, fold, score="r")
            better = found.score > best
            best, layer[better] = torch.where(better, found.score, best), k
            for other in range(k):
                self._weight(other)[:, better] = 0
            self._weight(k)[:, better] = (found.weight / scale[:, None])[:, better]
            self.intercept[better] = (found.intercept - (mean / scale) @ found.weight)[better]
        counts = {name: int((layer == k).sum()) for k, name in enumerate(self.layers)}
        self.chosen = {
            "voxels of layers": counts,
            "voxels without r": int((layer < 0).sum()),
            "inner r": round(float(best[layer >= 0].mean()), 4),
        }

    def respond(self, maps: list[Tensor]) -> Tensor:
        drives = [x.flatten(1) @ self._weight(k) for k, x in enumerate(maps)]
        return torch.stack(drives).sum(0) + self.intercept

    def _weight(self, k: int) -> Tensor:
        return getattr(self, f"weight{k}")


class NestedReadout(_NestedRow):
    """The mean of read-outs, each trained on the training pictures but those of one inner fold, by which it is stopped.

    The channels of all layers are put behind one another, so that weights choose among layers: one recipe for all
    backbones.

    Args:
        facts: of `BrainData`.
        readout: one of `READOUTS`.
        layers: None = all.
        grid: cells a side to which maps are averaged.
        settings: of the read-out.
        members: inner folds, of which each stops a member.
        steps, lr, weight_decay, batch_size, average: see `fit_readout`.
        seed: of starts and batches.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        readout: str = "attention",
        layers: Sequence[str] | None = None,
        grid: int = 7,
        settings: Mapping[str, Any] | None = None,
        members: int = 4,
        steps: int = 160,
        lr: float = 4e-3,
        weight_decay: float = 0.01,
        batch_size: int = 48,
        average: float = 0.97,
        seed: int = 0,
    ) -> None:
        super().__init__(facts, layers, grid)
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {readout!r}")
        if members < 2:
            raise ValueError(
                f"members must be at least 2, because each is stopped by one fold, got {members}"
            )
        self.schedule = {
            "steps": steps,
            "lr": lr,
            "weight_decay": weight_decay,
            "batch_size": batch_size,
            "average": average,
        }
        self.seed = seed
        shape = (sum(self.channels), grid, grid)
        with seeded(torch.Generator().manual_seed(seed)):
            self.members = nn.ModuleList(
                READOUTS[readout](shape, facts["voxels"], **(settings or {})) for _ in range(members)
            )
        self.requires_grad_(False)

    def learn(self, maps: list[Tensor], response: Tensor) -> None:
        x = torch.cat(maps, 1)
        fold, generator = inner_folds(len(x), len(self.members)), torch.Generator().manual_seed(self.seed)
        held_out = torch.full_like(response, torch.nan)
        self.requires_grad_(True)
        for k, member in enumerate(self.members):
            train, val = fold != k, fold == k
            fit_readout(
                member,
                x[train],
                response[train],
                (x[val], response[val]),
                generator=generator,
                **self.schedule,
            )
            held_out[val] = predict_in_batches(member, x[val])
        self.requires_grad_(False)
        self.chosen = {"inner r": round(float(masked_r(held_out, response).nanmean()), 4)}

    def respond(self, maps: list[Tensor]) -> Tensor:
        x = torch.cat(maps, 1)
        return torch.stack([member(x) for member in self.members]).mean(0)


class NestedEncoder(NestedReadout, System):
    """The mean of read-outs that were stopped by inner folds, as the system of an experiment.

    Arguments are those of `NestedReadout`, which says more; `fit` trains it, and there is nothing else to train.
    """

    def loss(self, batch: Any) -> dict[str, Tensor]:
        raise ValueError("a nested read-out learns by fit alone: use `gazekit evaluate` (or trainer=none)")


def _standardised(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features [n, C g g], each channel of deviation 1 over all places; the mean and the scale [C g g] behind it."""
    deviation, mean = torch.std_mean(maps, (0, 2, 3), correction=0)
    deviation = torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), deviation, 1)
    mean, scale = (x.repeat_interleave(maps[0, 0].numel()) for x in (mean, deviation))
    return (maps.flatten(1) - mean) / scale, mean, scale
