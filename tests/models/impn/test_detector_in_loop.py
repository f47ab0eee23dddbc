"""RT-DETRv2 and D-FINE in the annotation loop: begun from a folder, trained, kept in checkpoints, taken along."""

import shutil

import numpy as np
import pytest
from tiny_transformers import write_detector

from gazekit.annotate.model import initial_detectors, model_transfer
from gazekit.annotate.model.model import Model
from gazekit.annotate.model.truth import FrameTruth
from gazekit.annotate.model.worker import Job, Worker
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession, project_setup
from gazekit.models.impn import Learner
from gazekit.models.impn.detector import TinyDetector
from gazekit.models.impn.detector.transformers import TIERS, TransformersDetector
from gazekit.models.impn.detector.transformers_models import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LEFT, RIGHT = [10, 20, 60, 70], [90, 20, 140, 70]


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request, tmp_path_factory):
    return write_detector(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def rt_detr(tmp_path_factory):
    return write_detector("rt_detr_v2", tmp_path_factory.mktemp("rt_detr_v2"))


@pytest.fixture
def quick(monkeypatch):
    """Two steps at 64 px."""
    monkeypatch.setattr(initial_detectors, "SIDE_PX_CPU", 64)
    monkeypatch.setattr(initial_detectors, "SIDE_PX", 64)
    for tier, (_, rates) in TIERS.items():
        monkeypatch.setitem(TIERS, tier, (2, rates))


def truth(frames, columns=(0, 1)):
    sides, columns = np.array([LEFT, RIGHT], np.float32), np.array(columns)
    return [FrameTruth(f, f, 1, sides, columns, np.ones(2, np.float32), True) for f in frames]


def picture(frame):
    return np.random.default_rng(frame).integers(0, 255, (90, 160, 3), dtype=np.uint8)


def test_it_is_trained_kept_and_grown(folder, tmp_path, quick):
    began = tmp_path / "weights"
    shutil.copytree(folder, began)
    job = Job(Worker("training"))
    model = Model(tmp_path / "checkpoints", initial_detector=initial_detectors.checked_detector(str(began)))
    assert model.wants_detector(truth(range(6)))
    assert model.train_detector(truth(range(6)), 2, picture, job) == "The detector was trained."
    told, _ = model.learn(truth(range(6)), 2, [], picture, job)
    assert told.startswith("Learnt") and isinstance(model.detector, TransformersDetector)
    said = model.predict(3, picture)

    shutil.rmtree(began)  # the checkpoint has it all
    again = Model(tmp_path / "checkpoints", initial_detector=str(began))
    assert again.ready and not again.problem and isinstance(again.detector, TransformersDetector)
    same = again.predict(3, picture)
    np.testing.assert_array_equal(same.boxes, said.boxes)
    np.testing.assert_array_equal(same.score, said.score)
    assert not again.wants_detector(truth(range(7)))
    assert again.wants_detector(truth(range(7), (0, 2)))  # a new label is learnt by what is there
    assert again.train_detector(truth(range(7), (0, 2)), 3, picture, job) == "The detector was trained."
    again.learn(truth(range(7), (0, 2)), 3, [], picture, job)
    assert again.detector.labels == ("label 1", "label 2", "label 3") and again.version == 2


def test_another_beginning_trains_a_new_one(rt_detr, tmp_path, quick):
    job = Job(Worker("training"))
    model = Model(tmp_path, TinyDetector(["label 1", "label 2"]))
    model._trained_on, model._known, model.learner = (
        6,
        frozenset([0, 1]),
        Learner(2, TinyDetector.feature_size),
    )
    model.save()
    other = Model(tmp_path, initial_detector=initial_detectors.checked_detector(str(rt_detr)))
    assert isinstance(other.detector, TinyDetector) and other.wants_detector(truth(range(6)))
    other.train_detector(truth(range(6)), 2, picture, job)
    assert not other.wants_detector(truth(range(6)))
    assert isinstance(other._new[0], TransformersDetector)


def test_a_project_keeps_it(rt_detr, shared_data, tmp_path):
    recording = str(shared_data / "annotation_toy" / "neon_export" / "toy-0001")
    with project_setup.create_project(str(tmp_path / "p"), recording) as project:
        project.store.describe(project_setup.checked_settings(str(rt_detr), None))
    with project_setup.existing_project(str(tmp_path / "p"), recording) as project:
        assert initial_detectors.initial_detector(project) == str(rt_detr)
        session = AnnotationSession(project)
        assert session.loop.model.initial_detector == str(rt_detr)
        session.close()
        project.store.describe(project_setup.checked_settings("tiny", None))
        assert initial_detectors.initial_detector(project) == "tiny"
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json"):
        project_setup.checked_settings(str(tmp_path), None)


def test_it_is_taken_along(rt_detr, shared_data, tmp_path, quick):
    model, job = Model(tmp_path / "checkpoints", initial_detector=str(rt_detr)), Job(Worker("training"))
    model.labels = [
        {"id": k, "name": name, "colour": "#112233", "group": ""} for k, name in ((1, "cup"), (2, "pen"))
    ]
    model.train_detector(truth(range(6)), 2, picture, job)
    model.learn(truth(range(6)), 2, [], picture, job)
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with Project.create(tmp_path / "new", recording) as project:
        model_transfer.start_with(model_transfer.read_model(tmp_path / "checkpoints" / "000001"), project)
        taken = Model(project.checkpoints)
    assert taken.ready and isinstance(taken.detector, TransformersDetector)
    np.testing.assert_array_equal(taken.predict(3, picture).boxes, model.predict(3, picture).boxes)


def test_without_transformers_it_is_said(rt_detr, tmp_path, monkeypatch, quick):
    model, job = Model(tmp_path, initial_detector=str(rt_detr)), Job(Worker("training"))
    model.train_detector(truth(range(6)), 2, picture, job)
    model.learn(truth(range(6)), 2, [], picture, job)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    without = Model(tmp_path, initial_detector=str(rt_detr))
    assert not without.ready and "pip install transformers" in without.problem
    assert without.version == 1  # the next one does not hide behind it
    with pytest.raises(ValueError, match="pip install transformers"):
        initial_detectors.checked_detector(str(rt_detr))
