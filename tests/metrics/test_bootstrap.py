"""Bootstrap intervals: against NumPy on the same draws, against theory, and where there is none."""

import numpy as np
import pytest
import torch

from gazekit.metrics import bootstrap as module
from gazekit.metrics import bootstrap_interval

INF = float("inf")


def sums(images: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    count = draw.integers(0, 9, (images, columns)).astype(float)
    return draw.normal(2.0, 1.0, (images, columns)) * count, count


def test_equals_numpy_on_the_same_draws() -> None:
    numerator, denominator = sums(12, 3)
    counts = torch.cat(list(module.bootstrap_draws(12, 500, seed=7))).numpy()
    assert (counts.sum(1) == 12).all()
    ratios = np.stack([(row @ numerator) / (row @ denominator) for row in counts])
    interval = bootstrap_interval(numerator, denominator, n_resamples=500, level=0.9, seed=7)
    np.testing.assert_allclose(interval.value, numerator.sum(0) / denominator.sum(0), atol=1e-12)
    np.testing.assert_allclose(interval.low, np.quantile(ratios, 0.05, axis=0), atol=1e-12)
    np.testing.assert_allclose(interval.high, np.quantile(ratios, 0.95, axis=0), atol=1e-12)


def test_mean_of_many_images_has_the_normal_interval() -> None:
    values = torch.randn(400, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    interval = bootstrap_interval(values, torch.ones_like(values), n_resamples=4000)
    error = 1.96 * values.std().item() / 20
    assert (interval.high - interval.low).item() == pytest.approx(2 * error, rel=0.08)


def test_images_are_the_units_not_their_fixations() -> None:
    """Ten copies of each fixation of an image add no knowledge: the interval stays as it is."""
    numerator, denominator = sums(20, 2)
    once = bootstrap_interval(numerator, denominator)
    tenfold = bootstrap_interval(10 * numerator, 10 * denominator)
    for a, b in zip(once, tenfold, strict=True):
        torch.testing.assert_close(a, b)


def test_statistic_over_columns() -> None:
    numerator, denominator = sums(30, 4)
    difference = bootstrap_interval(numerator, denominator, lambda ratios: ratios[:, 0] - ratios[:, 1])
    columns = bootstrap_interval(numerator, denominator)
    assert difference.value == columns.value[0] - columns.value[1]
    assert difference.low < difference.value < difference.high
    first = bootstrap_interval(numerator, denominator, lambda ratios: ratios[:, 0])
    assert [bound.item() for bound in first] == [bound[0].item() for bound in columns]


def test_memory_chunks_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    numerator, denominator = sums(15, 2)
    whole = bootstrap_interval(numerator, denominator, n_resamples=301, seed=1)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 16 * 15 * 10)
    parts = bootstrap_interval(numerator, denominator, n_resamples=301, seed=1)
    other = bootstrap_interval(numerator, denominator, n_resamples=301, seed=2)
    assert torch.equal(whole.low, parts.low)
    assert torch.equal(whole.high, parts.high)
    assert not torch.equal(whole.low, other.low)


def test_no_interval_from_one_image() -> None:
    interval = bootstrap_interval(torch.tensor([[3.0, 0.0]]), torch.tensor([[4.0, 0.0]]))
    assert interval.value.nan_to_num(-1).tolist() == [0.75, -1]
    assert interval.low.isnan().all()
    assert interval.high.isnan().all()


def test_columns_without_data_and_of_one_image() -> None:
    numerator = torch.tensor([[1.0, 0.0, 2.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    denominator = torch.tensor([[2.0, 0.0, 4.0], [4.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    interval = bootstrap_interval(numerator, denominator)
    assert interval.value.nan_to_num(-1).tolist() == [0.6, -1, 0.5]
    assert interval.low.isfinite().tolist() == [True, False, False]
    assert interval.high.isfinite().tolist() == [True, False, False]
    through = bootstrap_interval(numerator, denominator, lambda ratios: ratios.sum(1))
    assert all(bound.isnan() for bound in through)


def test_no_images() -> None:
    interval = bootstrap_interval(torch.zeros(0, 2), torch.zeros(0, 2))
    assert all(bound.isnan().all() for bound in interval)


def test_resamples_without_data_are_left_out() -> None:
    """Two of six images have data: every tenth draw misses both, the others give 0, 1 or a mix."""
    numerator, denominator = torch.zeros(6, 1), torch.zeros(6, 1)
    numerator[0], denominator[:2] = 1.0, 1.0
    interval = bootstrap_interval(numerator, denominator)
    assert [bound.item() for bound in interval] == [0.5, 0, 1]


def test_an_infinite_value_has_no_interval() -> None:
    numerator = torch.tensor([[-INF, 1.0], [2.0, 2.0], [3.0, 0.0]])
    interval = bootstrap_interval(numerator, torch.ones(3, 2))
    assert interval.value.tolist() == [-INF, 1.0]
    assert interval.low.isnan().tolist() == [True, False]
    assert interval.high.isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numerator": torch.zeros(3)}, r"must share one shape \[I, K\]"),
        ({"numerator": torch.full((3, 1), torch.nan)}, "numerator holds NaN"),
        ({"denominator": -torch.ones(3, 1)}, "at least 0"),
        ({"denominator": torch.full((3, 1), INF)}, "finite"),
        ({"level": 95.0}, "level must lie between 0 and 1, got 95.0"),
        ({"n_resamples": 0}, "n_resamples"),
    ],
)
def test_wrong_input_is_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**({"numerator": torch.ones(3, 1), "denominator": torch.ones(3, 1)} | change))
