"""The default form of what a system predicts: one table, one line per item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from torch import Tensor

__all__ = ["table_of"]


def table_of(said: Mapping[str, Any], items: int) -> pd.DataFrame:
    """Columns of everything with one row per item: `name` of numbers, `name_0`, `name_1`, ... of vectors.

    Tensors of more than two dimensions, and whatever has another number of rows, are left out.

    >>> import torch
    >>> table_of({"score": torch.tensor([0.5, 1.0]), "xy_px": torch.tensor([[1, 2], [3, 4]])}, 2)
       score  xy_px_0  xy_px_1
    0    0.5        1        2
    1    1.0        3        4
    """
    columns: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, Tensor) and value.dim() in (1, 2) and len(value) == items:
            value = value.detach().cpu()
            if value.dim() == 1:
                columns[name] = value.numpy()
            else:
                columns |= {f"{name}_{k}": column.numpy() for k, column in enumerate(value.T)}
    return pd.DataFrame(columns, index=range(items))
