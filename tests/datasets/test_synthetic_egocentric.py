"""The generated egocentric videos: truth that agrees with the pictures, the gaze and what is written."""

import json

import numpy as np
import pytest

from gazekit.datasets.egocentric_world import BASE_PX, Difficulty, World
from gazekit.datasets.synthetic_egocentric import DIFFICULTIES, EXCLUSIVE, LABELS, make
from gazekit.recordings import Recording
from gazekit.recordings.aoi import map_fixations, read_coco
from gazekit.recordings.video import SceneVideo

STILL = Difficulty(0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module", params=DIFFICULTIES)
def video(request):
    return make(12, request.param, seed=3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    video = make(5, "hard", seed=5, rate_hz=20)
    return video, video.write(tmp_path_factory.mktemp("egocentric") / "walk")


def test_same_seed_same_video(video):
    again, other = make(12, video.name.split("-")[1], seed=3), make(12, video.name.split("-")[1], seed=4)
    np.testing.assert_array_equal(video.t_ms, again.t_ms)
    np.testing.assert_array_equal(np.concatenate(video.boxes_px), np.concatenate(again.boxes_px))
    np.testing.assert_array_equal(video.read(40), again.read(40))
    assert video.fixations.equals(again.fixations) and video.gaze.equals(again.gaze)
    assert not np.array_equal(video.read(40), other.read(40))


def test_frames_are_read_in_any_order(video):
    assert video.read(30).shape == (240, 320, 3) and video.read(30).dtype == np.uint8
    np.testing.assert_array_equal(list(video.frames([5, 30]))[1], video.read(30))
    with pytest.raises(IndexError, match=rf"frames 0 to {len(video) - 1}, got {len(video)}"):
        video.read(len(video))


def test_boxes_lie_in_the_picture_and_labels_are_unique(video):
    boxes = np.concatenate(video.boxes_px)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= video.size_px).all()
    assert (boxes[:, 2:] - boxes[:, :2] > 4).all()
    for labels in video.labels:
        assert len(set(labels)) == len(labels)
    assert set(np.concatenate(video.labels)) == set(range(len(LABELS)))


def test_parts_are_split_by_time(video):
    assert video.t_ms[video.labelled].max() < video.labelled_ms <= video.t_ms[video.tested].min()
    assert len(video.labelled) + len(video.tested) == len(video)
    later = np.concatenate([video.tracks[i] for i in video.tested[len(video.tested) // 2 :]])
    assert not set(later) & set(np.concatenate([video.tracks[i] for i in video.labelled]))  # other places


def test_book_is_where_its_box_says():
    """The ink, found in the picture alone."""
    video = make(4, STILL, seed=0, labelled_s=2)
    picture = video.read(10).astype(int)
    red = (picture[..., 0] > 90) & (picture[..., 1] < 70) & (picture[..., 2] < 80)
    y, x = np.nonzero(red)
    (book,) = video.boxes_px[10][video.labels[10] == LABELS.index("book")]
    np.testing.assert_allclose([x.min(), y.min(), x.max() + 1, y.max() + 1], book, atol=1.5)


def test_twins_look_the_same():
    """But for where their edges lie between pixels, which differs."""
    world = World(4, STILL, BASE_PX, np.random.default_rng(1))
    for left, right in EXCLUSIVE:
        cut = []
        for label in (left, right):
            x, y = np.round((world.corners[0, label].min(0) + 400) * world._fine).astype(int)
            w, h = np.floor(np.ptp(world.corners[0, label], axis=0) * world._fine).astype(int)
            cut.append(world._wall[y + 2 : y + h - 2, x + 2 : x + w - 2].astype(float))
        np.testing.assert_allclose(cut[0].mean((0, 1)), cut[1].mean((0, 1)), atol=6)
        assert np.corrcoef(cut[0].ravel(), cut[1].ravel())[0, 1] > 0.8


def test_sides_hold_in_the_picture(video):
    """A left twin is left of its right one; in which half of the picture it is does not always say."""
    half, sides = [], []
    for boxes, labels in zip(video.boxes_px, video.labels, strict=True):
        centre = dict(zip(labels.tolist(), (boxes[:, :2] + boxes[:, 2:]) / 2, strict=True))
        for left, right in EXCLUSIVE:
            if left in centre and right in centre:
                sides.append(centre[left][0] < centre[right][0])
            half += [(centre[k][0] < 160) == (k == left) for k in (left, right) if k in centre]
    assert np.mean(sides) == 1
    assert video.name.startswith("walk-easy") or np.mean(half) < 0.95


def test_rate_varies_and_frames_are_lost():
    easy, hard = make(20, "easy", seed=0), make(20, "hard", seed=0)
    assert np.diff(easy.t_ms).std() > 1 and np.diff(easy.t_ms).max() < 50
    assert (np.diff(hard.t_ms) > 50).mean() == pytest.approx(0.05, abs=0.03)


def test_blur_and_hand():
    sharp, blurred = make(8, "easy", seed=2), make(8, "hard", seed=2)
    world = blurred.world
    times = blurred.t_ms / 1000
    covered = [world.hand(t) is not None for t in times]
    assert 0.1 < np.mean(covered) < 0.9 and sharp.world.hand(1.0) is None
    quick = int(np.argmin(np.abs(times - 4.35)))  # in the middle of a turn
    still = World(8, STILL, BASE_PX, np.random.default_rng(0))
    edges = [np.abs(np.diff(p.astype(float), axis=1)).max() for p in (blurred.read(quick), sharp.read(5))]
    assert edges[0] < edges[1]
    assert still.is_moving(4.1, 4.3) and not still.is_moving(4.8, 5.0) and still.is_moving(3.9, 4.1)


def test_fixations_are_on_what_they_say(video):
    mapped = map_fixations(video.fixations.drop(columns="frame"), video.aois(), video.t_ms)
    assert (mapped["aoi"] == video.fixations["aoi"]).all() and (
        mapped["frame"] == video.fixations["frame"]
    ).all()
    assert len(mapped) > 20 and 0.02 < (mapped["aoi"] == "background").mean() < 0.5
    assert (video.fixations["onset_ms"].to_numpy()[1:] > video.fixations["offset_ms"].to_numpy()[:-1]).all()


def test_gaze_stays_with_the_object_while_the_camera_moves(video):
    """At the time of the fixation's frame the samples are at its position."""
    for row in video.fixations.itertuples():
        own = video.gaze[video.gaze["fixation"] == row.id]
        assert own["t_ms"].between(row.onset_ms, row.offset_ms).all()
        near = own[(own["t_ms"] - video.t_ms[row.frame]).abs() <= 5]
        if len(near):
            assert np.hypot(near["x_px"] - row.x_px, near["y_px"] - row.y_px).max() < 12


def test_written_folder_opens_as_a_recording(written):
    video, folder = written
    recording = Recording.open(folder)
    np.testing.assert_allclose(recording.frame_t_ms, video.t_ms, atol=1e-9)
    fixations = recording.fixations()
    np.testing.assert_allclose(fixations["x_px"], video.fixations["x_px"])
    aois = read_coco(folder / "coco_ground_truth.json")
    assert (map_fixations(fixations, aois, recording.frame_t_ms)["aoi"] == video.fixations["aoi"]).all()
    assert recording.size_px == video.size_px and not recording.notes


def test_written_video_has_its_own_times_and_pictures(written):
    video, folder = written
    (path,) = folder.glob("*.mp4")
    with SceneVideo(path) as scene:
        np.testing.assert_allclose(scene.t_ms, video.t_ms, atol=1e-6)
        for index in (0, 50, 17, len(video) - 1):
            assert np.abs(scene.read(index).astype(int) - video.read(index)).mean() < 6


def test_written_truth_is_coco(written):
    video, folder = written
    truth = json.loads((folder / "coco_ground_truth.json").read_text())
    assert [c["name"] for c in truth["categories"]] == list(LABELS)
    assert len(truth["annotations"]) == sum(map(len, video.labels))
    x, y, w, h = truth["annotations"][0]["bbox"]
    np.testing.assert_allclose([x, y, x + w, y + h], video.boxes_px[0][0])
    with pytest.raises(FileExistsError, match="choose a new folder"):
        video.write(folder)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"difficulty": "extreme"}, "one of easy, medium, hard, got 'extreme'"),
        ({"duration_s": 0}, "must be positive"),
        ({"duration_s": 5, "labelled_s": 5}, "between 0 and duration_s"),
        ({"duration_s": 1, "labelled_s": 0.999}, "no frame on one side"),
    ],
)
def test_settings_that_make_no_video(arguments, text):
    with pytest.raises(ValueError, match=text):
        make(**arguments)
