"""Metrics whose rows may belong to groups (images, subjects), which the bootstrap draws as wholes."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers
from gazekit.metrics.rows_metric import RowsMetric

__all__ = ["GroupedMetric"]


class GroupedMetric(RowsMetric):
    """Keeps tables of rows and, for the rows of one of them, integer groups. Either all rows have a group or none has.

    Args:
        grouped: the table whose rows have groups.
        tables: name to number of columns.
    """

    def __init__(self, grouped: str, **tables: int) -> None:
        super().__init__(**tables, groups=1)
        self._grouped = grouped

    def no_rows(self, name: str) -> Tensor:
        rows = super().no_rows(name)
        return rows.long() if name == "groups" else rows

    def add_grouped(self, rows: Tensor, group: ArrayLike | None) -> None:
        """Append [N, columns] to the grouped table, with integer groups [N] or None.

        Raises:
            TypeError: groups that are not integers.
            ValueError: another number of groups; groups of some rows only.
        """
        group = None if group is None else torch.atleast_1d(integers("group", group))
        self.check_fact("group", group, len(rows))
        if group is not None:
            self.add_rows("groups", group.to(rows.device)[:, None])
        self.add_rows(self._grouped, rows)

    def check_fact(self, name: str, fact: Tensor | None, count: int) -> None:
        """That a fact about `count` new rows has one value per row, and is given for all rows or for none."""
        if fact is not None and fact.shape != (count,):
            raise ValueError(f"{name} must have shape [{count}], got {list(fact.shape)}")
        earlier = any(len(part) for part in getattr(self, self._grouped))
        if count and earlier and (fact is not None) != any(len(part) for part in getattr(self, f"{name}s")):
            raise ValueError(_some_only(name))

    def fact(self, name: str) -> Tensor | None:
        """[N] the fact (group, weight) of all rows; None if it was not given."""
        rows = self.rows(f"{name}s")[:, 0]
        # `forward` and other processes add rows without knowing of one another
        if len(rows) not in (0, self.count):
            raise ValueError(_some_only(name))
        return rows if len(rows) else None

    def units(self) -> tuple[Tensor, int]:
        """[N] for each row the number of its unit, which the bootstrap draws: its group or itself; number of units."""
        group = self.fact("group")
        if group is None:
            return torch.arange(self.count, device=self.device), self.count
        names, index = group.unique(return_inverse=True)
        return index, len(names)

    @property
    def count(self) -> int:
        """Number of rows, undefined ones included, of this process (of all inside `sync_context`)."""
        return len(self.rows(self._grouped))


def _some_only(name: str) -> str:
    return f"either all items have a {name} or none has: some updates gave {name}=..., others did not"
