"""Rows that make all their choices within the training pictures: layers, penalties, when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from gazekit.base import Data, Predictor, System
from gazekit.models.brain_encoding.fitting import fit_readout, masked_r, predict_in_batches, seeded
from gazekit.models.brain_encoding.folds import inner_folds
from gazekit.models.brain_encoding.rows import READOUTS

__all__ = ["NestedEncoder", "NestedReadout", "NestedRidge", "layer_scores"]

ALPHAS = (1, 7, 13)  # powers of ten, and how many
LAYER_FOLDS = 3
_SCORES: WeakKeyDictionary[Data, dict[Any, Tensor]] = WeakKeyDictionary()


class _NestedRow(Predictor):
    """Maps of layers, averaged to `grid` x `grid` cells, of training and validation pictures together."""

    def __init__(self, facts: Mapping[str, Any], layers: Sequence[str] | None, grid: int) -> None:
        super().__init__(facts)
        self.layers, self.grid = list(layers or facts["layers"]), grid
        self.chosen: Any = None

    def fit(self, data: Data) -> None:
        """Learn from the parts train and val. With `data.split=all` nothing is done: `FoldComparison` fits copies."""
        if data.split != "all":
            maps, response = _training(data, self.layers, self.grid)
            self.learn(data, maps, response)

    def learn(self, data: Data, maps: dict[str, Tensor], response: Tensor) -> None:
        """From maps of layers [n, C, g, g] and responses [n, V]."""
        raise NotImplementedError


class NestedRidge(_NestedRow):
    """Ridge regression on the tokens of one layer; each voxel's layer and penalty by cross-validation of training pictures.

    Args:
        facts: of `BrainData`.
        layers: that are tried; None = all.
        grid: cells a side to which maps are averaged.
    """

    def __init__(self, facts: Mapping[str, Any], layers: Sequence[str] | None = None, grid: int = 7) -> None:
        super().__init__(facts, layers, grid)
        voxels = facts["voxels"]
        for k, layer in enumerate(self.layers):
            features = facts["layers"][layer][0] * grid**2
            self.register_buffer(f"weight{k}", torch.zeros(features, voxels))
        self.register_buffer("intercept", torch.zeros(voxels))

    def learn(self, data: Data, maps: dict[str, Tensor], response: Tensor) -> None:
        from gazekit.brain import ridge_cv

        scores = layer_scores(data, self.layers, self.grid)  # [layers, V]
        best = scores.nan_to_num(-torch.inf).argmax(0)
        fold = inner_folds(len(response), LAYER_FOLDS)
        for k, layer in enumerate(self.layers):
            own = best == k
            weight = getattr(self, f"weight{k}").zero_()
            if own.any():
                x, scale, mean = _standardised(maps[layer])
                found = ridge_cv(x, response[:, own], torch.logspace(*ALPHAS[:2], ALPHAS[2]), fold, score="r")
                weight[:, own] = found.weight / scale[:, None]
                self.intercept[own] = found.intercept - (mean / scale) @ found.weight
        self.chosen = {layer: int((best == k).sum()) for k, layer in enumerate(self.layers)}

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        total = self.intercept
        for k, layer in enumerate(self.layers):
            total = total + _pooled(batch["features"][layer], self.grid).flatten(1) @ getattr(
                self, f"weight{k}"
            )
        return {"prediction": total}


class NestedReadout(_NestedRow):
    """The mean of read-outs, each trained on the training pictures but those of one inner fold, by which it is stopped.

    Layers are ranked by ridge regression within the training pictures (`layer_scores`), and the channels of the
    `best_layers` first ones are put behind one another: one recipe for all backbones.

    Args:
        facts: of `BrainData`.
        readout: one of `READOUTS`.
        layers: that are ranked; None = all.
        best_layers: number of layers that are read.
        grid: cells a side to which maps are averaged.
        settings: of the read-out.
        members: inner folds, of which each stops a member.
        steps, lr, weight_decay, batch_size, patience: see `fit_readout`.
        seed: of starts and batches.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        readout: str = "attention",
        layers: Sequence[str] | None = None,
        best_layers: int = 3,
        grid: int = 7,
        settings: Mapping[str, Any] | None = None,
        members: int = 5,
        steps: int = 240,
        lr: float = 4e-3,
        weight_decay: float = 0.01,
        batch_size: int = 96,
        seed: int = 0,
    ) -> None:
        super().__init__(facts, layers, grid)
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {readout!r}")
        if members < 2 or not 1 <= best_layers <= len(self.layers):
            raise ValueError(
                f"members must be at least 2 and best_layers from 1 to {len(self.layers)}, got {members} and {best_layers}"
            )
        self.readout, self.best_layers, self.settings, self.seed = (
            readout,
            best_layers,
            dict(settings or {}),
            seed,
        )
        self.schedule = {"steps": steps, "lr": lr, "weight_decay": weight_decay, "batch_size": batch_size}
        self.number = members
        self.members = nn.ModuleList()

    def learn(self, data: Data, maps: dict[str, Tensor], response: Tensor) -> None:
        ranked = layer_scores(data, self.layers, self.grid).nanmean(1).argsort(descending=True)
        used = sorted(ranked[: self.best_layers].tolist())
        self.used = [self.layers[k] for k in used]
        x = self._together(maps)
        fold, generator = inner_folds(len(x), self.number), torch.Generator().manual_seed(self.seed)
        self.members = nn.ModuleList()
        held_out = torch.full_like(response, torch.nan)
        for k in range(self.number):
            with seeded(generator):
                member = READOUTS[self.readout](tuple(x.shape[1:]), response.shape[1], **self.settings)
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
            self.members.append(member)
        r = float(masked_r(held_out, response).nanmean())
        self.chosen = {"layers": self.used, "inner r": round(r, 4)}

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        x = self._together({layer: _pooled(batch["features"][layer], self.grid) for layer in self.used})
        return {"prediction": torch.stack([member(x) for member in self.members]).mean(0)}

    def _together(self, maps: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([maps[layer] for layer in self.used], 1)


class NestedEncoder(NestedReadout, System):
    """The mean of read-outs that were stopped by inner folds, as the system of an experiment.

    Arguments are those of `NestedReadout`, which says more; `fit` trains it, there is nothing else to train.
    """

    def loss(self, batch: Any) -> dict[str, Tensor]:
        raise ValueError("a nested read-out learns by fit alone: use `gazekit evaluate` (or trainer=none)")


def layer_scores(data: Data, layers: Sequence[str], grid: int) -> Tensor:
    """[layers, V] cross-validated correlation of ridge regression on each layer, within training and validation pictures.

    Kept as long as the data, because all rows ask.
    """
    from gazekit.brain import ridge_cv

    known = _SCORES.setdefault(data, {})
    for layer in layers:
        if (layer, grid) not in known:
            maps, response = _training(data, [layer], grid)
            fold = inner_folds(len(response), LAYER_FOLDS)
            x, _, _ = _standardised(maps[layer])
            found = ridge_cv(x, response, torch.logspace(*ALPHAS[:2], ALPHAS[2]), fold, score="r")
            known[layer, grid] = found.score
    return torch.stack([known[layer, grid] for layer in layers])


def _training(data: Data, layers: Sequence[str], grid: int) -> tuple[dict[str, Tensor], Tensor]:
    """Maps of layers [n, C, g, g] and responses [n, V] of the parts train and val."""
    parts = [data.arrays(part) for part in ("train", "val")]
    maps = {layer: torch.cat([_pooled(part.features[layer], grid) for part in parts]) for layer in layers}
    return maps, torch.cat([part.response for part in parts])


def _pooled(maps: Tensor, grid: int) -> Tensor:
    return maps if maps.shape[-2:] == (grid, grid) else adaptive_avg_pool2d(maps, grid)


def _standardised(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features [n, C g g], each channel of deviation 1 over all places, and the scale and mean [C g g] behind it."""
    deviation, mean = torch.std_mean(maps, (0, 2, 3), correction=0)
    deviation = torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), deviation, 1)
    cells = maps[0, 0].numel()
    scale, mean = deviation.repeat_interleave(cells), mean.repeat_interleave(cells)
    return (maps.flatten(1) - mean) / scale, scale, mean
