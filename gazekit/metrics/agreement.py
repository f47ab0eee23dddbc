"""Agreement of labels, accumulated as tables of counts; the definitions are in `functional`.

The bootstrap draws groups (recordings, subjects) where these are given, else single labels or units. Memory grows with
the number of groups and updates, not with that of labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.bootstrap import bootstrap_statistic, check_settings, interval_of_draws
from gazekit.metrics.functional.agreement import (
    KappaWeights,
    MeasurementLevel,
    alpha_of,
    f1_of,
    kappa_of,
    label_pairs,
    rated,
)
from gazekit.metrics.functional.arguments import ArrayLike, integers, whole_number
from gazekit.metrics.grouped_metric import GroupedMetric
from gazekit.metrics.renamed import renamed
from gazekit.metrics.score import Score

__all__ = ["CohenKappa", "KrippendorffAlpha", "SampleF1"]

_CHUNK_BYTES = 32 * 2**20


class TableMetric(GroupedMetric):
    """A value of a table of counts [C, C] that adds up over rows; rows belong to groups if any are given."""

    higher_is_better = True
    parts: tuple[str, ...] = ()

    def __init__(self, num_classes: int, columns: int) -> None:
        super().__init__("counts", counts=columns)
        self.num_classes = num_classes
        self.register_buffer("scale", torch.arange(num_classes, dtype=torch.float64), persistent=False)

    def compute(self) -> Tensor:
        """[], or [C] with `parts`; NaN where undefined."""
        return self.value(self.tables().sum(0))

    def interval(
        self, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
    ) -> Score | dict[str, Score]:
        """The value with its percentile bootstrap interval: a `Score`, or one for each of the `parts`.

        The bootstrap draws whole groups, or single labels (units) if there are no groups. `n` counts the labels (units)
        that the value is computed from, `undefined` those that cannot be compared because a rating is missing. Call it
        on all processes.
        """
        with self.sync_context():
            if self.fact("group") is None:
                found = self._interval_of_labels(n_resamples, level, seed)
            else:
                found = self._interval_of_groups(n_resamples, level, seed)
            n, undefined = self.compared().tolist(), int(self.undefined)
        if not self.parts:
            return Score.of(found, n, undefined)
        return {
            part: Score.of(bounds, count, undefined)
            for part, *bounds, count in zip(self.parts, *found, n, strict=True)
        }

    def value(self, tables: Tensor) -> Tensor:
        """[...] or [..., K] from tables [..., C, C]."""
        raise NotImplementedError

    def tables(self) -> Tensor:
        """[N, C, C] the table of each row."""
        raise NotImplementedError

    def labels(self) -> tuple[Tensor, Tensor]:
        """[P] how often each different label (pair of labels, ratings of a unit) occurs, and its table [P, C, C]."""
        raise NotImplementedError

    def compared(self) -> Tensor:
        """[] or [K] number of labels (units) that the value is computed from."""
        raise NotImplementedError

    def _interval_of_groups(self, n_resamples: int, level: float, seed: int):
        unit, count = self.units()
        shape = (self.num_classes, self.num_classes)
        tables = self.tables().flatten(1)
        tables = tables.new_zeros(count, tables.shape[1]).index_add_(0, unit, tables)

        def drawn(counts: Tensor) -> Tensor:
            return self.value((counts.to(tables) @ tables).unflatten(1, shape))

        return bootstrap_statistic(drawn, count, n_resamples, level, seed, 32 * tables.shape[1])

    def _interval_of_labels(self, n_resamples: int, level: float, seed: int):
        """Labels drawn one by one: how often each different one is drawn has a multinomial distribution."""
        check_settings(n_resamples, level)
        number, tables = self.labels()
        value, total = self.value(self.tables().sum(0)), int(number.sum())
        if total < 2:
            return interval_of_draws(value, value.new_full((1, *value.shape), torch.nan), level)
        draws = [
            self.value((counts.to(tables) @ tables.flatten(1)).unflatten(1, tables.shape[1:]))
            for counts in _multinomial(number, total, n_resamples, seed, 32 * self.num_classes**2)
        ]
        return interval_of_draws(value, torch.cat(draws), level)


def _multinomial(
    number: Tensor, total: int, n_resamples: int, seed: int, bytes_per_draw: int
) -> Iterator[Tensor]:
    """[R, P] how often each of P labels is drawn; the R of all parts add to `n_resamples`."""
    generator = np.random.default_rng(seed)
    share = number.cpu().numpy() / total
    rows = max(1, _CHUNK_BYTES // max(16 * len(share), bytes_per_draw))
    for start in range(0, n_resamples, rows):
        yield torch.from_numpy(
            generator.multinomial(total, share, size=min(rows, n_resamples - start)).astype(float)
        )


class ConfusionMetric(TableMetric):
    """A metric of the confusion matrix of two raters. A row holds the matrix, and the number of labels left out."""

    def __init__(self, num_classes: int) -> None:
        num_classes = whole_number("num_classes", num_classes, 1)
        super().__init__(num_classes, num_classes**2 + 1)

    @renamed(a="labels_a", b="labels_b", mask="labels_mask")
    def update(
        self,
        labels_a: ArrayLike,
        labels_b: ArrayLike,
        labels_mask: ArrayLike | None = None,
        group: ArrayLike | None = None,
    ) -> None:
        """Add labels by two raters.

        Args:
            labels_a: [...] integer labels 0 ... num_classes - 1 by one rater; `labels_b` [...] by the other.
            labels_mask: [...] bool, True = both raters gave a label; all by default.
            group: integer ids of the recordings (subjects) that the labels belong to: of the shape of the labels, or of
                their leading dimensions, [B] for labels [B, N].
        """
        a, b, mask = label_pairs(labels_a, labels_b, labels_mask, self.num_classes)
        cells, left_out = torch.where(mask, a * self.num_classes + b, 0).flatten(), (~mask).flatten()
        if group is None:
            names, row = None, torch.zeros_like(cells)
            rows = cells.new_zeros(1, self.num_classes**2 + 1, dtype=torch.float64)
        else:
            names, row = _expanded(group, a).flatten().unique(return_inverse=True)
            rows = cells.new_zeros(len(names), self.num_classes**2 + 1, dtype=torch.float64)
        rows.index_put_((row, cells), (~left_out).double(), accumulate=True)
        rows[:, -1].index_add_(0, row, left_out.double())
        self.add_grouped(rows, names)

    @property
    def undefined(self) -> Tensor:
        """[] number of labels of this process (of all inside `sync_context`) that one rater did not give."""
        return self.rows("counts")[:, -1].sum().long()

    def tables(self) -> Tensor:
        return self.rows("counts")[:, :-1].unflatten(1, (self.num_classes, self.num_classes))

    def labels(self) -> tuple[Tensor, Tensor]:
        number = self.tables().sum(0).flatten()
        used = number.nonzero()[:, 0]
        tables = torch.nn.functional.one_hot(used, self.num_classes**2).to(number)
        return number[used], tables.unflatten(1, (self.num_classes, self.num_classes))

    def compared(self) -> Tensor:
        return self.tables().sum().long()


def _expanded(group: ArrayLike, like: Tensor) -> Tensor:
    """Groups of leading dimensions as groups [...] of all labels."""
    group = integers("group", group).to(like.device)
    if group.dim() == 0 or group.shape != like.shape[: group.dim()]:
        raise ValueError(
            f"group must have the shape of the labels, {list(like.shape)}, or of their leading dimensions, got "
            f"{list(group.shape)}"
        )
    return group.reshape(*group.shape, *[1] * (like.dim() - group.dim())).expand(like.shape)


class CohenKappa(ConfusionMetric):
    """`functional.cohen_kappa` of all labels of all batches.

    Args:
        num_classes: labels are 0 ... num_classes - 1.
        weights: None, "linear" or "quadratic".

    Example:
        >>> import torch
        >>> metric = CohenKappa(num_classes=3)
        >>> metric.update(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    def __init__(self, num_classes: int, weights: KappaWeights = None) -> None:
        super().__init__(num_classes)
        self.weights = weights
        self.value(self.tables().sum(0))  # refuses unknown weights now

    def value(self, tables: Tensor) -> Tensor:
        return kappa_of(tables, self.scale, self.weights)


class SampleF1(ConfusionMetric):
    """`functional.sample_f1` of all labels of all batches, class by class.

    Args:
        num_classes: labels are 0 ... num_classes - 1.

    Example:
        >>> import torch
        >>> metric = SampleF1(num_classes=3)
        >>> metric.update(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]))
        >>> metric.compute()
        tensor([   nan, 0.8000, 0.6667], dtype=torch.float64)
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.parts = tuple(f"class {k}" for k in range(self.num_classes))

    def value(self, tables: Tensor) -> Tensor:
        return f1_of(tables)

    def compared(self) -> Tensor:
        """[C] number of labels that either rater gave the class."""
        table = self.tables().sum(0)
        return (table.sum(0) + table.sum(1) - table.diagonal()).long()


class KrippendorffAlpha(TableMetric):
    """`functional.krippendorff_alpha` of the units of all batches.

    Args:
        num_classes: ratings are 0 ... num_classes - 1.
        level: of measurement: "nominal", "ordinal", "interval" or "ratio".

    Example:
        >>> import torch
        >>> metric = KrippendorffAlpha(num_classes=3)
        >>> metric.update(torch.tensor([[1, 1, 2, 2], [1, 1, 2, 1]]))
        >>> metric.compute()
        tensor(0.5333, dtype=torch.float64)
    """

    def __init__(self, num_classes: int, level: MeasurementLevel = "nominal") -> None:
        num_classes = whole_number("num_classes", num_classes, 1)
        # how often a unit was given each rating, and how many units were given these ratings
        super().__init__(num_classes, num_classes + 1)
        self.level = level
        self.value(self.tables().sum(0))  # refuses unknown levels now

    @renamed(mask="ratings_mask")
    def update(
        self, ratings: ArrayLike, ratings_mask: ArrayLike | None = None, group: ArrayLike | None = None
    ) -> None:
        """Add units; all ratings of a unit must come in one call.

        Args:
            ratings: [..., R, U] integer ratings 0 ... num_classes - 1 of U units by R raters.
            ratings_mask: [..., R, U] bool, True = rated; all by default.
            group: [..., U] (or [U] for all) integer ids of what the units belong to.
        """
        ratings, mask = rated(integers("ratings", ratings), ratings_mask, self.num_classes)
        if not ratings.shape[-2]:
            return
        shape = *ratings.shape[:-2], ratings.shape[-1]
        counts = ratings.new_zeros(*shape, self.num_classes)
        counts.scatter_add_(-1, torch.where(mask, ratings, 0).mT.contiguous(), mask.mT.long())
        counts = counts.flatten(0, -2)
        names = None
        if group is not None:
            group = integers("group", group).to(counts.device)
            if group.shape not in (torch.Size(shape), torch.Size(shape[-1:])):
                raise ValueError(f"group must have shape {list(shape)}, got {list(group.shape)}")
            counts = torch.cat([group.expand(shape).reshape(-1, 1), counts], 1)
        counts, number = counts.unique(dim=0, return_counts=True)
        if group is not None:
            names, counts = counts[:, 0], counts[:, 1:]
        self.add_grouped(torch.cat([counts, number[:, None]], 1).double(), names)

    @property
    def undefined(self) -> Tensor:
        """[] number of units of this process (of all inside `sync_context`) with fewer than two ratings."""
        counts, number = self._patterns()
        return number[counts.sum(1) < 2].sum().long()

    def value(self, tables: Tensor) -> Tensor:
        return alpha_of(tables, self.scale, self.level)

    def tables(self) -> Tensor:
        counts, number = self._patterns()
        return _coincidences(counts) * number[:, None, None]

    def labels(self) -> tuple[Tensor, Tensor]:
        counts, number = self._patterns()
        counts, index = counts.unique(dim=0, return_inverse=True)
        number = number.new_zeros(len(counts)).index_add_(0, index, number)
        return number, _coincidences(counts)

    def compared(self) -> Tensor:
        counts, number = self._patterns()
        return number[counts.sum(1) >= 2].sum().long()

    def _patterns(self) -> tuple[Tensor, Tensor]:
        """[N, C] how often a unit was given each rating, and the number of such units [N]."""
        rows = self.rows("counts")
        return rows[:, :-1], rows[:, -1]


def _coincidences(counts: Tensor) -> Tensor:
    """[N, C, C] of single units that were given each rating so often."""
    ratings = counts.sum(1, keepdim=True)
    shared = torch.where(ratings > 1, counts / (ratings - 1), 0.0)
    return shared[:, :, None] * counts[:, None] - torch.diag_embed(shared)
