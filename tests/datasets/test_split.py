import re
from dataclasses import replace

import numpy as np
import pytest

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.split import PARTS, split_trials
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial


def dataset(images=20, observers=10, scenes_an_image=1) -> ScanpathDataset:
    """Every observer looks at every scene; several scenes may lie over one picture."""
    scenes = [
        Scene(f"{i}-{k}", (4, 4), [[0, 0, 4, 4]], attributes={"image": f"{i}.jpg"})
        for i in range(images)
        for k in range(scenes_an_image)
    ]
    trials = [
        Trial(s, Scanpath([[1, 1]], observer=f"o{o}"), np.array([0]))
        for s in range(len(scenes))
        for o in range(observers)
    ]
    return ScanpathDataset("toy", tuple(scenes), tuple(trials))


def keys(data: ScanpathDataset, by: str) -> np.ndarray:
    of_trial = {
        "image": lambda t: data.scenes[t.scene].attributes["image"],
        "subject": lambda t: t.scanpath.observer,
        "trial": id,
    }[by]
    return np.array([of_trial(t) for t in data.trials])


@pytest.mark.parametrize("by", ["image", "subject", "trial"])
@pytest.mark.parametrize("seed", [0, 1])
def test_parts_cover_everything_and_share_nothing(by, seed):
    data = dataset(scenes_an_image=3)
    parts = split_trials(data, by, seed=seed)
    together = np.concatenate([parts[part] for part in PARTS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(data.trials)))
    np.testing.assert_array_equal(parts["all"], np.arange(len(data.trials)))
    key = keys(data, by)
    train, val, test = (set(key[parts[part]]) for part in PARTS)
    assert not (train & val or train & test or val & test)


@pytest.mark.parametrize(("by", "total"), [("image", 20), ("subject", 10), ("trial", 200)])
def test_fractions_count_what_is_split(by, total):
    data = dataset()
    parts = split_trials(data, by, (0.5, 0.2, 0.3))
    assert [len(set(keys(data, by)[parts[part]])) for part in PARTS] == [total * k // 10 for k in (5, 2, 3)]


def test_split_by_trial_lets_images_recur():
    data = dataset()
    parts = split_trials(data, "trial")
    image = keys(data, "image")
    assert set(image[parts["train"]]) & set(image[parts["test"]])


def test_seed_decides():
    data = dataset()
    one, same, other = (split_trials(data, seed=seed) for seed in (3, 3, 4))
    for part in PARTS:
        np.testing.assert_array_equal(one[part], same[part])
    assert one["test"].tolist() != other["test"].tolist()


def test_an_image_keeps_its_part_whatever_the_order_of_scenes_and_trials():
    data = dataset()
    scenes = data.scenes[::-1]
    trials = [Trial(len(scenes) - 1 - t.scene, t.scanpath, t.objects) for t in data.trials[::-1]]
    turned = ScanpathDataset("toy", scenes, tuple(trials))
    for part in PARTS:
        one, other = (set(keys(d, "image")[split_trials(d)[part]]) for d in (data, turned))
        assert one == other


def test_scenes_without_an_image_count_by_name():
    scenes = tuple(Scene(f"s{i}", (4, 4), [[0, 0, 4, 4]]) for i in range(10))
    trials = tuple(Trial(i % 10, Scanpath([[1, 1]]), np.array([0])) for i in range(30))
    parts = split_trials(ScanpathDataset("toy", scenes, trials))
    assert sorted(len(parts[part]) for part in PARTS) == [3, 6, 21]  # 1, 2 and 7 scenes of three trials


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "layout"}, "data.split_by must be 'image', 'subject' or 'trial', got 'layout'"),
        ({"fractions": (0.7, 0.3, 0.0)}, "data.fractions must be three positive numbers with sum 1"),
        ({"fractions": (0.5, 0.2, 0.2)}, "data.fractions must be three positive numbers with sum 1"),
        ({"fractions": (1.2, -0.1, -0.1)}, "data.fractions must be three positive numbers with sum 1"),
        ({"fractions": (0.5, 0.5)}, "data.fractions must be three positive numbers with sum 1"),
        ({"fractions": (0.25, 0.25, 0.25, 0.25)}, "data.fractions must be three positive numbers with sum 1"),
        ({"fractions": (0.98, 0.01, 0.01)}, r"toy: 20 images are too few .* val is empty"),
    ],
)
def test_impossible_splits(options, message):
    with pytest.raises(ValueError, match=message):
        split_trials(dataset(), **options)


def test_message_names_what_was_split():
    with pytest.raises(ValueError, match=re.escape("toy: 2 subjects are too few")):
        split_trials(dataset(observers=2), "subject")


def test_assigned_names_keep_their_parts_in_another_copy():
    """What was trained on stays training, in a copy with fewer scenes and with more."""
    from gazekit.datasets import load
    from gazekit.datasets.split import part_names

    whole = load("synthetic_search", n_scenes=20, n_observers=2)
    some = replace(whole, trials=tuple(t for t in whole.trials if t.scene < 15))
    parts = split_trials(some)
    assigned = part_names(some, "image", parts)
    again = split_trials(some, assigned=assigned)
    assert all((again[part] == parts[part]).all() for part in parts)
    larger = split_trials(whole, assigned=assigned)
    seen = {whole.trials[i].scene for part in ("train", "val") for i in parts[part]}
    assert not seen & {whole.trials[i].scene for i in larger["test"]}
    assert {whole.trials[i].scene for i in larger["test"]} >= set(range(15, 20))
