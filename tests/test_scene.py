import numpy as np
import pytest
import torch
from toys import CATEGORIES, random_batch, random_scene, random_trial

from gazekit.datasets.files import grid_boxes
from gazekit.scene import Scene, SceneBatch, TrialBatch

BOXES = [[0, 0, 5, 10], [5, 0, 10, 10]]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"boxes_px": [[0, 0, 11, 10]]}, "scene 'a': box 0 .* lies outside the 10 x 10 px picture"),
        ({"target": 2}, "scene 'a': target 2 is unknown, expected an object index from 0 to 1"),
        ({"target": -1}, "scene 'a': target -1 is unknown"),
        ({"categories": ("cup",)}, "scene 'a': 1 categories for 2 boxes"),
        ({"crops": np.zeros((2, 4, 4, 3))}, r"scene 'a': crops must be uint8 \[2, h, w, 3\], got float64"),
        (
            {"crops": np.zeros((1, 4, 4, 3), np.uint8)},
            r"scene 'a': crops must be .* got uint8 \[1, 4, 4, 3\]",
        ),
        ({"crops": np.zeros((2, 3, 4, 4), np.uint8)}, "scene 'a': crops must be"),
        ({"crops": np.zeros((2, 4, 4), np.uint8)}, "scene 'a': crops must be"),
    ],
)
def test_scene_refuses_what_cannot_be(facts, message):
    with pytest.raises(ValueError, match=message):
        Scene("a", (10, 10), **{"boxes_px": BOXES, **facts})


def test_padding_of_scenes():
    rng = np.random.default_rng(0)
    small = random_scene(rng, 2, target=None, start_xy_px=None, crop=(4, 3))
    large = random_scene(rng, 4, target=3, crop=(4, 3))
    batch = SceneBatch.from_scenes([small, large], CATEGORIES)
    assert len(batch) == 2
    assert batch.boxes_px.shape == (2, 4, 4)
    assert batch.object_mask.tolist() == [[True, True, False, False], [True] * 4]
    assert (batch.boxes_px[0, 2:] == 0).all()
    assert (batch.crops[0, 2:] == 0).all()
    assert (batch.category[0, 2:] == 0).all()
    np.testing.assert_array_equal(batch.boxes_px[0, :2], small.boxes_px)
    assert batch.target.tolist() == [-1, 3]
    assert batch.start_xy_px.tolist() == [[300, 200], [250, 120]]
    assert batch.size_px.tolist() == [[600, 400]] * 2
    assert batch.crops.shape == (2, 4, 3, 4, 3)  # channels first
    np.testing.assert_allclose(batch.crops[1, 3, :, 2, 1], large.crops[3, 2, 1] / 255, rtol=1e-6)
    np.testing.assert_array_equal(batch.centres_px[1], (large.boxes_px[:, :2] + large.boxes_px[:, 2:]) / 2)


def test_categories_are_counted_in_the_vocabulary():
    scene = Scene("a", (10, 10), BOXES, categories=("pen", "hat"))
    assert SceneBatch.from_scenes([scene], CATEGORIES).category.tolist() == [[2, 0]]
    assert SceneBatch.from_scenes([Scene("b", (10, 10), BOXES)], CATEGORIES).category.tolist() == [[0, 0]]


def test_crops_of_all_scenes_or_of_none():
    rng = np.random.default_rng(0)
    with_crops, other_size, without = (random_scene(rng, 2, crop=c) for c in ((4, 3), (4, 4), None))
    assert SceneBatch.from_scenes([without, without]).crops is None
    for pair in ([with_crops, without], [with_crops, other_size]):
        with pytest.raises(ValueError, match="crops of one size, got"):
            SceneBatch.from_scenes(pair)


@pytest.mark.parametrize(
    ("rows", "columns", "size"), [(6, 14, (2562, 1602)), (3, 9, (1674, 915)), (1, 1, (30, 50))]
)
def test_spacing_of_a_grid_is_its_cell(rows, columns, size):
    boxes = grid_boxes(size, rows, columns)
    spacing = SceneBatch.from_scenes([Scene("grid", size, boxes)]).spacing_px
    torch.testing.assert_close(spacing, torch.tensor([[size[0] / columns, size[1] / rows]]))


def test_spacing_does_not_change_with_padding():
    rng = np.random.default_rng(0)
    small, large = random_scene(rng, 2), random_scene(rng, 9)
    alone = SceneBatch.from_scenes([small]).spacing_px
    torch.testing.assert_close(SceneBatch.from_scenes([small, large]).spacing_px[:1], alone)


def test_spacing_grows_with_the_picture():
    rng = np.random.default_rng(0)
    scene = random_scene(rng, 5)
    double = Scene("double", (1200, 800), scene.boxes_px * 2)
    batch = SceneBatch.from_scenes([scene, double])
    torch.testing.assert_close(batch.spacing_px[1], 2 * batch.spacing_px[0])


def test_rows_of_a_batch():
    batch = random_batch(crop=(4, 3)).scenes
    chosen = batch[torch.tensor([2, 0, 2])]
    assert len(chosen) == 3
    assert chosen.target.tolist() == [3, 2, 3]
    torch.testing.assert_close(chosen.crops[1], batch.crops[0])
    assert random_batch().scenes[torch.tensor([0])].crops is None


def test_trials_share_their_scenes():
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, n) for n in (3, 4, 5)]
    trials = [random_trial(rng, scene, scenes, length) for scene, length in ((2, 3), (0, 0), (2, 5))]
    batch = TrialBatch.from_trials(scenes, trials, [7, 8, 9], CATEGORIES)
    assert len(batch.scenes) == 2  # scene 1 is not used
    assert batch.scenes.object_mask.sum(1)[batch.scene_of_trial].tolist() == [5, 3, 5]
    assert batch.trial.tolist() == [7, 8, 9]
    assert batch.mask.sum(1).tolist() == [3, 0, 5]
    assert len(batch) == 3
    for row, trial in zip(batch.objects, trials, strict=True):
        assert row[: len(trial.objects)].tolist() == trial.objects.tolist()


def test_moving_takes_everything_along():
    batch = random_batch(crop=(4, 3)).to("meta")
    tensors = [*vars(batch).values(), *vars(batch.scenes).values()]
    assert {t.device.type for t in tensors if isinstance(t, torch.Tensor)} == {"meta"}
    assert random_batch().to("meta").scenes.crops is None
