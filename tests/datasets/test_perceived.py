"""Pictures as four perceptual systems see them: generated ones and class folders."""

import cv2
import numpy as np
import pytest
import torch

from gazekit.datasets.layout_world import draw_pictures, layouts_of, sample_items
from gazekit.datasets.perceived_folders import PerceivedFolders
from gazekit.datasets.perceived_scenes import PerceivedScenes
from gazekit.datasets.perceived_store import Store
from gazekit.errors import DataError
from gazekit.foveation import similarity

TINY = {"classes": 4, "pictures": 12, "scored": 8, "matched": 4, "batch_size": 4}


@pytest.fixture(scope="module")
def scenes():
    data = PerceivedScenes(runs=2, **TINY)
    data.setup()
    return data


def test_layouts_of_classes_are_far_apart():
    for seed in range(5):
        layouts = layouts_of(seed, 12)
        apart = (layouts[:, None] ^ layouts).sum(-1)[~np.eye(12, dtype=bool)]
        assert layouts.sum(1).tolist() == [4] * 12 and apart.min() >= 4
    assert (layouts_of(3, 12) == layouts_of(3, 12)).all() and (layouts_of(3, 12) != layouts_of(4, 12)).any()
    with pytest.raises(ValueError, match="between 2 and 14"):
        layouts_of(0, 15)


def explained(cue):
    """Test accuracy of linear discriminants on features of one cue, where only that cue follows the class."""
    classes, many, tested = 12, 960, 240
    label = np.arange(many + tested) % classes
    other = np.random.default_rng(0).integers(classes, size=many + tested)
    layout, texture = (label, other) if cue == "layout" else (other, label)
    pictures = draw_pictures(sample_items(0, 1, layout, texture, classes), 64).mean(-1)
    if (
        cue == "layout"
    ):  # mean brightness against the median at 9 x 9 places, whatever the polarity and the contrast
        edges = np.arange(9) * 64 // 9
        sums = np.add.reduceat(np.add.reduceat(pictures, edges, 1), edges, 2)
        features = (sums * (9 / 64) ** 2 - np.median(pictures, (1, 2), keepdims=True)).reshape(-1, 81)
        features *= np.sign((features * np.abs(features)).sum(1, keepdims=True))
        features /= np.sqrt((features**2).mean(1, keepdims=True))
    else:  # power at each frequency, whatever its orientation and place
        power = np.abs(np.fft.fft2(pictures)) ** 2
        radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(64, 1 / 64)] * 2))
        rings = [power[:, (radius >= r) & (radius < r + 2)].mean(1) for r in range(3, 33, 2)]
        features = np.log(np.stack(rings, 1))
    x, y = features[:many], label[:many]
    means = np.stack([x[y == k].mean(0) for k in range(classes)])
    spread = np.cov((x - means[y]).T)
    weights = np.linalg.solve(spread + 1e-3 * np.trace(spread) / len(spread) * np.eye(len(spread)), means.T)
    logits = features[many:] @ weights - (means.T * weights).sum(0) / 2
    return (logits.argmax(1) == label[many:]).mean()


@pytest.mark.parametrize(
    ("cue", "least"), [("layout", 0.72), ("texture", 0.88)]
)  # found .81 and .96, chance .08
def test_each_cue_alone_names_the_class(cue, least):
    assert explained(cue) > least


def test_batches(scenes):
    batch = scenes.training_batch(0)
    assert batch["views"].shape == (8, 4, 64, 64, 3) and batch["views"].dtype == torch.uint8
    assert batch["run"].tolist() == [0] * 4 + [1] * 4
    orders = [
        np.concatenate([scenes.training_batch(s)["group"][4 * k : 4 * k + 4] for s in range(3)])
        for k in (0, 1)
    ]
    assert all(sorted(order) == list(range(12)) for order in orders) and (orders[0] != orders[1]).any()
    test = scenes.batch(scenes.parts["test"])
    assert test["label"].tolist() == [0, 1, 2, 3] * 2 and "run" not in test
    assert len({tuple(np.asarray(batch["views"][0, k]).ravel()) for k in range(4)}) == 4


def test_a_picture_depends_on_world_part_and_number_only(scenes):
    other = PerceivedScenes(**TINY | {"pictures": 40, "classes": 4})
    other.setup()
    a, b = (d.batch(d.parts["test"][[5]])["views"] for d in (scenes, other))
    assert torch.equal(a[:, 0], b[:, 0]) and not torch.equal(a[:, 0], scenes.batch([5])["views"][:, 0])
    world = PerceivedScenes(**TINY, world_seed=1)
    world.trained_with = scenes.facts()
    world.setup()
    assert not torch.equal(a[:, 0], world.batch(world.parts["test"][[5]])["views"][:, 0])
    assert world.facts()["sigma_px"] == scenes.facts()["sigma_px"]


def test_blurs_lose_as_much_as_the_texture(scenes):
    index = scenes.parts["val"][np.linspace(0, 7, 4).astype(int)]
    views = scenes.batch(index)["views"].movedim(-1, 2).float() / 255
    reference, texture, *blurs = (similarity(views[:, 0], views[:, k]).mean() for k in range(4))
    assert reference == 1 and texture < 0.9
    for blur in blurs:
        assert abs(blur - texture) < 0.01  # of whole grey levels
    means = np.array(scenes.facts()["mean_colour"])
    assert means.shape == (4, 3) and np.ptp(means, axis=0).max() < 3


def test_wrong_settings_are_named():
    for settings, message in (
        ({"side_px": 50}, "multiple of 16"),
        ({"cue": "smell"}, "data.cue"),
        ({"pictures": 3}, "at least the number of classes"),
        ({"runs": 0}, "data.runs must be above 0"),
        ({"split": "exam"}, "data.split"),
    ):
        with pytest.raises(ValueError, match=message):
            PerceivedScenes(**settings)
    data = PerceivedScenes(**TINY)
    data.trained_with = {"side_px": 256}
    with pytest.raises(ValueError, match="256 px"):
        data.setup()
    data.trained_with = {"classes": ["a", "b"]}
    with pytest.raises(ValueError, match="other classes"):
        data.setup()


def test_a_store_computes_once_and_refuses_other_settings(tmp_path):
    asked = []

    def compute(index):
        asked.extend(index.tolist())
        return np.stack([np.full((2, 2), i, np.uint8) for i in index])

    for where in ("memory", str(tmp_path / "kept")):
        store = Store(where, (6, 2, 2), {"a": 1})
        for index in ([3, 1, 3], [1, 4], [3]):
            assert store.get(np.array(index), compute)[:, 0, 0].tolist() == index
        assert sorted(asked) == [1, 3, 4]
        asked.clear()
    again = Store(str(tmp_path / "kept"), (6, 2, 2), {"a": 1})
    assert again.get(np.array([4, 0]), compute)[:, 0, 0].tolist() == [4, 0] and asked == [0]
    with pytest.raises(DataError, match="set data"):
        Store(str(tmp_path / "kept"), (6, 2, 2), {"a": 2})
    nothing = Store(None, (6, 2, 2), {})
    assert nothing.get(np.array([2, 2]), compute)[:, 0, 0].tolist() == [2, 2]


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for k, name in enumerate(("bridge", "ocean")):
        (tmp_path / name).mkdir()
        for n in range(1, 12):
            rough = draw.integers(0, 255, (6, 8, 3), np.uint8)
            rough[..., 2] = 20 * n
            cv2.imwrite(
                str(tmp_path / name / f"{n}.{'png' if k else 'jpg'}"), cv2.resize(rough, (80, 60 + n))
            )
    (tmp_path / "notes.txt").write_text("not a class")
    return tmp_path


def folders(root, **settings):
    return PerceivedFolders(
        str(root), **{"counts": (8, 2, 1), "side_px": 32, "matched": 2, "batch_size": 4} | settings
    )


def test_parts_of_folders_follow_the_numbers_in_names(folder):
    data = folders(folder)
    data.setup()
    assert data.facts()["classes"] == ["bridge", "ocean"]
    assert {part: len(index) for part, index in data.parts.items()} == {"train": 16, "val": 4, "test": 2}
    assert data.items(data.parts["val"]) == ["bridge/9.jpg", "bridge/10.jpg", "ocean/9.png", "ocean/10.png"]
    assert data.items(data.parts["test"]) == ["bridge/11.jpg", "ocean/11.png"]
    batch = data.batch(data.parts["test"])
    assert batch["views"].shape == (2, 4, 32, 32, 3) and batch["label"].tolist() == [0, 1]
    picture = cv2.imread(str(folder / "ocean/11.png"), cv2.IMREAD_COLOR_RGB)
    squeezed = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(batch["views"][1, 0].numpy().astype(int) - squeezed).max() <= 1
    turned = folders(folder, classes=["ocean", "bridge"])
    turned.trained_with = {k: v for k, v in data.facts().items() if k != "classes"}
    turned.setup()
    assert turned.items(turned.parts["test"]) == ["ocean/11.png", "bridge/11.jpg"]


def test_what_is_wrong_with_folders_is_named(folder):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        folders(folder / "nowhere").setup()
    with pytest.raises(DataError, match="no folder of kitchen"):
        folders(folder, classes=["bridge", "kitchen"]).setup()
    with pytest.raises(DataError, match="bridge has 11 pictures"):
        folders(folder, counts=(9, 2, 1)).setup()
    with pytest.raises(ValueError, match="three numbers"):
        folders(folder, counts=(9, 2))
    data = folders(folder)
    data.setup()
    (folder / "bridge" / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bridge/1\.jpg is no picture"):
        data.batch([0])
