"""Scores of glimpse prediction against the table of all pairs, and what a report is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from glimpse_toys import toy

from gazekit.base import Predictor
from gazekit.base.scores import Settings
from gazekit.models.glimpse import CopyGlimpse, GlimpseScores, MeanGlimpse, cosine_contrast, steps_of
from gazekit.models.glimpse.measures import picture_sums


class Right(Predictor):
    """The next glimpse itself."""

    def predict(self, batch, generator, samples=1):
        return {"glimpse": 2 * steps_of(batch).target}


def scored(rows, data=None, **settings):
    data = data or toy()
    for row in rows.values():
        row.fit(data)
    return GlimpseScores(**settings).scores(rows, data, Settings(resamples=200), lambda *_: None)


def test_sums_over_batches_are_the_contrast_of_the_whole_part() -> None:
    data, row = toy(), CopyGlimpse({"size": 10})
    whole = data.batch(data.parts["test"].tolist())
    known = steps_of(whole)
    expected = cosine_contrast(known.target.double(), known.glimpse.double(), known.mask)
    data.batch_size = 4
    sums = picture_sums(row, data, torch.Generator())
    found = (sums.total[:, 0] / 1).sum(0) / sums.count[:, 0].sum(0)
    torch.testing.assert_close(found, torch.stack(expected))
    table = scored({"copy": row}, data).table["copy"]
    assert table["contrast"].value == pytest.approx(-float(expected.loss))
    assert table["target"].n == int(known.mask.sum())
    each = cosine_contrast(
        known.target.double()[:, 1:2], known.glimpse.double()[:, 1:2], known.mask[:, 1:2]
    ).target
    assert sums.total[:, 2, 0].sum() / sums.count[:, 2, 0].sum() == pytest.approx(float(each))


def test_order_of_items_and_batches_changes_nothing() -> None:
    data, row = toy(), CopyGlimpse({"size": 10})
    first = picture_sums(row, data, torch.Generator())
    data.parts["test"] = data.parts["test"][::-1].copy()
    data.batch_size = 5
    for a, b in zip(first, picture_sums(row, data, torch.Generator()), strict=True):
        torch.testing.assert_close(a, b)


def test_differences_are_paired_and_shares_are_of_the_best() -> None:
    rows = {"best contrast": Right(), "copy": CopyGlimpse({"size": 10}), "mean": MeanGlimpse({"size": 10})}
    found = scored(
        rows, differences={"copy - mean": [["copy"], ["mean"]], "none": [["copy"], ["copy", "copy"]]}
    )
    table = found.table
    gap = table["copy"]["contrast"].value - table["mean"]["contrast"].value
    assert table["copy - mean"]["contrast"].value == pytest.approx(gap)
    assert table["none"]["contrast"][:3] == (0, 0, 0)
    assert table["best contrast"]["share"][:3] == (1, 1, 1)
    share = table["copy"]["contrast"].value / table["best contrast"]["contrast"].value
    assert table["copy"]["share"].value == pytest.approx(share)
    assert table["best contrast"]["target"].value == pytest.approx(1)
    assert table["copy"]["contrast"].low < table["copy"]["contrast"].value < table["copy"]["contrast"].high
    assert {"contrast.1", "sensitivity.5"} <= set(table["copy"])
    assert set(found.higher_is_better) >= set(table["copy"])
    assert any("intervals draw 5 pictures" in note for note in found.notes)


def test_growth_is_the_slope_by_glimpse_number() -> None:
    class Growing(Predictor):
        def predict(self, batch, generator, samples=1):
            target = steps_of(batch).target
            return {"glimpse": target * torch.tensor([0.0, 0, 0, 1, 1])[: target.shape[1], None]}

    table = scored({"a": Growing()}, toy(ragged=False)).table["a"]
    y = [table[f"contrast.{k}"].value for k in range(1, 6)]
    slope = sum((k - 2) * v for k, v in enumerate(y)) / 10
    assert table["growth"].value == pytest.approx(slope)


def test_what_cannot_be_is_told() -> None:
    rows = {"mean": MeanGlimpse({"size": 10})}
    with pytest.raises(ValueError, match="'x - mean' names the row 'x', which the table does not have: mean"):
        scored(rows, differences={"x - mean": [["x"], ["mean"]]})

    class Wrong(Predictor):
        def predict(self, batch, generator, samples=1):
            return {"glimpse": batch["glimpse"]}

    with pytest.raises(ValueError, match="Wrong predicts"):
        scored({"wrong": Wrong()})


def test_scanpaths_of_two_fixations_have_no_others() -> None:
    data = toy(ragged=False)
    records = data.records
    keep = (records.start[:-1, None] + np.arange(2)).ravel()
    short = type(records)(
        "two", records.embeddings[keep], records.xy_px[keep], 2 * np.arange(len(records.picture) + 1),
        records.picture, records.pictures, records.size_px,
    )  # fmt: skip
    data.records = short
    found = scored({"copy": CopyGlimpse({"size": 10})}, data)
    assert math.isnan(found.table["copy"]["sensitivity"].value)
    assert found.reasons["copy", "sensitivity"] == "no such pairs in these scanpaths"
    assert math.isfinite(found.table["copy"]["contrast"].value)
    assert math.isnan(found.table["copy"]["growth"].value)
