"""What the model learns from: damaged frames are left out and said, never in the way."""

import numpy as np
import pytest
from fake_model import KnownBoxes

from gazekit.annotate.model.model import Model
from gazekit.annotate.model.training_frames import (
    LONG_SIDE_PX,
    MOST_FRAMES,
    damage_note,
    readable_frames,
    train_detector,
)
from gazekit.annotate.model.truth import FrameTruth
from gazekit.annotate.model.worker import Job, Worker
from gazekit.errors import RecordingError
from gazekit.models.impn import Learner

LEFT, RIGHT = [20, 40, 120, 140], [180, 40, 280, 140]


@pytest.fixture
def job():
    return Job(Worker("training"))


def truth(frames):
    sides, columns = np.array([LEFT, RIGHT], np.float32), np.array([0, 1])
    return [FrameTruth(f, f, 1, sides, columns, np.ones(2, np.float32), True) for f in frames]


def damaged(*frames, error=RecordingError):
    def picture(frame):
        if frame in frames:
            raise error(f"frame {frame} is cut")
        return np.full((240, 320, 3), frame, np.uint8)

    return picture


class Pupil(KnownBoxes):
    """Remembers what it was taught."""

    def fit(self, frames, boxes, labels, **told):
        self.taught = [(frame, box, label) for frame, box, label in zip(frames, boxes, labels, strict=True)]


def test_an_update_leaves_damaged_frames_out(tmp_path, job):
    model = Model(tmp_path, KnownBoxes([LEFT, RIGHT]), Learner(2, 8))
    told, _ = model.learn(truth(range(12)), 2, [], damaged(7, error=OSError), job)
    assert told.startswith("Learnt") and told.endswith("1 labelled frame cannot be read and was left out: 7.")
    assert model.version == 1
    told, _ = model.learn(truth(range(12)), 2, [], damaged(), job)  # it is whole again, or the disk is back
    assert "left out" not in told


def test_a_detector_is_taught_the_others(tmp_path, job):
    model = Model(tmp_path, Pupil([LEFT, RIGHT]), Learner(2, 8))
    pupil = Pupil([LEFT, RIGHT])
    model.detector.with_labels = lambda labels: pupil
    told = model.train_detector(truth(range(100, 112)), 2, damaged(101, 102), job)
    assert told == "The detector was trained. 2 labelled frames cannot be read and were left out: 101, 102."
    seen = {int(frame[0, 0, 0]) for frame, _, _ in pupil.taught}
    assert seen < set(range(100, 112)) - {101, 102} and len(seen) >= 7  # a fifth is held out


def test_a_recording_that_is_gone_is_a_failure(tmp_path, job):
    model = Model(tmp_path, KnownBoxes([LEFT, RIGHT]), Learner(2, 8))
    with pytest.raises(RecordingError, match="frame 2 is cut"):
        model.learn(truth(range(3)), 2, [], damaged(*range(3)), job)
    assert model.version == 0


def test_a_mistake_of_ours_is_no_damaged_frame(job):
    with pytest.raises(ZeroDivisionError):
        readable_frames(truth(range(3)), lambda frame: 1 / frame, job, "")


def test_large_pictures_are_kept_small_and_boxes_with_them(job):
    pupil = Pupil([LEFT])
    assert train_detector(pupil, truth(range(3)), lambda frame: np.zeros((960, 1280, 3), np.uint8), job) == []
    frame, boxes, _ = pupil.taught[0]
    assert frame.shape == (480, LONG_SIDE_PX, 3) and boxes.tolist() == (np.array([LEFT, RIGHT]) / 2).tolist()


def test_many_frames_are_thinned_evenly(job):
    pupil = Pupil([LEFT])
    train_detector(pupil, truth(range(1000)), lambda frame: np.full((4, 4, 3), frame // 4, np.uint8), job)
    kept = [int(frame[0, 0, 0]) for frame, _, _ in pupil.taught]
    assert len(kept) == MOST_FRAMES and kept[0] == 0 and kept[-1] == 249 and max(np.diff(kept)) <= 2


def test_numbers_of_many_damaged_frames_are_not_all_said():
    assert damage_note([]) == ""
    assert damage_note([4, 5, 6, 7]).endswith(
        "4 labelled frames cannot be read and were left out: 4, 5, 6, ...."
    )


def test_what_is_left_is_not_told_while_frames_are_read(monkeypatch):
    """Learning comes after it, and nobody knows yet how long that takes."""
    now, told = [100.0], []
    monkeypatch.setattr("gazekit.annotate.model.worker.time.monotonic", lambda: now[0])

    def picture(frame):
        now[0] += 1.0
        return np.zeros((4, 4, 3), np.uint8)

    class Slow(Pupil):
        def fit(self, frames, boxes, labels, should_stop, progress):
            for share in (0.25, 0.5):
                now[0] += 10.0
                progress(share)

    worker = Worker("training", told.append)
    worker.start(lambda job: str(train_detector(Slow([LEFT]), truth(range(5)), picture, job)))
    assert worker.wait(5)
    reading = [status.eta_s for status in told if status.message.startswith("reading")]
    assert len(reading) == 5 and set(reading) == {None}
    assert [status.eta_s for status in told if status.message.startswith("training")] == [None, 30.0, 20.0]
