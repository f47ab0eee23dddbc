"""Rows beside an encoder: ridge, banded ridge, and the published read-outs, all on the same frozen features."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gazekit.base import Data, Predictor
from gazekit.brain import banded_ridge_cv, group_folds, ridge_cv
from gazekit.models.brain_encoding.fitting import fit_readout, seeded
from gazekit.models.brain_encoding.gaze import maps_of
from gazekit.models.brain_encoding.readouts import FactorisedReadout, LinearReadout, Readout
from gazekit.models.brain_encoding.readouts_attention import AttentionReadout
from gazekit.models.brain_encoding.readouts_points import GaussianReadout, SpatialTransformerReadout
from gazekit.models.brain_encoding.transformer import TransformerEncoder

__all__ = ["READOUTS", "BandedRidgeRow", "ReadoutRow", "RidgeRow"]

READOUTS: dict[str, type[Readout]] = {
    "linear": LinearReadout,
    "factorised": FactorisedReadout,
    "gaussian": GaussianReadout,
    "spatial_transformer": SpatialTransformerReadout,
    "attention": AttentionReadout,
    "transformer": TransformerEncoder,
}


class _FeatureRow(Predictor):
    """What rows in closed form share: bands of features, standardised by training data, and weights of all voxels.

    Args:
        facts: of `BrainData`.
        layers: of the features; None = all.
        grid: cells a side to which maps are averaged; 1 is the mean over the picture, None flattens them as they are.
        gaze: see `gazed`.
        alphas: penalties that are tried: from and to which power of ten, and how many.
        folds: of the training and validation pictures together.
    """

    also_mean = False
    """Whether the mean over the picture of each layer is a further band."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        grid: int | None = None,
        gaze: str | None = None,
        alphas: Sequence[float] = (0, 6, 13),
        folds: int = 5,
    ) -> None:
        super().__init__(facts)
        self.layers, self.grid, self.gaze = list(layers or facts["layers"]), grid, gaze
        self.alphas, self.folds = torch.logspace(alphas[0], alphas[1], int(alphas[2])), folds
        empty = {layer: torch.zeros(0, *facts["layers"][layer]) for layer in self.layers}
        self.sizes = [band.shape[1] for band in self._bands({"features": empty}, gaze=None)]
        total, voxels = sum(self.sizes), facts["voxels"]
        for name, buffer in (
            ("mean", torch.zeros(total)),
            ("scale", torch.ones(total)),
            ("weight", torch.zeros(total, voxels)),
            ("intercept", torch.zeros(voxels)),
        ):
            self.register_buffer(name, buffer)

    def fit(self, data: Data) -> None:
        parts = [data.arrays(part)._asdict() for part in ("train", "val")]
        bands = [
            torch.cat(both) for both in zip(*(self._bands(part, self.gaze) for part in parts), strict=True)
        ]
        x = torch.cat(bands, 1)
        deviation, mean = torch.std_mean(x, 0, correction=0)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), deviation, 1))
        y, group = (torch.cat([part[name] for part in parts]) for name in ("response", "group"))
        self.solve((x - self.mean) / self.scale, y, group)

    def solve(self, x: Tensor, y: Tensor, group: Tensor) -> None:
        """Set `weight` and `intercept` from features [n, F], responses [n, V] and pictures [n]."""
        raise NotImplementedError

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        x = torch.cat(self._bands(batch, self.gaze), 1)
        return {"prediction": (x - self.mean) / self.scale @ self.weight + self.intercept}

    def _bands(self, batch: Mapping[str, Any], gaze: str | None) -> list[Tensor]:
        """Features [B, F_k] of each layer, and their means where asked for."""
        found = []
        for layer in self.layers:
            maps = maps_of(batch, layer, gaze)
            sides = [min(self.grid or side, side) for side in maps.shape[2:]]
            found.append(adaptive_avg_pool2d(maps, sides).flatten(1))
            if self.also_mean:
                found.append(maps.mean((2, 3)))
        return found


class RidgeRow(_FeatureRow):
    """Ridge regression with a penalty of its own for each voxel, chosen by cross-validation on training pictures."""

    def solve(self, x: Tensor, y: Tensor, group: Tensor) -> None:
        found = ridge_cv(x, y, self.alphas, group_folds(group, self.folds))
        self.weight.copy_(found.weight)
        self.intercept.copy_(found.intercept)


class BandedRidgeRow(_FeatureRow):
    """Banded ridge regression: every layer, and its mean over the picture, has a penalty of its own for each voxel.

    Args:
        draws: divisions of the penalty among bands that are tried; the first one is equal, the others random.
        backend: "torch" or "himalaya".
        more: see `_FeatureRow`.
    """

    also_mean = True

    def __init__(
        self, facts: Mapping[str, Any], draws: int = 20, backend: str = "torch", **more: Any
    ) -> None:
        super().__init__(facts, **more)
        self.draws, self.backend = draws, backend

    def solve(self, x: Tensor, y: Tensor, group: Tensor) -> None:
        found = banded_ridge_cv(
            list(x.split(self.sizes, 1)),
            y,
            self.alphas,
            group_folds(group, self.folds),
            draws=self.draws,
            backend=self.backend,
        )
        self.weight.copy_(torch.cat(list(found.weights)))
        self.intercept.copy_(found.intercept)


class ReadoutRow(Predictor):
    """A published read-out, trained by gradient descent and stopped by validation pictures (by the last step without).

    Args:
        facts: of `BrainData`.
        readout: one of `READOUTS`.
        layer: of the features; None = the first one.
        settings: of the read-out.
        steps, lr, weight_decay, batch_size, patience: see `fit_readout`.
        seed: of its start and of its batches.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        readout: str = "factorised",
        layer: str | None = None,
        settings: Mapping[str, Any] | None = None,
        steps: int = 1000,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        patience: int = 8,
        gaze: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(facts)
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {readout!r}")
        self.layer, self.gaze, self.seed = layer or next(iter(facts["layers"])), gaze, seed
        self.schedule = {
            "steps": steps,
            "lr": lr,
            "weight_decay": weight_decay,
            "batch_size": batch_size,
            "patience": patience,
        }
        self.kind, self.settings = READOUTS[readout], dict(settings or {})
        self.readout = self._begun()

    def _begun(self) -> Readout:
        """The read-out before it has learned anything."""
        takes = inspect.signature(self.kind).parameters
        known = {
            name: self.facts.get(name) for name in ("regions", "subject_of", "hemisphere_of") if name in takes
        }
        shape = tuple(self.facts["layers"][self.layer])
        with seeded(torch.Generator().manual_seed(self.seed)):
            begun = self.kind(shape, self.facts["voxels"], **known, **self.settings)
        return begun.requires_grad_(False)

    def fit(self, data: Data) -> None:
        """From the start, whatever it has learned before: that may have been on pictures that are now tested."""
        train, val = (data.arrays(part)._asdict() for part in ("train", "val"))
        self.readout = self._begun().requires_grad_(True)
        fit_readout(
            self.readout,
            self._maps(train),
            train["response"],
            (self._maps(val), val["response"]) if len(val["group"]) else None,
            generator=torch.Generator().manual_seed(self.seed),
            **self.schedule,
        )
        self.readout.requires_grad_(False)

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        return {"prediction": self.readout(self._maps(batch))}

    def _maps(self, batch: Mapping[str, Any]) -> Tensor:
        return maps_of(batch, self.layer, self.gaze)
