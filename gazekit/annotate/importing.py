"""What a file of another tool holds, as one action that can be taken back."""

from __future__ import annotations

from gazekit.annotate.rows import Row, Rows

__all__ = ["boxes_import"]


def boxes_import(rows: Rows, action: Row) -> Row:
    """Placeholder."""
    raise ValueError("boxes.import: not yet")
