import numpy as np
import pytest
import torch

from gazekit.datasets.gaze_data import GazeData
from gazekit.datasets.gaze_people import OneAnnotator
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture, Person


def picture(name, *people, size_px=(40, 30), group=""):
    image = np.zeros((size_px[1], size_px[0], 3), np.uint8)
    return GazePicture(name, size_px, people, lambda: image, group)


ONE = Person([1, 1, 9, 9], [[0.5, 0.5]])
MANY = Person([1, 1, 9, 9], [[0.2, 0.4], [0.4, 0.4], [0.6, 0.8]])
OUT = Person([20, 1, 29, 9], inside=False)


class Few(GazeData):
    def load(self):
        parts = {
            "train": [picture(f"t{k}", ONE, OUT) for k in range(5)],
            "val": [picture("v", ONE)],
            "test": [picture("a", MANY, OUT, group="clip"), picture("b"), picture("c", MANY, group="clip")],
        }
        return GazeDataset("few", parts, ("line 3: broken",), {"invalid": 2})


def made(**settings):
    data = Few(size_px=(16, 24), batch_size=2, **settings)
    data.setup()
    return data


def test_parts_index_pictures_and_batches_hold_their_people():
    data = made()
    assert {name: part.tolist() for name, part in data.parts.items()} == {
        "train": [0, 1, 2, 3, 4],
        "val": [5],
        "test": [6, 7, 8],
    }
    first, second = data.batches("test")
    assert first["image"].shape == (2, 3, 16, 24) and first["picture"].tolist() == [0, 0]
    assert first["labels"].tolist() == [1, 0]
    assert first["group"][0] == second["group"][0], "pictures of a clip are one group"
    assert data.items([6, 8]) == ["a", "c"]


def test_a_model_gets_the_size_it_was_trained_with():
    assert next(made().batches("test", {"size_px": [8, 12]}))["image"].shape == (2, 3, 8, 12)


def test_training_batches_are_a_function_of_the_step():
    data, again = made(), made()
    for step in (0, 3):
        assert torch.equal(data.training_batch(step)["head_norm"], again.training_batch(step)["head_norm"])
    seen = [data.training_batch(step)["head_norm"] for step in range(8)]
    assert len({tuple(heads.flatten().tolist()) for heads in seen}) > 1


def test_about_counts_and_names_what_is_missing():
    about = made().about()
    assert (about["pictures"], about["people"], about["inside"], about["points"]) == (3, 3, 2, 6)
    assert about["notes"] == ["2 records left out: invalid", "skipped line 3: broken"]
    assert about["fingerprint"]["people"] == 14


def test_fingerprint_changes_with_a_moved_point_and_an_exchanged_person():
    def digest(*people):
        return GazeDataset("x", {"test": [picture("a", *people)]}).fingerprint()["digest"]

    moved = Person([1, 1, 9, 9], [[0.5, 0.501]])
    assert len({digest(ONE, OUT), digest(OUT, ONE), digest(moved, OUT), digest(ONE)}) == 4
    assert digest(ONE, OUT) == digest(ONE, OUT)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "later"}, "few: data.split=later has no pictures, expected one of train, val, test"),
        ({"augment": "blur"}, "data.augment must be one of vitgaze, gazelle, none, got 'blur'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        made(**settings)


def test_one_annotator_is_scored_against_the_others():
    batch = next(made().batches("test"))
    batch["points_norm"] = [MANY.points_norm, np.zeros((0, 2)), ONE.points_norm]
    batch["points_norm"] = [torch.as_tensor(points) for points in batch["points_norm"]]
    batch["eye_norm"], batch["size_px"] = torch.full((3, 2), 0.1), torch.tensor([[40, 30]] * 3)
    drawn = set()
    for seed in range(20):
        said = OneAnnotator().predict(batch, torch.Generator().manual_seed(seed))
        point, rest = said["predicted_norm"][0], said["points_norm"][0]
        assert len(rest) == 2 and not (rest == point).all(-1).any()
        assert torch.allclose(said["point_norm"][0].double(), rest.mean(0))
        at = divmod(int(said["heatmap"][0].argmax()), 64)
        assert at == (int(point[1] * 64), int(point[0] * 64))
        drawn.add(tuple(point.tolist()))
    assert len(drawn) == 3
    assert said["predicted_norm"][1:].isnan().all() and said["point_norm"][1:].isnan().all()
    assert said["heatmap"][1:].isnan().all() and [len(p) for p in said["points_norm"]] == [2, 0, 0]


def test_one_annotator_stays_on_the_device_of_the_batch():
    batch = {
        "points_norm": [torch.zeros(3, 2, device="meta"), torch.zeros(0, 2)],
        "eye_norm": torch.zeros(2, 2, device="meta"),
        "size_px": torch.ones(2, 2, dtype=torch.long, device="meta"),
    }
    said = OneAnnotator().predict(batch, torch.Generator())
    assert {value.device.type for value in (*said.pop("points_norm"), *said.values())} == {"meta"}


def test_references_only_where_there_are_several():
    assert list(made().references()) == ["one annotator"]
    assert made(split="train").references() == {}
