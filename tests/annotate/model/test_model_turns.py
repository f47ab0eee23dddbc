"""Detectors that come while an update runs, are refused, or have nothing to learn from."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_model import KnownBoxes

from gazekit.annotate.model import model as module
from gazekit.annotate.model.model import Model
from gazekit.annotate.model.truth import FrameTruth
from gazekit.annotate.model.worker import Job, Worker
from gazekit.models.impn import Learner

LEFT, RIGHT = [20, 40, 120, 140], [180, 40, 280, 140]


@pytest.fixture
def job():
    return Job(Worker("training"))


@pytest.fixture
def model(tmp_path):
    model = Model(tmp_path, KnownBoxes([LEFT, RIGHT]), Learner(2, 8))
    model._trained_on, model._known = 6, frozenset({0, 1})
    return model


def truth(frames, origin=None):
    sides, columns = np.array([LEFT, RIGHT], np.float32), np.array([0, 1])
    return [
        FrameTruth(f, f if origin is None else origin, 1, sides, columns, np.ones(2, np.float32), True)
        for f in frames
    ]


def picture(frame):
    return np.full((240, 320, 3), frame, np.uint8)


def test_a_detector_that_comes_during_an_update_is_kept_for_the_next(model, job):
    asked = []

    def slow(frame):
        if not asked:
            asked.append(model.train_detector(truth(range(12)), 2, picture, job))
        return picture(frame)

    model.learn(truth(range(12)), 2, [], slow, job)
    assert asked == ["The detector was trained."] and model._new is not None
    new = model._new[0]
    model.learn(truth(range(12)), 2, [], picture, job)
    assert model.detector is new and model._new is None


def test_a_refused_detector_is_not_said_to_be_in_use(model, job, monkeypatch):
    old = model.detector
    model.initial_detector = "/models/rtdetr"
    monkeypatch.setattr(module, "new_detector", lambda names, initial: KnownBoxes([LEFT, RIGHT]))
    monkeypatch.setattr(model, "_present_accuracy", lambda *told: 2.0)
    assert model.wants_detector(truth(range(6)))
    model.train_detector(truth(range(6)), 2, picture, job)
    assert model.learn(truth(range(6)), 2, [], picture, job)[0].startswith("The new detector is worse")
    assert model.detector is old and not model.wants_detector(truth(range(6)))
    model.save()
    about = json.loads((model.folder / "000000" / "about.json").read_text())
    assert (about["began"], about["tried"]) == ("tiny", "/models/rtdetr")
    model.train_detector(truth(range(12)), 2, picture, job)  # with twice as many it is tried again
    monkeypatch.setattr(model, "_present_accuracy", lambda *told: 0.0)
    model.learn(truth(range(12)), 2, [], picture, job)
    assert model._initial == "/models/rtdetr" and model.detector is not old


def test_where_all_confirmed_frames_are_held_out_others_are_asked_for(tmp_path, job):
    model = Model(tmp_path)
    carried = truth(range(10, 14), origin=10)  # all from the fifth frame that was met, which is held out
    all_frames = [replace(one, complete=False) for one in truth(range(4))] + carried
    told, _ = model.learn(all_frames, 2, [], picture, job)
    assert "draw boxes in other frames too" in told and not model.wants_detector(all_frames)
    assert model.train_detector(all_frames, 2, picture, job) == told and model._new is None
    assert model.wants_detector(all_frames + truth([20]))
