"""Batches of glimpses: padding, parts by picture, facts, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords
from gazekit.errors import DataError

LENGTHS = (3, 2, 4, 2, 3)


def records(**changed) -> GlimpseRecords:
    """Five scanpaths over three pictures."""
    draw, count = np.random.default_rng(0), sum(LENGTHS)
    made = GlimpseRecords(
        name="toy",
        embeddings=draw.normal(0, 1, (count, 5)).astype(np.float16),
        xy_px=draw.uniform(0, 50, (count, 2)),
        start=np.cumsum([0, *LENGTHS]),
        picture=np.array([0, 0, 1, 2, 2]),
        pictures=("a", "b", "c"),
        size_px=np.array([[60, 40], [80, 60], [20, 20]]),
        glimpse_px=9,
        category=np.eye(3)[:, :2],
    )
    return replace(made, **changed)


def data(made: GlimpseRecords | None = None, **settings) -> GlimpseData:
    found = GlimpseData(batch_size=2, **settings)
    found.use(made or records(), {"train": np.array([0, 2]), "val": np.zeros(0, int), "test": np.array([1])})
    return found


def test_a_batch_is_padded_to_its_longest_scanpath():
    made, both = records(), data()
    batch = both.batch([2, 1])
    assert batch["glimpse"].shape == (2, 4, 5) and batch["glimpse"].dtype == torch.float32
    assert batch["mask"].tolist() == [[True] * 4, [True, True, False, False]]
    assert batch["glimpse"][1, 2:].abs().sum() == batch["xy_px"][1, 2:].abs().sum() == 0
    np.testing.assert_array_equal(batch["glimpse"][0], np.float32(made.embeddings[5:9]))
    np.testing.assert_array_equal(batch["xy_px"][1, :2], np.float32(made.xy_px[3:5]))
    assert batch["group"].tolist() == batch["picture"].tolist() == [1, 0]
    assert batch["centre_px"].tolist() == [[40, 30], [30, 20]]
    assert batch["category"].tolist() == [[0, 1], [1, 0]] and "caption" not in batch


def test_a_scanpath_does_not_depend_on_its_batch():
    whole, alone = data().batch([0, 2, 3]), data().batch([3])
    for name in ("glimpse", "xy_px", "mask"):
        assert torch.equal(whole[name][2, :2], alone[name][0])


def test_parts_hold_all_scanpaths_of_their_pictures():
    found = data()
    assert {name: index.tolist() for name, index in found.parts.items()} == {
        "train": [0, 1, 3, 4],
        "val": [],
        "test": [2],
    }
    assert found.distinct("train") == [0, 1, 3, 4]
    assert found.items([0, 4]) == ["a, scanpath 0", "c, scanpath 1"]


def test_facts_and_what_a_report_says():
    made, found = records(), data()
    jumps = np.concatenate([np.diff(made.xy_px[a:b], axis=0) for a, b in ((0, 3), (3, 5), (9, 11), (11, 14))])
    facts = found.facts()
    assert facts.pop("saccade_scale_px") == pytest.approx(np.sqrt((jumps**2).sum(1).mean()))
    assert facts == {
        "dataset": "toy",
        "size": 5,
        "glimpse_px": 9,
        "categories": 2,
        "steps": 3,
        "backbone": None,
    }
    about = found.about()
    assert (about["pictures"], about["scanpaths"], about["glimpses"]) == (1, 1, 4)
    assert records(xy_px=made.xy_px + 1).fingerprint() != about["fingerprint"] == records().fingerprint()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"xy_px": np.zeros((3, 2))}, "one embedding per fixation"),
        ({"start": np.array([0, 3, 4, 9, 11, 14])}, "scanpath 1 has 1 fixations"),
        ({"xy_px": np.full((14, 2), np.nan)}, "14 fixations are not finite"),
        ({"caption": np.zeros((2, 768))}, "3 pictures, but 2 rows of caption"),
    ],
)
def test_records_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(DataError, match=message):
        data(records(**changed))


def test_wrong_parts_splits_models_and_embeddings_are_refused():
    found = GlimpseData(split="val")
    with pytest.raises(DataError, match=r"data\.split=val has no scanpaths, expected one of train"):
        found.use(records(), {"train": np.arange(3), "val": np.zeros(0, int)})
    with pytest.raises(DataError, match="in two parts"):
        found.use(records(), {"train": np.arange(3), "val": np.array([1])})
    found.trained_with = {"size": 7}
    with pytest.raises(DataError, match="trained with 7"):
        found.use(records(), {"val": np.arange(3)})
    broken = records().embeddings.astype(float)
    broken[6] = np.inf
    with pytest.raises(DataError, match="an embedding of b, scanpath 0 is not finite"):
        data(records(embeddings=broken)).batch([1, 2])
