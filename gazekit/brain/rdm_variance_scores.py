"""How much of the dissimilarities in brains those of models explain: R2 with weights of at least 0, and ceilings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.brain.intervals import over_subjects
from gazekit.brain.rdm_variance import ceiling_r2, nonnegative_r2, partition_r2
from gazekit.brain.similarity import nested_choice, random_halves, upper_pairs
from gazekit.brain.similarity_scores import brain_rdms

__all__ = ["RDMVarianceScores"]

_CEILING = "noise ceiling, left-out subjects"


class RDMVarianceScores:
    """`nonnegative_r2` of rows with the regions of `brain_rdms`, as in arXiv 2511.12715, and with a fair layer search.

    Rows have `rdms(data)`, layer to matrix [n, n]. Columns: `r2.REGION` of the layer that is best on the mean over
    subjects, on the pictures and subjects that it is scored on, as in the source, which is optimistic;
    `r2_nested.REGION` of layers chosen on half of the pictures and on the other subjects, and scored on the other half
    and the subject left out. Means over subjects with Student's intervals; not divided by the ceiling, which is a row.
    The details hold what each two rows explain uniquely and together, at their best layers (`partition_r2`).

    Args:
        splits: of the pictures into halves.
    """

    def __init__(self, splits: int = 20) -> None:
        if splits < 1:
            raise ValueError(f"splits must be at least 1, got {splits}")
        self.splits = splits

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """See `gazekit.base.scores.Comparison`."""
        brains, result = brain_rdms(data), Scores({})
        halves = random_halves(
            next(iter(brains.values())).shape[1], self.splits, torch.Generator().manual_seed(settings.seed)
        )
        best: dict[str, dict[str, Tensor]] = {region: {} for region in brains}
        chosen: dict[str, dict[str, str]] = {}
        for k, (name, row) in enumerate(rows.items()):
            progress(name, k / len(rows))
            found = {layer: m for layer, m in row.rdms(data).items() if not upper_pairs(m).isnan().any()}
            result.table[name] = {}
            for region, matrices in brains.items():
                column = {"r2": f"r2.{region}", "nested": f"r2_nested.{region}"}
                if why := row.reasons.get(region) or ("" if found else "no layer has a matrix"):
                    result.reasons |= {(name, c): why for c in column.values()}
                    continue
                models = torch.stack(list(found.values()))
                r2 = nonnegative_r2(upper_pairs(models), upper_pairs(matrices))
                layer = int(r2.mean(1).argmax())
                best[region][name] = upper_pairs(models[layer])
                chosen.setdefault(name, {})[region] = list(found)[layer]
                result.table[name][column["r2"]] = over_subjects(r2[layer])
                result.table[name][column["nested"]] = over_subjects(_nested(models, matrices, halves))
        for region, matrices in brains.items():
            if len(matrices) > 1:
                ceiling = over_subjects(ceiling_r2(upper_pairs(matrices)))
                result.table.setdefault(_CEILING, {})[f"r2.{region}"] = ceiling
        result.about[_CEILING] = (
            "Each subject with the mean of the others: what a model as good as the group reaches."
        )
        result.higher_is_better = {column: True for row in result.table.values() for column in row}
        result.details |= {"layers": chosen, "unique": _partitions(best, brains)}
        result.notes = [
            f"r2_nested: {self.splits} splits of the pictures; r2: layers chosen on what they are scored on"
        ]
        return result


def _nested(models: Tensor, brain: Tensor, halves: Tensor) -> Tensor:
    """[S] mean over splits."""
    both = []
    for half in (halves, ~halves):
        parts = [nonnegative_r2(_within(models, h), _within(brain, h)) for h in half]
        both.append(torch.stack(parts))
    return nested_choice(both)[0].mean(0)


def _within(rdms: Tensor, half: Tensor) -> Tensor:
    return upper_pairs(rdms[:, half][:, :, half])


def _partitions(best: Mapping[str, Mapping[str, Tensor]], brains: Mapping[str, Tensor]) -> dict[str, Any]:
    """Region to row to other row: means over subjects."""
    found: dict[str, Any] = {}
    for region, rows in best.items():
        pairs = upper_pairs(brains[region])
        for a, first in rows.items():
            for b, second in rows.items():
                if a != b:
                    said = partition_r2(first, second, pairs)
                    values = {"unique": float(said.unique_first.mean()), "shared": float(said.shared.mean())}
                    found.setdefault(region, {}).setdefault(a, {})[b] = values
    return found
