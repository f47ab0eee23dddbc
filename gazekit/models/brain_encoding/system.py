"""Transformer encoders of brain responses as a system: one or an ensemble of layers and runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gazekit.base import Data, System
from gazekit.models.brain_encoding.ensemble import Correlations, member_weights
from gazekit.models.brain_encoding.gaze import GAZE, maps_of
from gazekit.models.brain_encoding.transformer import TransformerEncoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BrainEncoding"]


class BrainEncoding(System):
    """Transformer encoder: regions of the brain attend to the tokens of a picture by their content.

    One encoder for each layer of features and each run, trained side by side; their predictions are averaged with
    weights of their validation correlations, voxel by voxel (see `member_weights`). The loss is the sum over subjects
    and hemispheres of the mean squared error of standardised responses; missing responses are left out.

    Args:
        facts: of `BrainData`.
        layers: of the features; None = all.
        runs: encoders of each layer, from first weights of their own.
        sharpness: of the weights over layers.
        init_seed: of the first weights.
        gaze: how features are changed by where people looked, see `gazed`; null = not at all.
        queries, width, heads, feedforward, dropout: see `TransformerEncoder`.

    Attributes:
        validation_r: [M, V] correlations of the members at the last validation; NaN before.
    """

    validation_r: Tensor

    def __init__(
        self,
        facts: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        runs: int = 1,
        sharpness: float = 40.0,
        init_seed: int = 0,
        gaze: str | None = None,
        queries: str = "regions",
        width: int | None = None,
        heads: int = 8,
        feedforward: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(facts)
        self.layers = list(layers or facts["layers"])
        unknown = [layer for layer in self.layers if layer not in facts["layers"]]
        if unknown or runs < 1:
            raise ValueError(
                f"model.layers must be some of {', '.join(facts['layers'])} and model.runs at least 1, got "
                f"{', '.join(self.layers)} and {runs}"
            )
        if gaze is not None and gaze not in GAZE:
            raise ValueError(f"model.gaze must be null or one of {', '.join(GAZE)}, got {gaze!r}")
        self.runs, self.sharpness, self.gaze = runs, sharpness, gaze
        sides = facts.get("hemisphere_of")
        members = []
        for number, layer in enumerate(layer for layer in self.layers for _ in range(runs)):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1000 * init_seed + number)
                members.append(
                    TransformerEncoder(
                        facts["layers"][layer],
                        facts["voxels"],
                        queries,
                        facts["regions"],
                        facts["subject_of"],
                        sides,
                        width,
                        heads,
                        feedforward,
                        dropout,
                    )
                )
        self.members = nn.ModuleList(members)
        self.register_buffer("validation_r", torch.full((len(members), facts["voxels"]), torch.nan))
        side = torch.as_tensor(sides or 0).expand(facts["voxels"])
        self.register_buffer("part", 2 * torch.as_tensor(facts["subject_of"]) + side, persistent=False)
        self._seen = Correlations()

    def fit(self, data: Data) -> None:
        """Means and deviations of features and responses in the training part."""
        arrays = data.arrays("train")
        for layer, member in self._each():
            member.standardise(self._maps(arrays._asdict(), layer), arrays.response)

    def _each(self) -> Iterator[tuple[str, TransformerEncoder]]:
        return zip((layer for layer in self.layers for _ in range(self.runs)), self.members, strict=True)

    def _maps(self, batch: Mapping[str, Any], layer: str) -> Tensor:
        return maps_of(batch, layer, self.gaze)

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Mean squared error of standardised responses, summed over subjects, hemispheres and members."""
        each = []
        for layer, member in self._each():
            response = member.standardised_response(batch["response"])
            there = response.isfinite()
            prediction = member.read(member.standardised(self._maps(batch, layer)))
            error = (prediction - response.nan_to_num(0.0)).square() * there
            parts = error.new_zeros(2, int(self.part.max()) + 1)
            parts = parts.index_add(1, self.part, torch.stack([error.sum(0), there.sum(0).to(error)]))
            each.append((parts[0] / parts[1].clamp(min=1)).sum())
        return {"loss": torch.stack(each).sum()}

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Each member by itself, as if it were trained alone."""
        for member in self.members if gradient_clip_val else ():
            nn.utils.clip_grad_norm_(member.parameters(), gradient_clip_val)

    def on_validation_epoch_start(self) -> None:
        self._seen = Correlations()

    def validate(self, batch: Mapping[str, Any]) -> None:
        first = self.members[0]
        every = torch.stack([m.read(m.standardised(self._maps(batch, layer))) for layer, m in self._each()])
        self._seen.add(every, first.standardised_response(batch["response"]))

    def on_validation_epoch_end(self) -> None:
        """Correlations of all members, over all processes: their weights, and what checkpoints are chosen by."""
        if self._seen.sums is None:
            return
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self._seen.sums)
        self.validation_r.copy_(self._seen.value())
        self.log("val/r", self.validation_r.nanmean())

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1, attention: bool = False
    ) -> dict[str, Any]:
        """`prediction` [B, V] of the ensemble, in the units of the responses. Nothing is random.

        Args:
            attention: also say where each query looks: `attention` [B, R, H, W] of the first layer's members, sum 1.
        """
        weights = member_weights(self.validation_r, self.runs, self.sharpness)
        said = {
            "prediction": sum(
                weight * member(self._maps(batch, layer))
                for weight, (layer, member) in zip(weights, self._each(), strict=True)
            )
        }
        if attention:
            maps = self._maps(batch, self.layers[0])
            looked = [member.attention(maps) for member in self.members[: self.runs]]
            said["attention"] = torch.stack(looked).mean(0).unflatten(-1, tuple(maps.shape[-2:]))
        return said

    def read(self, input: Path, weights: Path | None = None) -> Iterator[tuple[list[Any], Any]]:
        """Batches of a picture or a folder of pictures, seen by the backbone that the encoder was trained with.

        Args:
            weights: of that backbone; its checksum must be the one of the training.
        """
        from gazekit.models.brain_encoding.pictures import picture_batches

        if self.gaze is not None:
            raise ValueError(
                f"this encoder needs to know where people looked (model.gaze={self.gaze}); predict on data"
            )
        yield from picture_batches(Path(input), self.facts, weights)

    def records(self, items: list[Any], said: Mapping[str, Any]) -> dict[str, Any]:
        """Regions, responses and, if asked for, attention; see `encoding_records`."""
        from gazekit.models.brain_encoding.records import encoding_records

        return encoding_records(items, said, self.facts, self.members[0].names)

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Correlation of each region by row, and where regions look in pictures of the data."""
        from gazekit.models.brain_encoding.figures import encoding_figures

        return encoding_figures(self, self.members[0].names, data, table)

    def notes(self) -> list[str]:
        members = f"{len(self.layers)} layer(s) x {self.runs} run(s)"
        return [f"transformer encoder: {len(self.members[0].names)} queries, {members}"]
