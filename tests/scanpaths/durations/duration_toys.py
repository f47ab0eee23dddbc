"""Small scanpaths with durations for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.scanpaths.durations import Timed


def random_timed(
    scanpaths: int = 6, steps: int = 5, people: int = 3, seed: int = 0, **entries: Tensor
) -> Timed:
    """Of lengths 0 to `steps`, the longest first; over pictures of 400 x 300 px."""
    draw = torch.Generator().manual_seed(seed)
    size = torch.tensor([400.0, 300.0]).expand(scanpaths, 2)
    lengths = (steps - torch.arange(scanpaths)).clamp(min=0)
    made = {
        "xy_px": torch.rand(scanpaths, steps, 2, generator=draw) * size[:, None],
        "duration_ms": (5.3 + 0.5 * torch.randn(scanpaths, steps, generator=draw)).exp(),
        "mask": torch.arange(steps) < lengths[:, None],
        "size_px": size,
        "start_xy_px": size / 2,
        "observer": torch.arange(scanpaths) % people,
    }
    return Timed(**{**made, **entries})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
