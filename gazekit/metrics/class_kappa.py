"""Agreement of predicted classes with labels beyond chance, with an interval."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.bootstrap import _draws, _percentiles
from gazekit.metrics.functional.agreement import kappa_of
from gazekit.metrics.functional.arguments import ArrayLike, integers
from gazekit.metrics.rows_metric import RowsMetric
from gazekit.metrics.score import Score

__all__ = ["ClassKappa"]


class ClassKappa(RowsMetric):
    """Cohen's kappa (1960) of predicted classes and labels: the arguments of `Accuracy`, corrected for chance.

    An item without a label (below 0) is left out and counted in an interval's `undefined`.

    Example:
        >>> metric = ClassKappa()
        >>> metric.update([0, 0, 1, 1], [0, 0, 1, 0])
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__(items=3)

    def update(self, predicted: ArrayLike, label: ArrayLike, group: ArrayLike | None = None) -> None:
        """Add B items: predicted classes [B], labels [B], and what each belongs to [B], by default nothing else.

        Raises:
            TypeError: not integers. ValueError: shapes that differ.
        """
        predicted, label = (
            torch.atleast_1d(integers(n, x)) for n, x in (("predicted", predicted), ("label", label))
        )
        own = torch.arange(len(label)) + sum(map(len, self.items))
        group = own if group is None else torch.atleast_1d(integers("group", group))
        if not predicted.shape == label.shape == group.shape or label.dim() != 1:
            shapes = ", ".join(str(list(x.shape)) for x in (predicted, label, group))
            raise ValueError(f"predicted, label and group must all be [B], got {shapes}")
        self.add_rows("items", torch.stack([x.to(label.device) for x in (predicted, label, group)], 1))

    def compute(self) -> Tensor:
        """[] kappa; NaN without items, or where chance agreement is perfect."""
        return self._kappa(self._tables(self.rows("items")).sum(0))

    def interval(self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Score:
        """Kappa with its percentile bootstrap interval; whole groups are drawn. NaN below two groups."""
        with self.sync_context():
            items = self.rows("items")
        tables, undefined = self._tables(items), int((items[:, 1] < 0).sum())
        draws = [
            self._kappa((draw @ tables.flatten(1)).unflatten(1, tables.shape[1:]))
            for draw in _draws(len(tables), n_resamples, seed)
        ]
        low, high = _percentiles(torch.cat(draws)[:, None], (1 - level) / 2)
        value = self._kappa(tables.sum(0))
        known = len(tables) > 1 and bool(value.isfinite())
        bounds = (float(low[0]), float(high[0])) if known else (torch.nan, torch.nan)
        return Score(float(value), *bounds, len(items) - undefined, undefined)

    def _tables(self, items: Tensor) -> Tensor:
        """[G, C, C] counts of labels (rows) and predictions (columns) of each group."""
        items = items[items[:, 1] >= 0].long()
        classes = int(items[:, :2].max()) + 1 if len(items) else 1
        names, group = items[:, 2].unique(return_inverse=True)
        cell = (group * classes + items[:, 1]) * classes + items[:, 0]
        counts = torch.bincount(cell, minlength=len(names) * classes**2).double()
        return counts.reshape(len(names), classes, classes)

    def _kappa(self, tables: Tensor) -> Tensor:
        return kappa_of(tables, torch.arange(tables.shape[-1], dtype=torch.float64), None)
