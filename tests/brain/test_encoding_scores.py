"""Scores of encoding models against numpy and scipy, picture by picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_toys import Says, ToyBrain
from scipy import stats

from gazekit.base.scores import Settings
from gazekit.brain.encoding_scores import CEILING, EncodingScores
from gazekit.metrics.bootstrap import bootstrap_draws
from gazekit.metrics.functional import noise_ceiling


def noisy(data: ToyBrain, by: float, seed: int = 1) -> torch.Tensor:
    shape = data.signal.shape
    return data.signal + by * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def judged(data: ToyBrain, rows: dict, resamples: int = 200, **settings):
    return EncodingScores(**settings).scores(rows, data, Settings(resamples=resamples), lambda *_: None)


def on_test(data: ToyBrain, table: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    index = data.parts["test"]
    return table[index].double().numpy(), data.batch(index)["response"].double().numpy()


def test_columns_are_means_over_the_voxels_of_regions() -> None:
    data = ToyBrain()
    table = noisy(data, 1.0)
    found = judged(data, {"model": Says(table)}).table["model"]
    p, y = on_test(data, table)
    r = np.array([stats.pearsonr(p[:, v], y[:, v])[0] for v in range(8)])
    r2 = 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    ceiling = noise_ceiling(data.repeats("test")).numpy()
    for name, values in (("r", r), ("r2", r2), ("normalised", r / np.sqrt(ceiling))):
        assert found[name].value == pytest.approx(values.mean())
        assert found[f"{name}.V1"].value == pytest.approx(values[[0, 1, 4]].mean())
        assert found[f"{name}.FFA"].value == pytest.approx(values[[1, 4, 5]].mean())
    assert np.isnan(found["r.none"].value) and found["r.none"].n == 0


def test_intervals_draw_pictures_and_differences_are_paired() -> None:
    data = ToyBrain()
    a, b = noisy(data, 1.0), noisy(data, 1.5, seed=2)
    table = judged(data, {"model": Says(a), "ridge": Says(b)}).table
    counts = torch.cat(list(bootstrap_draws(30, 200, 0))).long()
    drawn = []
    for row in counts:
        chosen = torch.arange(30).repeat_interleave(row).numpy()
        drawn.append(
            [
                np.mean([stats.pearsonr(p[chosen, v], y[chosen, v])[0] for v in (1, 4, 5)])
                for p, y in (on_test(data, a), on_test(data, b))
            ]
        )
    drawn = np.array(drawn)
    bounds = np.quantile(np.c_[drawn, drawn[:, 0] - drawn[:, 1]], [0.025, 0.975], axis=0)
    for k, name in enumerate(("model", "ridge", "model - ridge")):
        assert table[name]["r.FFA"][1:3] == pytest.approx(bounds[:, k])
    gap = table["model - ridge"]["r.FFA"]
    assert gap.value == pytest.approx(table["model"]["r.FFA"].value - table["ridge"]["r.FFA"].value)
    assert gap.high - gap.low < bounds[1, 0] - bounds[0, 1]  # pairs say more than the two intervals


def test_over_subjects_is_a_t_interval_of_their_means() -> None:
    data = ToyBrain()
    table = noisy(data, 1.0)
    found = judged(data, {"model": Says(table)}).table["model"]
    p, y = on_test(data, table)
    r = np.array([stats.pearsonr(p[:, v], y[:, v])[0] for v in range(8)])
    means = np.array([r[[0, 1]].mean(), r[4]])
    low, high = stats.t.interval(0.95, 1, means.mean(), stats.sem(means))
    assert found["r.V1 over subjects"] == pytest.approx((means.mean(), low, high, 2, 0))


def test_ceiling_row_and_a_perfect_model_reaches_it() -> None:
    data = ToyBrain(n=2000, repeats=3, noise=2.0)
    found = judged(data, {"known signal": Says(data.signal)}, resamples=50)
    ceiling = noise_ceiling(data.repeats("test"))
    row = found.table[CEILING]
    assert row["r"].value == pytest.approx(float(ceiling.sqrt().mean()))
    assert row["r2.V1"].value == pytest.approx(float(ceiling[[0, 1, 4]].mean()))
    assert row["r"].low < row["r"].value < row["r"].high
    assert found.table["known signal"]["normalised"].value == pytest.approx(1, abs=0.02)
    assert found.table["known signal"]["r2"].value == pytest.approx(row["r2"].value, abs=0.02)
    assert found.details["explainable_variance"]["all"] == pytest.approx(
        float(noise_ceiling(data.repeats("test"), n_averaged=1).mean()), abs=1e-6
    )


def test_undefined_voxels_are_counted_with_their_reasons() -> None:
    data = ToyBrain(noise=0.5)
    data.presented[..., 0] = 3.0  # constant
    data.presented[:, :, 1] = torch.nan  # nothing
    data.presented[..., 7] = torch.randn(data.presented.shape[:2], generator=torch.Generator().manual_seed(5))
    table = noisy(data, 1.0)
    table[:, 4] = 0.1
    table[data.parts["test"][2], 5] = torch.nan
    found = judged(data, {"model": Says(table), "other": Says(noisy(data, 2.0, 3))}, min_ceiling=0.6)
    assert found.table["model"]["r"].n == 4 and found.table["model"]["r"].undefined == 4
    assert found.reasons["model", "r"] == (
        "1 with fewer than two responses, 1 with a prediction that is NaN, 1 with a constant response, "
        "1 with a constant prediction"
    )
    assert found.table["model"]["r2"].undefined == 3  # a constant prediction has an R2
    assert found.table["model"]["normalised"].undefined == 5
    assert "too low a noise ceiling" in found.reasons["model", "normalised"]
    assert found.table["other"]["r"].undefined == 2
    gap = found.table["model - other"]["r"]
    assert gap.n == 4 and gap.undefined == 4 and gap.low < gap.value < gap.high
    both = [2, 3, 6, 7]
    r = [
        np.mean([stats.pearsonr(p[:, v], y[:, v])[0] for v in both])
        for p, y in (on_test(data, table), on_test(data, noisy(data, 2.0, 3)))
    ]
    assert gap.value == pytest.approx(r[0] - r[1])
    assert found.reasons["model", "r.none"] == "no voxels"


def test_missing_responses_of_a_voxel_count_for_it_alone() -> None:
    data = ToyBrain()
    index = data.parts["test"]
    data.presented[:, index[:9], 2] = torch.nan
    table = noisy(data, 1.0)
    found = judged(data, {"model": Says(table)})
    p, y = on_test(data, table)
    known = ~np.isnan(y[:, 2])
    assert known.sum() == 21
    r = [
        stats.pearsonr(p[known, 2], y[known, 2])[0] if v == 2 else stats.pearsonr(p[:, v], y[:, v])[0]
        for v in range(8)
    ]
    assert found.table["model"]["r"].value == pytest.approx(np.mean(r))
    assert found.details["voxels"]["model"] == pytest.approx(r, abs=1e-4)


def test_many_pictures_are_dealt_out_to_blocks(monkeypatch) -> None:
    data = ToyBrain(n=400)
    table = noisy(data, 1.0)
    exact = judged(data, {"model": Says(table)}, resamples=400)
    monkeypatch.setattr("gazekit.brain.intervals._BYTES", 1)
    dealt = judged(data, {"model": Says(table)}, resamples=400)
    assert "32 blocks" in dealt.notes[0] and "blocks" not in exact.notes[0]
    for column, score in exact.table["model"].items():
        assert dealt.table["model"][column].value == pytest.approx(score.value, nan_ok=True)
    a, b = (found.table["model"]["r"] for found in (exact, dealt))
    assert b.high - b.low == pytest.approx(a.high - a.low, rel=0.35)


def test_no_repeats_no_ceiling() -> None:
    data = ToyBrain(repeats=1)
    found = judged(data, {"model": Says(noisy(data, 1.0))})
    assert CEILING not in found.table and "normalised" not in found.table["model"]
    assert "no repeats" in found.notes[-1]


def test_wrong_shapes_say_so() -> None:
    data = ToyBrain()
    with pytest.raises(ValueError, match=r"model predicts \[16, 7\], the responses are \[16, 8\]"):
        judged(data, {"model": Says(data.signal[:, :7])})
    data.presented_test = data.repeats("test")
    data.repeats = lambda part: data.presented_test[:, :-1]
    with pytest.raises(ValueError, match=r"repeats must have shape .* n = 30 pictures"):
        judged(data, {"model": Says(data.signal)})
    with pytest.raises(ValueError, match="min_ceiling"):
        EncodingScores(min_ceiling=2)


@pytest.mark.parametrize("regions", [{"V1": [8]}, {"V1": [-1]}])
def test_regions_of_other_voxels_are_refused(regions) -> None:
    data = ToyBrain()
    data.plain_facts["regions"] = regions
    with pytest.raises(ValueError, match="region V1 has voxels"):
        judged(data, {"model": Says(data.signal)})
