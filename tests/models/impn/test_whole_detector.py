"""A detector all of whose weights learn, beside the graph head."""

import torch

from gazekit.datasets.egocentric_fixations import EgocentricFixations
from gazekit.models.impn.detections import LabelledFrame
from gazekit.models.impn.frame_labeller import FrameLabeller
from gazekit.models.impn.learner import Learner
from gazekit.models.impn.net import IMPNNet
from gazekit.models.impn.run_curves import labelled_video
from gazekit.models.impn.whole_detector import OnWholeDetector, WholeDetector


def test_the_whole_detector_learns_from_its_start_each_time_and_is_shared():
    data = EgocentricFixations("easy", duration_s=6, labelled_s=4, detector_s=4, detector_frames=2)
    data.setup()
    labeller = FrameLabeller(data.facts(), IMPNNet)
    seen = labelled_video(labeller, data)
    detector = labeller.detector.detector
    before = [weights.clone() for weights in detector.net.parameters()]
    batch = data.batch(data.parts["all"].tolist())
    numbers = batch["frame"].tolist()
    whole = WholeDetector(detector, batch["frames"], numbers, steps=2)
    frames = [
        LabelledFrame(i, seen.detections[i], seen.boxes[i], seen.labels[i], torch.ones(len(seen.labels[i])))
        for i in range(2)
    ]
    found = whole.detections(frames)
    assert whole.detections(frames) is found and len(found) == len(numbers)
    assert all(map(torch.equal, before, detector.net.parameters()))
    sizes = len(seen.names), seen.exclusive
    alone, graph = (OnWholeDetector(whole, *sizes, 0, learns) for learns in (False, True))
    assert len(graph.predict(seen.detections)) == len(seen.detections)
    alone.update(frames)
    graph.update(frames, steps=1)
    untrained = Learner(len(seen.names), detector.feature_size, seen.exclusive)
    for mine, theirs in zip(alone.predict(seen.detections), untrained.predict(found), strict=True):
        assert torch.equal(mine.boxes, theirs.boxes) and torch.equal(mine.label, theirs.label)
