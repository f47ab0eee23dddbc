"""Pixel-level targets as rows of a report: the masks that a promptable segmenter makes of each row's heat maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics.functional import dice, iou, point_in_mask
from gazekit.metrics.item_metric import ItemMetric
from gazekit.models.gaze_following.segmenters import segmenter_of, soft_peak_norm

__all__ = ["TargetMasks"]

COLUMNS = "target_dice", "target_iou", "point_in_mask"
CEILING = "true point"


class TargetMasks:
    """Masks of what people look at, scored by Dice and IoU, and whether the prompt's point lies on the object.

    Each row that predicts heat maps brings two: "ROW + SEGMENTER" is prompted by the heat map and its soft argmax,
    "ROW point + SEGMENTER" by the centre of the highest cell alone, the baseline of a point and a frozen segmenter.
    "true point + SEGMENTER" is the ceiling. People whose target is out of frame, or has no visible mask, are
    undefined and counted. A map without a highest place gives an empty mask, which scores 0.

    Args:
        segmenter: "grabcut", or "sam2", which needs `weights`.
        weights: folder of SAM 2's weights; see `Sam2Segmenter`.
        most: people with a target who are scored, in pictures that are drawn at random with the report's seed; None
            = all of them.
    Raises:
        ValueError: another segmenter, weights missing or not needed, `most` below 1.
    """

    def __init__(
        self, segmenter: str = "grabcut", weights: str | None = None, most: int | None = 200
    ) -> None:
        if most is not None and most < 1:
            raise ValueError(f"most must be at least 1, or null for all, got {most}")
        self.name, self.segmenter, self.most = segmenter, segmenter_of(segmenter, weights), most

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Data,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of masks (`gazekit.base.scores.Comparison`).

        Raises:
            ValueError: batches without `true_mask`.
        """
        pictures, people = self._chosen(data, settings.seed)
        result = Scores({}, higher_is_better=dict.fromkeys(COLUMNS, True))
        ways = {"": "the heat map and its soft argmax", " point": "the centre of the highest cell alone"}
        for name, row in rows.items():
            metrics = {way: _Masks() for way in ways}
            for batch, said, share in _said(row, data, pictures, settings):
                progress(name, share)
                if "heatmap" not in said:
                    text = f"not measured: {name} gives no heatmap"
                    result.reasons |= {(name, column): text for column in COLUMNS}
                    break
                maps = said["heatmap"].float().numpy()
                soft = np.array([soft_peak_norm(one) for one in maps]).reshape(-1, 2)
                self._add(metrics[""], batch, soft, maps)
                self._add(metrics[" point"], batch, _highest(maps), None)
            else:
                for way, metric in metrics.items():
                    about = f"{self.name} prompted by {ways[way]}, of {name}."
                    self._enter(result, f"{name}{way} + {self.name}", metric, about, settings)
        ceiling = _Masks()
        for batch, share in _batches(data, pictures, None):
            progress(CEILING, share)
            self._add(ceiling, batch, batch["point_norm"].numpy(), None)
        about = f"{self.name} prompted by the true point: the ceiling of the masks."
        self._enter(result, f"{CEILING} + {self.name}", ceiling, about, settings)
        total = len(data.parts[data.split])
        result.notes.append(
            f"masks of targets: {people} people in {len(pictures)} of {total} pictures, prompts of a frozen "
            f"{self.name}; in place of GazeSeg's trained decoder, which is not public"
        )
        return result

    def _chosen(self, data: Data, seed: int) -> tuple[list[int], int]:
        """Pictures in order, and how many people with a target they show."""
        index, people, chosen = data.parts[data.split], 0, []
        order = index if self.most is None else np.random.default_rng(seed).permutation(index)
        for start in range(0, len(order), data.batch_size):
            some = order[start : start + data.batch_size].tolist()
            batch = data.batch(some)
            if "true_mask" not in batch:
                raise ValueError(
                    "masks of targets need batches with true_mask, which generated pictures have (synthetic_gaze); "
                    "leave this score out for other data"
                )
            seen = np.bincount(batch["picture"], batch["true_mask"].flatten(1).any(1), len(some)).astype(int)
            for item, count in zip(some, seen.tolist(), strict=True):
                if self.most is not None and people >= self.most:
                    return sorted(chosen), people
                chosen, people = [*chosen, item], people + count
        return sorted(chosen), people

    def _add(
        self, metric: _Masks, batch: Mapping[str, Any], points_norm: np.ndarray, maps: np.ndarray | None
    ) -> None:
        true = batch["true_mask"]
        found = torch.zeros_like(true)
        seen = true.flatten(1).any(1).numpy()
        size = np.array(true.shape[:0:-1])
        heads = batch["head_norm"].numpy() * np.tile(size, 2)
        picture = batch["picture"].numpy()
        for k in np.unique(picture[seen]):
            who = (picture == k) & seen
            image = np.ascontiguousarray(batch["image"][k].permute(1, 2, 0).numpy())
            prompts = points_norm[who] * size, None if maps is None else maps[who]
            found[torch.from_numpy(who)] = torch.from_numpy(
                self.segmenter.masks(image, *prompts, heads_px=heads[picture == k])
            )
        metric.update(found, true, torch.as_tensor(points_norm), batch["group"])

    def _enter(self, result: Scores, row: str, metric: _Masks, about: str, settings: Settings) -> None:
        result.table[row] = metric.interval(settings.resamples, seed=settings.seed)
        result.about[row] = about
        for column, score in result.table[row].items():
            if score.undefined:
                result.reasons[row, column] = "a target out of frame or without a visible mask" + (
                    ", or a heat map without a highest place" if column == "point_in_mask" else ""
                )


class _Masks(ItemMetric):
    """Dice, IoU and point in mask of people; NaN where the true mask is empty."""

    parts = COLUMNS

    def update(self, predicted: Tensor, true: Tensor, predicted_norm: Tensor, group: Tensor) -> None:
        seen = true.flatten(1).any(1)
        overlap = [
            torch.where(seen, value, torch.nan) for value in (dice(predicted, true), iou(predicted, true))
        ]
        self.add(torch.stack([*overlap, point_in_mask(predicted_norm, true)], 1), group)


def _batches(
    data: Data, pictures: list[int], facts: Mapping[str, Any] | None
) -> Iterator[tuple[Mapping[str, Any], float]]:
    """Batches of some pictures as a model with these facts reads them, and which share of them is read."""
    for start in range(0, len(pictures), data.batch_size):
        some = pictures[start : start + data.batch_size]
        batch = data.batch(some) if facts is None else data.batch_for(some, facts)
        yield batch, (start + len(some)) / len(pictures)


def _said(
    row: Predictor, data: Data, pictures: list[int], settings: Settings
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], float]]:
    """Each batch and what a row predicts for it on its own device, both on the CPU."""
    generator = torch.Generator().manual_seed(settings.seed)
    device = next((tensor.device for tensor in (*row.parameters(), *row.buffers())), torch.device("cpu"))
    row.eval()
    for batch, share in _batches(data, pictures, row.facts):
        with torch.no_grad():
            said = row.predict(move_data_to_device(batch, device), generator, settings.samples)
        yield batch, move_data_to_device(said, "cpu"), share


def _highest(maps: np.ndarray) -> np.ndarray:
    """[P, 2] centres of the highest cells, as fractions; NaN for constant maps and maps with a NaN."""
    if not len(maps):
        return np.zeros((0, 2))
    flat = maps.reshape(len(maps), -1)
    row, column = np.unravel_index(flat.argmax(1), maps.shape[1:])
    centre = (np.stack([column, row], 1) + 0.5) / np.array(maps.shape[:0:-1])
    varied = np.isfinite(flat).all(1) & (flat.min(1) < flat.max(1))
    return np.where(varied[:, None], centre, np.nan)
