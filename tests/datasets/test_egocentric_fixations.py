"""Fixations of a generated video as parts and batches."""

import numpy as np
import pytest
import torch

from gazekit.datasets.egocentric_fixations import EgocentricFixations
from gazekit.datasets.synthetic_egocentric import EXCLUSIVE, LABELS

SMALL = {"difficulty": "easy", "duration_s": 12, "labelled_s": 8, "detector_frames": 3, "detector_s": 5}


@pytest.fixture(scope="module")
def data():
    data = EgocentricFixations(**SMALL)
    data.setup()
    return data


def time_s(data, part):
    return data.video.t_ms[data.fixations["frame"].to_numpy()[data.parts[part]]] / 1000


def test_parts_are_split_by_time(data):
    parts = {name: set(index.tolist()) for name, index in data.parts.items()}
    assert parts["train"] | parts["val"] | parts["test"] == parts["all"]
    assert sum(map(len, (parts["train"], parts["val"], parts["test"]))) == len(parts["all"])
    assert len(parts["detector"]) == 3 and parts["detector"] <= parts["train"]
    assert max(time_s(data, "train").max(), time_s(data, "val").max()) < 8 <= time_s(data, "test").min()
    assert time_s(data, "detector").max() < 5


def test_a_batch_says_what_is_looked_at(data):
    index = data.parts["test"].tolist()
    batch = data.batch(index)
    assert len(batch["truth"]) == len(index) and batch["fixation_px"].shape == (len(index), 2)
    assert batch["image"].tolist() == index
    for (x, y), label, truth in zip(batch["fixation_px"], batch["label"], batch["truth"], strict=True):
        box = truth["boxes"]
        holds = (box[:, 0] <= x) & (x < box[:, 2]) & (box[:, 1] <= y) & (y < box[:, 3])
        assert int(label) in truth["labels"][holds].tolist() if holds.any() else int(label) == len(LABELS)
    clip = np.floor(time_s(data, "test") / 3).astype(int)
    assert batch["group"].tolist() == clip.tolist()
    picture = batch["frames"].read(int(batch["frame"][0]))
    assert np.array_equal(picture, data.video.read(int(batch["frame"][0])))


def test_facts_and_items(data):
    facts = data.facts()
    assert facts["labels"] == list(LABELS) and facts["exclusive"] == [list(group) for group in EXCLUSIVE]
    [item] = data.items(data.parts["test"][:1].tolist())
    assert (
        item["frame"] == data.fixations["frame"][data.parts["test"][0]]
        and item["onset_ms"] < item["offset_ms"]
    )
    assert data.about()["fixations"]["all"] == len(data.fixations)


def test_what_a_model_was_trained_on_stays_out_of_the_test(data):
    other = EgocentricFixations(**{**SMALL, "labelled_s": 5})
    other.trained_with = data.facts()
    other.setup()
    assert time_s(other, "test").min() >= 8
    fresh = EgocentricFixations(**{**SMALL, "labelled_s": 5, "video_seed": 1})
    fresh.trained_with = data.facts()
    fresh.setup()
    assert time_s(fresh, "test").min() < 8


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"difficulty": "absurd"}, "difficulty must be one of"),
        ({"detector_s": 0.1}, "raise data.detector_s"),
        ({"detector_frames": 0}, "data.detector_frames must be at least 1"),
        ({"labelled_s": 12.0}, "labelled_s"),
    ],
)
def test_settings_that_make_no_parts_are_refused(changed, text):
    with pytest.raises(ValueError, match=text):
        EgocentricFixations(**{**SMALL, **changed}).setup()


def test_training_batches_are_a_function_of_the_step(data):
    one, again = data.training_batch(3), data.training_batch(3)
    assert torch.equal(one["image"], again["image"])
    assert set(one["image"].tolist()) <= set(data.parts["train"].tolist())
