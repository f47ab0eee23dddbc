"""The end of a session waits for no frame that nobody will see."""

import threading
import time
from types import SimpleNamespace

import numpy as np

from gazekit.annotate.model.predictions import FramePredictions
from gazekit.annotate.session.event_stream import EventStream
from gazekit.annotate.session.loop import Loop

NOTHING = np.zeros((0, 4))


class Accepting:
    """A model that accepts an update after `go`, however soon it should stop."""

    version, ready, problem, labels = 0, False, "", ()

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def learn(self, *told):
        self.job = told[-1]
        self.begun.set()
        self.go.wait(5)
        self.version, self.ready = 1, True
        return "Learnt", 0.5

    def wants_detector(self, truth):
        return False

    def predict(self, frame, picture, keep=True):
        time.sleep(0.01)
        return FramePredictions(1, NOTHING, (), NOTHING[:, 0], NOTHING[:, 0])

    def save_detections(self, frames):
        pass


def test_an_update_that_is_just_accepted_predicts_nothing_after_the_end(monkeypatch):
    model = Accepting()
    pictures = SimpleNamespace(read=lambda i: NOTHING, close=lambda: None)
    project = SimpleNamespace(pictures=lambda: pictures, frame_t_ms=np.arange(200.0))
    monkeypatch.setattr(Loop, "_truth", lambda self: ([], 1, []))
    loop = Loop(project, model, None, EventStream(), [], lambda frames: None)
    loop.update()
    assert model.begun.wait(5)
    closing = threading.Thread(target=loop.close)
    closing.start()
    while not model.job.should_stop():
        time.sleep(0.01)
    time.sleep(0.05)  # the other two are told in the same moment
    model.go.set()
    closing.join(5)
    assert not closing.is_alive() and model.version == 1 and not loop.predictions
