"""The generated world of people who look at things, and its ideal observer."""

import numpy as np
import pytest
import torch

from gazekit.datasets.gaze_drawing import draw_scene, head_box, target_masks
from gazekit.datasets.gaze_targets import mirrored
from gazekit.datasets.gaze_world import GRID, HEAD_SD_DEG, SALIENT_WEIGHT, posterior, sample_scene
from gazekit.datasets.synthetic_gaze import SyntheticGaze, clip_scenes, picture_of, write_clip
from gazekit.metrics import AveragePrecision, DistanceToMean
from gazekit.recordings.video import SceneVideo


@pytest.fixture(scope="module")
def scenes():
    return [sample_scene(seed) for seed in range(300)]


@pytest.fixture
def data():
    made = SyntheticGaze(pictures=20, scored=12, clips=1, batch_size=4)
    made.setup()
    return made


def test_a_seed_makes_the_same_picture():
    first, again = (draw_scene(sample_scene(7), 96) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, draw_scene(sample_scene(8), 96)[:, : first.shape[1]])


def test_true_directions_lead_to_the_targets(scenes):
    for scene in scenes:
        for head in scene.heads:
            if head.target >= 0:
                way = head.point - head.xy
                assert np.isclose(np.arctan2(way[1], way[0]), np.angle(np.exp(1j * head.angle)))
                assert (head.point >= 0).all() and (head.point <= [scene.aspect, 1]).all()


def test_drawn_heads_deviate_as_much_as_the_world_says(scenes):
    off = np.array([h.head_angle - h.angle for scene in scenes for h in scene.heads])
    assert np.rad2deg(off.std()) == pytest.approx(HEAD_SD_DEG, rel=0.1)


def test_salient_things_are_looked_at_more_often(scenes):
    looked = {True: 0.0, False: 0.0}
    there = {True: 0.0, False: 0.0}
    for scene in scenes:
        for thing in scene.things:
            there[thing.salient] += len(scene.heads)
        for head in scene.heads:
            if 0 <= head.target < len(scene.things):
                looked[scene.things[head.target].salient] += 1
    ratio = looked[True] / there[True] / (looked[False] / there[False])
    assert ratio == pytest.approx(SALIENT_WEIGHT, rel=0.3)


def test_the_posterior_is_calibrated(scenes):
    """Of the people whose target is in the frame with probability p, a share p has it there; cells likewise."""
    said, truth, found = [], [], []
    for scene in scenes[:150]:
        for k, head in enumerate(scene.heads):
            heatmap, inside = posterior(scene, k)
            assert heatmap.shape == (GRID, GRID) and heatmap.sum() == pytest.approx(1)
            said.append(inside)
            truth.append(head.target >= 0)
            if head.target >= 0:
                column, row = np.minimum((head.point / [scene.aspect, 1] * GRID).astype(int), GRID - 1)
                ranked = np.sort(heatmap.ravel())[::-1].cumsum()
                found.append(ranked[(heatmap > heatmap[row, column]).sum()])
    said, truth = np.array(said), np.array(truth)
    assert np.mean(said) == pytest.approx(truth.mean(), abs=0.03)
    unsure = (said > 0.1) & (said < 0.9)
    assert unsure.sum() < 10 or np.mean(said[unsure]) == pytest.approx(truth[unsure].mean(), abs=0.25)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(
        0.5, abs=0.08
    )  # the smallest region of half the mass


def test_ideal_observer_is_far_above_guessing(data):
    ideal = data.references()["ideal observer"]
    distance, precision = DistanceToMean(), AveragePrecision()
    for batch in data.batches("test"):
        said = ideal.predict(batch, torch.Generator())
        distance.update(said["predicted_norm"], batch["points_norm"])
        precision.update(said["scores"], batch["labels"])
    assert distance.compute() < 0.15
    assert precision.compute() > 0.95


def test_masks_hold_the_targets(scenes):
    height = 128
    hit = []
    for scene in scenes[:40]:
        for mask, head in zip(target_masks(scene, height), scene.heads, strict=True):
            assert mask.any() == (head.target >= 0)
            if head.target >= 0:
                x, y = np.minimum((head.point * height).astype(int), np.array(mask.shape)[::-1] - 1)
                hit.append(mask[y, x])
    assert np.mean(hit) > 0.9  # a star has gaps


def test_heads_are_where_their_boxes_are():
    """Only the head moves between two pictures: pixels change inside its old and new boxes (and the body below)."""
    scene, moved = sample_scene(3), sample_scene(3)
    moved.heads[0].head_angle += 2.0
    changed = (draw_scene(scene, 160) != draw_scene(moved, 160)).any(-1)
    rows, columns = np.nonzero(changed)
    x_min, y_min, x_max, y_max = head_box(scene.heads[0]) * 160
    reach = 0.2 * (x_max - x_min)  # the nose
    assert columns.min() > x_min - reach and columns.max() < x_max + reach
    assert rows.min() > y_min - reach and rows.max() < y_max + reach


def test_a_mirrored_picture_is_the_picture_of_the_mirrored_world():
    picture = picture_of(sample_scene(5), "a")
    there_and_back = mirrored(mirrored(picture))
    assert np.array_equal(there_and_back.read(), picture.read())
    for before, after in zip(picture.people, there_and_back.people, strict=True):
        assert np.allclose(before.head_px, after.head_px)
        assert np.allclose(before.direction_xy, after.direction_xy)
        assert np.allclose(before.pose_xy, after.pose_xy)


def test_parts_do_not_share_scenes(data):
    pictures = [data.scene(i).seed for name in ("train", "val", "test") for i in data.parts[name]]
    assert len(set(pictures)) == len(pictures)


def test_clips_turn_heads_smoothly_and_look_at_several_things():
    scenes = clip_scenes(4, 60)
    for k in range(len(scenes[0].heads)):
        turns = np.diff(np.unwrap([scene.heads[k].head_angle for scene in scenes]))
        assert np.abs(turns).max() <= np.pi / 3 + 1e-6
        assert len({scene.heads[k].target for scene in scenes}) > 1


def test_groups_of_a_video_are_clips(data):
    batch = data.batch(data.parts["video"][:5].tolist())
    assert len(batch["group"].unique()) == 1
    assert len(batch["picture"].unique()) == 5


def test_a_written_clip_can_be_read_frame_by_frame(tmp_path):
    pictures = write_clip(2, tmp_path / "clip.mp4", frames=6)
    with SceneVideo(tmp_path / "clip.mp4") as video:
        assert len(video) == 6
        frame, drawn = video.read(3), pictures[3].read()
        assert np.abs(frame.astype(int) - drawn[: frame.shape[0], : frame.shape[1]]).mean() < 12


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pictures": 0}, "data.pictures must be at least 1"),
        ({"split": "all"}, "data.split must be one of train"),
    ],
)
def test_wrong_settings_are_named(settings, said):
    with pytest.raises(ValueError, match=said):
        SyntheticGaze(**settings).setup()
