"""Published scores of all networks in all regions, with tests between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.brain.intervals import over_subjects
from gazekit.datasets.gpn_nsd_rsa import VENTRAL
from gazekit.metrics import Score
from gazekit.metrics.functional import benjamini_hochberg, holm, signed_rank_test
from gazekit.models.glimpse_representation.published import PublishedNetwork, effects, gains

__all__ = ["PublishedComparison"]

_MEAN_ONLY = "its subjects' values were not released: published mean, without an interval"


class PublishedComparison:
    """R2 of networks with regions of the brain, mean over subjects with Student's intervals.

    Columns: `r2.REGION`, and `gain.REGION`, the difference from the system's network, paired by subject. The details
    hold for each row and region W, the exact two-sided p of Wilcoxon's test of the gain, and p corrected over all rows
    of the region (Holm) and over the regions of the row (false discovery rate). Rows of the glimpse prediction networks
    have published means only; the notes say what follows from these.
    """

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """See `gazekit.base.scores.Comparison`; `data` are `GpnNsdRsa`.

        Raises:
            ValueError: no row is a `PublishedNetwork`.
        """
        against = next((row for row in rows.values() if isinstance(row, PublishedNetwork)), None)
        if against is None:
            raise ValueError("one row must be a PublishedNetwork, which all others are compared with")
        index = data.parts[data.split].tolist()
        batch = data.batch(index)
        generator = torch.Generator().manual_seed(settings.seed)
        r2 = {name: row.predict(batch, generator)["r2"] for name, row in rows.items()}
        base = against.predict(batch, generator)["r2"]
        regions = data.facts()["regions"]
        result = Scores({})
        for name, values in r2.items():
            result.table[name] = _columns("r2", regions, values) | _columns("gain", regions, values - base)
        self._add_published(data, result)
        result.higher_is_better = {column: True for row in result.table.values() for column in row}
        result.details["tests"] = _tests(r2, base, regions)
        result.notes = [
            *_notes(data),
            f"gains are over {against.network}; intervals: Student's t over {len(index)} subjects",
        ]
        return result

    def _add_published(self, data: Any, result: Scores) -> None:
        for backbone, variants in VENTRAL.items():
            kind, _, of = (
                f"GPN {backbone}".rpartition(" ") if "GSN" not in backbone else backbone.rpartition(" ")
            )
            for variant, mean in variants.items():
                self._add_mean(f"{kind}-{variant}-{of}", "ventral", mean, result)
        for region, gain in gains(data.table).items():
            self._add_mean("GPN-R-SimCLR", region, gain.gpn_r2, result)
            self._add_mean("sGSN-R-SimCLR", region, gain.semantic_r2, result)

    def _add_mean(self, row: str, region: str, mean: float, result: Scores) -> None:
        score = Score(mean, math.nan, math.nan, 8, 0)
        result.table.setdefault(row, {})[f"r2.{region}"] = score
        result.reasons[row, f"r2.{region}"] = _MEAN_ONLY
        result.about[row] = (
            "Published means of a glimpse prediction network (GPN) or of one trained on scenes (GSN)."
        )


def _columns(kind: str, regions: list[str], values: Tensor) -> dict[str, Score]:
    return {f"{kind}.{region}": over_subjects(values[:, k]) for k, region in enumerate(regions)}


def _tests(r2: Mapping[str, Tensor], base: Tensor, regions: list[str]) -> dict[str, Any]:
    """Row to region to statistics; rows that are the compared network itself are left out."""
    names = [name for name, values in r2.items() if not torch.equal(values, base)]
    if not names:
        return {}
    gain = torch.stack([r2[name] - base for name in names]).movedim(1, 2)  # [rows, regions, subjects]
    found = signed_rank_test(gain)
    by_row, by_region = holm(found.p.T).T, benjamini_hochberg(found.p)
    return {
        name: {
            region: {
                "w": float(found.statistic[i, k]),
                "p": float(found.p[i, k]),
                "p_holm_over_rows": float(by_row[i, k]),
                "p_fdr_over_regions": float(by_region[i, k]),
            }
            for k, region in enumerate(regions)
        }
        for i, name in enumerate(names)
    }


def _notes(data: Any) -> list[str]:
    said = [
        f"{region}: best other network {g.alternative} {g.alternative_r2:.4f}, GPN-R-SimCLR {g.gpn_r2:.4f} "
        f"({g.gpn_r2 - g.alternative_r2:+.4f}, p {g.p:.4f}{'' if math.isnan(g.p_fdr) else f', FDR {g.p_fdr:.3f}'}), "
        f"sGSN-R {g.semantic_r2:.4f}"
        for region, g in gains(data.table).items()
    ]
    effect = effects()
    return [
        *said,
        f"mean effect in the ventral stream: memory {effect['memory']:+.4f}, saccades {effect['saccades']:+.4f}",
        "p of GPN-R-SimCLR are those of the printed W (n = 8); unique variance needs the dissimilarities themselves, "
        "which were not released with this table",
    ]
