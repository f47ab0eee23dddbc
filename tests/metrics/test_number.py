"""The schema of a number."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch

from gazekit.metrics import Interval, Score


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.51234, 0.4871, 0.53771), "0.5123 [0.4871, 0.5377]"),
        ((0.51234, math.nan, math.nan), "0.5123"),
        ((math.nan, math.nan, math.nan), "undefined"),
        ((-1e-17, -3e-16, 2.0), "0 [0, 2]"),
        ((-math.inf, math.nan, math.nan), "-inf"),
    ],
)
def test_text(numbers, text) -> None:
    assert str(Score(*numbers, n=3, undefined=1)) == text


def test_numbers_are_plain() -> None:
    interval = Interval(*torch.tensor([2.0, 1.0, 3.0]))
    score = Score.of(interval, torch.tensor(5), torch.tensor(1))
    assert score == (2.0, 1.0, 3.0, 5, 1)
    assert [type(number) for number in score] == [float, float, float, int, int]
    assert json.loads(json.dumps(score._asdict())) == {
        "value": 2.0, "low": 1.0, "high": 3.0, "n": 5, "undefined": 1
    }  # fmt: skip


def test_import_is_light() -> None:
    program = "import sys; from gazekit.metrics import Score; assert Score and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
