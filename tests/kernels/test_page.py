"""The example of docs/kernels.md runs, and what it needs holds at the edges."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from gazekit.kernels.attention_rows import attention_rows, region_rows
from gazekit.kernels.roi_align import roi_align


def test_the_example_of_the_page(repo_root: Path) -> None:
    page = (repo_root / "docs" / "kernels.md").read_text()
    made: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.S).group(1), made)
    shapes = {name: list(made[name].shape) for name in ("mixed", "out", "looks_at", "seen", "crops")}
    assert shapes == {
        "mixed": [1, 4, 30, 16],
        "out": [1, 4, 30, 16],
        "looks_at": [1, 4, 1, 30],
        "seen": [1, 2, 3, 240, 320],
        "crops": [1, 3, 7, 7],
    }
    torch.testing.assert_close(made["looks_at"].sum(-1), torch.ones(1, 4, 1))


def test_a_mask_of_tokens_is_a_region() -> None:
    query = torch.randn(1, 2, 9, 4, generator=torch.Generator().manual_seed(0))
    box = torch.zeros(1, 1, 9, dtype=torch.bool)
    box[..., 2:5] = True
    summed = attention_rows(query, query, *region_rows(box))
    torch.testing.assert_close(summed, attention_rows(query, query, *region_rows(box.float())))


def test_an_image_without_boxes() -> None:
    boxes = torch.tensor([[1.0, 1, 4, 4]])
    features = torch.rand(2, 3, 8, 8)
    found = roi_align(features, [torch.tensor([]), boxes], (2, 2))
    torch.testing.assert_close(found, roi_align(features[1:], [boxes], (2, 2)))
