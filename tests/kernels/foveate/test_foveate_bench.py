"""The bench runs, and what it is timed beside does the same work."""

from __future__ import annotations

import numpy as np
import torch

from gazekit.kernels.foveate.bench import Sizes, cases


def test_cases_run_and_their_references_agree():
    made = cases("cpu", Sizes(sides_px=(64,), fixations=2, channels=2))
    assert len({case.name for case in made}) == len(made) == 7
    for case in made:
        ours, theirs = case.run(), case.run_reference()
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
        for one, other in pairs:
            if isinstance(other, list):
                other = torch.from_numpy(np.stack(other)).unsqueeze(0)
            torch.testing.assert_close(one, other.to(one), atol=1e-3, rtol=1e-4)
