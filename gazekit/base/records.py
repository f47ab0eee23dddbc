"""The default form of what a system predicts: one table, one line per item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from torch import Tensor

__all__ = ["table_of"]


def table_of(items: Sequence[Any], said: Mapping[str, Any]) -> pd.DataFrame:
    """Columns of everything with one row per item: `name` of numbers, `name_0`, `name_1`, ... of vectors.

    Tensors of more than two dimensions, and whatever has another number of rows, are left out.

    >>> import torch
    >>> table_of(["a", "b"], {"score": torch.tensor([0.5, 1.0]), "xy_px": torch.tensor([[1, 2], [3, 4]])})
      item  score  xy_px_0  xy_px_1
    0    a    0.5        1        2
    1    b    1.0        3        4
    """
    columns: dict[str, Any] = {"item": [str(item) for item in items]}
    for name, value in said.items():
        if isinstance(value, Tensor) and value.dim() in (1, 2) and len(value) == len(items):
            value = value.detach().cpu()
            if value.dim() == 1:
                columns[name] = value.numpy()
            else:
                columns |= {f"{name}_{k}": column.numpy() for k, column in enumerate(value.T)}
    return pd.DataFrame(columns)
