"""The stored scanpath pairs as batches, with what the references made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from hypothesis import strategies as st
from scanpath_pairs import in_ms, stored_pairs
from torch import Tensor

from gazekit.scanpath import Scanpaths

__all__ = ["SIZE_PX", "GoldenPairs", "assert_equal", "golden_pairs", "paths"]

SIZE_PX = (800, 600)


@dataclass(frozen=True)
class GoldenPairs:
    a: Scanpaths
    b: Scanpaths
    size_px: Tensor
    records: list[dict]

    def expected(self, *keys: str) -> Tensor:
        """[50] what the references gave, NaN where undefined."""
        values = [record["expected"] for record in self.records]
        for key in keys:
            values = [value[key] for value in values]
        return torch.tensor([torch.nan if v is None else v for v in values], dtype=torch.float64)


def golden_pairs(shared_data: Path) -> GoldenPairs:
    records = stored_pairs(shared_data)
    assert len(records) == 50
    a, b = (Scanpaths.of([in_ms(record[side]) for record in records]) for side in "ab")
    return GoldenPairs(a, b, torch.tensor([r["screen"] for r in records], dtype=torch.float64), records)


def assert_equal(found: Tensor, expected: Tensor | float, atol: float = 1e-9) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float64).expand(found.shape)
    torch.testing.assert_close(found, expected, rtol=0, atol=atol, equal_nan=True)


def paths(min_size: int = 0, max_size: int = 8) -> st.SearchStrategy[list[list[float]]]:
    """Scanpaths [T, 3] on whole and half pixels of a frame of `SIZE_PX`."""
    half = 0.5
    fixation = st.tuples(
        st.integers(0, 2 * SIZE_PX[0] - 1).map(lambda x: x * half),
        st.integers(0, 2 * SIZE_PX[1] - 1).map(lambda y: y * half),
        st.integers(0, 600).map(float),
    ).map(list)
    return st.lists(fixation, min_size=min_size, max_size=max_size)
