"""Detections are made once, also over a restart."""

import numpy as np
import pytest
import torch
from fake_model import KnownBoxes

from gazekit.annotate.model import detection_cache as module
from gazekit.annotate.model.detection_cache import DetectionCache
from gazekit.annotate.model.model import Model
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession
from gazekit.models.impn import Learner
from gazekit.models.impn.detections import Detections
from gazekit.models.impn.detector import TinyDetector


class CountingDetector:
    """Finds another number of things in each frame."""

    def __init__(self):
        self.asked = []

    def detect(self, frames):
        number = int(frames[0][0, 0, 0])
        self.asked.append(number)
        draw = torch.Generator().manual_seed(number)
        count = number % 4
        boxes, probs = (torch.rand(count, columns, generator=draw) for columns in (4, 3))
        return [Detections(boxes, probs, torch.rand(count, 8, generator=draw), (320.0, 240.0))]


def picture(frame):
    return np.full((2, 2, 3), frame, np.uint8)


@pytest.fixture
def seen():
    found = DetectionCache()
    for frame in range(10):
        found.get(CountingDetector(), 3, frame, picture)
    return found


def test_what_was_found_comes_back(seen, tmp_path):
    seen.save(tmp_path / "x", 3, [*range(4, 10), 77], "000002")
    again, looking = DetectionCache(), CountingDetector()
    again.load(tmp_path / "x", 0, "000002")
    for frame in range(10):
        one, other = again.get(looking, 0, frame, picture), seen.get(None, 3, frame, picture)
        assert one.size_px == other.size_px
        assert all(a.equal(b) for a, b in zip(one[:3], other[:3], strict=True))
    assert looking.asked == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_is_of_another_checkpoint_or_damaged_is_not_used(seen, tmp_path, caplog):
    path = tmp_path / "x"
    seen.save(path, 3, range(10), "000002")
    whole = path.read_bytes()

    def used(of="000002"):
        again, looking = DetectionCache(), CountingDetector()
        again.load(path, 0, of)
        again.get(looking, 0, 5, picture)
        return not looking.asked

    assert used() and not used("000003") and not caplog.records
    for length in (0, 20, len(whole) - 3):
        path.write_bytes(whole[:length])
        assert not used()
    path.unlink()
    assert not used()
    from safetensors.torch import load, save_file

    save_file(load(whole) | {"boxes": torch.zeros(3, 4)}, path, {"of": "000002"})
    assert not used() and "not of one length" in caplog.text


def test_no_more_is_written_than_the_limit(seen, tmp_path, monkeypatch):
    one = sum(part.nbytes for part in seen.get(None, 3, 3, picture)[:3])
    monkeypatch.setattr(module, "SAVED_BYTES", 2 * one)
    seen.save(tmp_path / "x", 3, [3, 7, 2, 1], "1")
    again, looking = DetectionCache(), CountingDetector()
    again.load(tmp_path / "x", 0, "1")
    for frame in (3, 7, 2, 1):
        again.get(looking, 0, frame, picture)
    assert looking.asked == [2, 1]
    DetectionCache().save(tmp_path / "none", 0, [1, 2], "1")
    assert not (tmp_path / "none").exists()


def test_fixation_frames_are_not_detected_again_after_a_restart(shared_data, tmp_path, monkeypatch):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path / "project", recording) as project:
        project.store.act({"op": "label.add", "name": "cup"}, "ada")
        detector = TinyDetector(["label 1"])
        detector.detect = KnownBoxes([[20, 40, 120, 140]], ["label 1"]).detect
        session = AnnotationSession(project, detector, Learner(1, 8))
        session.loop.predicting.wait()
        session.loop.model.version = 1
        session.loop.model.save()
        session.loop._save_detections()
        frames = sorted(frame for frame in session.fixation_table.rows if frame >= 0)
        session.close()

        again = Model(project.checkpoints, identity=project.identity)
        monkeypatch.setattr(again.detector, "detect", None)
        assert again.ready and frames
        for frame in frames:
            assert len(again.predict(frame, None).boxes) == 1
        copied = Model(project.checkpoints, identity=project.identity | {"project": "another one"})
        assert copied._detections._kept.get((0, frames[0])) is None
        TinyDetector(["label 1"], seed=1).save(project.checkpoints / "000001" / "detector.safetensors")
        other = Model(project.checkpoints, identity=project.identity)
        assert other.ready and other._detections._kept.get((0, frames[0])) is None
