"""Boxes carried through videos whose truth is known: how well they still fit after so many frames."""

import numpy as np
import pytest

from gazekit.annotate.model.propagation import Tracker, propagate
from gazekit.datasets.synthetic_egocentric import make
from gazekit.recordings import Recording
from gazekit.recordings.aoi import read_coco
from gazekit.recordings.video import SceneVideo


class Pictures(list):
    read = list.__getitem__


def overlap(a, b):
    sides = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    both = sides.prod(1)
    return both / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both)


@pytest.fixture(scope="module")
def toy(shared_data):
    """Decoded frames, [150, 5, 4] true boxes."""
    folder = shared_data / "annotation_toy"
    recording = Recording.open(folder / "neon_export" / "toy-0001")
    aois = read_coco(folder / "exports" / "coco_ground_truth.json")
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        pictures = Pictures(video.frames(range(len(video))))
    return pictures, np.stack([aoi.boxes_at(np.arange(150)) for aoi in aois], 1)


@pytest.mark.parametrize(("start", "stop", "step"), [(20, 81, 1), (100, 39, -1)])
def test_boxes_still_fit_after_sixty_frames(toy, start, stop, step):
    pictures, truth = toy
    found = {abs(p.frame - start): p for p in propagate(pictures, start, truth[start], stop, step)}
    assert list(found) == list(range(1, 61))
    for distance, mean, kept in ((1, 0.93, 5), (10, 0.92, 4), (30, 0.9, 4), (60, 0.85, 4)):
        boxes, confidence = found[distance].boxes, found[distance].confidence
        alive = confidence > 0
        iou = overlap(boxes[alive], truth[start + step * distance][alive])
        assert alive.sum() >= kept and iou.mean() >= mean and iou.min() > 0.75, (distance, iou)
        assert np.isnan(boxes[~alive]).all()


def test_frames_may_be_left_out(toy):
    pictures, truth = toy
    found = list(propagate(pictures, 0, truth[0], 40, 5))
    assert [p.frame for p in found] == [5, 10, 15, 20, 25, 30, 35]
    assert np.nanmean(overlap(found[-1].boxes, truth[35])) > 0.9


def test_confidence_never_rises_and_lost_boxes_stay_lost():
    video = make(9, "hard", seed=1, labelled_s=5)
    start = 90
    previous = np.ones(len(video.boxes_px[start]))
    for _, boxes, confidence in propagate(video, start, video.boxes_px[start], len(video)):
        assert (confidence <= previous).all() and (confidence[previous == 0] == 0).all()
        assert (np.isnan(boxes).any(1) == (confidence == 0)).all()
        previous = confidence
    assert (previous == 0).sum() > 0  # the camera turned to another place


def test_a_box_is_not_left_behind_on_the_wall():
    """When the camera has turned to the next place, nothing of the last one may remain."""
    video = make(12, "medium", seed=2, labelled_s=5)
    start = int(video.frame_at(3500))
    last = [p.frame for p in propagate(video, start, video.boxes_px[start], len(video))][-1]
    assert video.t_ms[last] < 4700
    assert not set(video.tracks[int(video.frame_at(5000))]) & set(video.tracks[start])


def test_a_covered_box_is_lost(toy):
    pictures, truth = toy
    covered = Pictures([pictures[0]] * 6)
    x0, y0, x1, y1 = truth[0, 2].round().astype(int)
    noise = np.random.default_rng(0).integers(0, 255, (y1 - y0, x1 - x0, 3), dtype=np.uint8)
    for k in (3, 4, 5):
        covered[k] = pictures[0].copy()
        covered[k][y0:y1, x0:x1] = noise
    found = list(propagate(covered, 0, truth[0], 6))
    assert (
        found[1].confidence[2] > 0.5
        and found[2].confidence[2] == 0
        and (found[2].confidence > 0.3).sum() == 4
    )


def test_still_pictures_leave_boxes_where_they_are(toy):
    pictures, truth = toy
    *_, last = propagate(Pictures([pictures[0]] * 20), 0, truth[0], 20)
    np.testing.assert_allclose(last.boxes, truth[0], atol=0.05)


def test_a_shift_and_a_zoom_are_followed_to_a_tenth_of_a_pixel():
    """Large pictures are followed in small copies; the boxes are in the pixels of the large ones."""
    import cv2

    base = make(2, "easy", seed=0, labelled_s=1, size_px=(1280, 960))
    picture, boxes = base.read(0), base.boxes_px[0]
    zoom, shift = 1.05, np.array([24.0, -16.0])
    # pixel middles lie at k + 1/2
    matrix = np.array([[zoom, 0, shift[0] + (zoom - 1) / 2], [0, zoom, shift[1] + (zoom - 1) / 2]])
    moved = cv2.warpAffine(picture, matrix, (1280, 960), borderMode=cv2.BORDER_REPLICATE)
    (found,) = propagate(Pictures([picture, moved]), 0, boxes, 2)
    np.testing.assert_allclose(found.boxes, boxes * zoom + np.tile(shift, 2), atol=1.0)


def test_nothing_to_follow():
    grey = Pictures([np.full((60, 80, 3), 128, np.uint8)] * 3)
    assert list(propagate(grey, 0, np.array([[10.0, 10, 40, 40]]), 3)) == []
    assert list(propagate(grey, 0, np.zeros((0, 4)), 3)) == []
    assert list(propagate(grey, 1, np.array([[10.0, 10, 40, 40]]), 1)) == []


def test_limits_are_obeyed(toy):
    pictures, truth = toy
    strict = list(propagate(pictures, 0, truth[0], 60, tracker=Tracker(min_confidence=0.95)))
    loose = list(propagate(pictures, 0, truth[0], 60))
    assert sum((p.confidence > 0).sum() for p in strict) < sum((p.confidence > 0).sum() for p in loose)
    assert all(c == 0 or c >= 0.95 for p in strict for c in p.confidence)


@pytest.mark.parametrize(
    ("boxes", "frame", "stop", "step", "error", "text"),
    [
        ([[5, 5, 5, 9]], 0, 3, 1, ValueError, "x_min < x_max"),
        ([[5, 5, np.nan, 9]], 0, 3, 1, ValueError, "finite"),
        ([[1, 1, 5, 9]], 0, 3, 0, ValueError, "step must not be 0"),
        ([[1, 1, 5, 9]], 9, 12, 1, IndexError, "frames 0 to 2, got 9"),
        ([[1, 1, 5, 9]], 0, 12, 1, IndexError, "frames 0 to 2, got 11"),
        ([[1, 1, 5, 9]], 2, -3, -1, IndexError, "frames 0 to 2, got -2"),
    ],
)
def test_what_cannot_be_followed(boxes, frame, stop, step, error, text):
    grey = Pictures([np.full((60, 80, 3), 128, np.uint8)] * 3)
    with pytest.raises(error, match=text):
        propagate(grey, frame, np.array(boxes, float), stop, step)
