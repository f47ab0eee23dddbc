"""Average precision of boxes, with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from gazekit.metrics.bootstrap import _draws, _percentiles
from gazekit.metrics.functional.arguments import ArrayLike, integers
from gazekit.metrics.functional.resampled_ap import resampled_ap
from gazekit.metrics.regions import DetectionAP
from gazekit.metrics.score import Score

__all__ = ["BoxAP"]

_THRESHOLDS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}


class BoxAP(DetectionAP):
    """`DetectionAP` whose images belong to groups (clips of a video), which an interval draws."""

    def __init__(self) -> None:
        super().__init__()
        self._columns = {**self._columns, "groups": 2}
        self.add_state("groups", [], dist_reduce_fx="cat")

    def update(
        self,
        image: ArrayLike,
        predictions: Sequence[Mapping[str, ArrayLike]],
        truth: Sequence[Mapping[str, ArrayLike]],
        group: ArrayLike | None = None,
    ) -> None:
        """As `DetectionAP.update`; group [B] integer ids, by default each image is one of its own."""
        super().update(image, predictions, truth)
        image = integers("image", image, "integer ids")
        group = image if group is None else integers("group", group, "integer ids")
        if group.shape != image.shape:
            raise ValueError(
                f"group must hold an id for each image, got {list(group.shape)} for {list(image.shape)}"
            )
        self.add_rows("groups", torch.stack([image, group], 1).double())

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> dict[str, Score]:
        """AP, AP50 and AP75 with percentile bootstrap intervals; whole groups are drawn. NaN below two groups."""
        with self.sync_context():
            detections, truth, groups = self.rows("detections"), self.rows("truth"), self.rows("groups")
        names, group = groups[:, 1].unique(return_inverse=True)
        once = torch.ones(1, len(groups), dtype=torch.float64)
        value = resampled_ap(detections, truth, groups[:, 0], once)[0]
        samples = [
            resampled_ap(detections, truth, groups[:, 0], draws[:, group])
            for draws in _draws(len(names), n_resamples, seed)
        ]
        scores = {}
        for name, thresholds in _THRESHOLDS.items():
            low, high = _percentiles(torch.cat(samples)[:, thresholds].mean(1, keepdim=True), (1 - level) / 2)
            known = len(names) > 1
            bounds = (float(low[0]), float(high[0])) if known else (torch.nan, torch.nan)
            mean = float(value[thresholds].mean())
            undefined = len(groups) if mean != mean else 0
            scores[name] = Score(mean, *bounds, len(groups) - undefined, undefined)
        return scores
