"""`TinyDetector`: the network, what it learns from, and what it makes of the toy recording."""

import threading

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gazekit.datasets.synthetic_egocentric import LABELS, make
from gazekit.metrics.functional import detection_ap
from gazekit.models.impn.detector import Detector, TinyDetector
from gazekit.models.impn.detector.losses import Truth, _places_of, detector_loss, proposals
from gazekit.models.impn.detector.net import Dense, TinyNet, apply_deltas, deltas_between
from gazekit.models.impn.detector.training import _varied, checked_truth, padded
from gazekit.recordings import Recording
from gazekit.recordings.aoi import read_coco
from gazekit.recordings.video import SceneVideo


def squares(n, seed=0, side=96):
    """Frames with a red and a blue square on grey: pictures, boxes, labels (0 red, 1 blue)."""
    draw, frames, boxes = np.random.default_rng(seed), [], []
    for _ in range(n):
        frame = np.full((side, side, 3), 120, np.uint8)
        at = [draw.integers(2, side // 2 - 24, 2), draw.integers(2, side // 2 - 24, 2) + side // 2]
        own = []
        for (x, y), ink in zip(at, ((220, 30, 30), (30, 30, 220)), strict=True):
            w, h = draw.integers(14, 22, 2)
            frame[y : y + h, x : x + w] = ink
            own.append((x, y, x + w, y + h))
        frames.append(frame)
        boxes.append(np.array(own, float))
    return frames, boxes, [np.array([0, 1])] * n


def average_precision(detector, frames, boxes, labels):
    found = [
        {"boxes": one.boxes, "scores": one.probs[:, :-1].amax(1), "labels": one.probs[:, :-1].argmax(1)}
        for one in detector.detect(frames)
    ]
    truth = [{"boxes": box, "labels": label} for box, label in zip(boxes, labels, strict=True)]
    return detection_ap(found, truth)[:2].tolist()


@pytest.fixture(scope="module")
def trained():
    """Enough to find squares."""
    frames, boxes, labels = squares(24)
    detector = TinyDetector(["red", "blue"], seed=1)
    return detector, detector.fit(frames, boxes, labels, 60)


def test_learns_squares_from_scratch(trained):
    detector, report = trained
    _, ap50 = average_precision(detector, *squares(12, seed=9))
    assert ap50 > 0.9 and report.steps == 60 and report.loss_after < 0.5 * report.loss_before


def test_size_and_protocol():
    detector = TinyDetector(LABELS)
    assert isinstance(detector, Detector)
    assert 1e6 < sum(p.numel() for p in detector.net.parameters()) < 2e6


def test_detections_are_what_the_graph_takes(trained):
    detector, _ = trained
    frames, boxes, _ = squares(3, seed=4)
    for one in detector.detect(frames):
        k = len(one.boxes)
        assert k >= 2 and one.probs.shape == (k, 3) and one.features.shape == (k, detector.feature_size)
        assert one.size_px == (96.0, 96.0) and one.boxes.dtype == one.probs.dtype == torch.float32
        torch.testing.assert_close(one.probs.sum(1), torch.ones(k))
        assert (
            (one.boxes >= 0).all() and (one.boxes <= 96).all() and (one.boxes[:, :2] < one.boxes[:, 2:]).all()
        )
        assert not one.features.requires_grad and not one.features.is_inference()
        thing = 1 - one.probs[:, -1]
        assert (thing.diff() <= 0).all() and thing.min() >= 0.05
    assert len(boxes) == 3


def test_frames_do_not_depend_on_their_batch(trained):
    detector, _ = trained
    frames, _, _ = squares(5, seed=5)
    together = detector.detect([*frames, frames[0][:64, :80]])
    for frame, one in zip([*frames, frames[0][:64, :80]], together, strict=True):
        (alone,) = detector.detect([frame])
        torch.testing.assert_close(one.boxes, alone.boxes, atol=1e-3, rtol=1e-3)
    assert detector.detect([]) == []


def test_large_frames_are_shrunk_and_boxes_are_in_their_pixels(trained):
    detector, _ = trained
    frames, boxes, labels = squares(6, seed=6)
    large = [np.kron(frame, np.ones((4, 4, 1), np.uint8)) for frame in frames]
    small = TinyDetector(["red", "blue"], long_side_px=96)
    small.net = detector.net
    _, ap50 = average_precision(small, large, [4 * box for box in boxes], labels)
    assert ap50 > 0.8


def test_same_seed_same_weights():
    frames, boxes, labels = squares(4)
    one, two = (TinyDetector(["red", "blue"], seed=3) for _ in range(2))
    for detector in (one, two):
        detector.fit(frames, boxes, labels, 2)
    for a, b in zip(one.net.parameters(), two.net.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_saved_and_loaded_says_the_same(trained, tmp_path):
    detector, _ = trained
    detector.save(tmp_path / "detector.safetensors")
    again = TinyDetector.load(tmp_path / "detector.safetensors")
    frames, _, _ = squares(2, seed=8)
    for a, b in zip(detector.detect(frames), again.detect(frames), strict=True):
        torch.testing.assert_close(a.probs, b.probs)
    assert again.labels == ("red", "blue") and again.seed == 1


@pytest.mark.parametrize("cut", [0, 7, 100, 4000, -1])
def test_damaged_files_are_refused(trained, tmp_path, cut):
    path = tmp_path / "detector.safetensors"
    trained[0].save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"detector.safetensors is no detector that TinyDetector.save wrote"):
        TinyDetector.load(path)


def test_other_files_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="its format is None"):
        TinyDetector.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="no file"):
        TinyDetector.load(tmp_path / "absent.safetensors")


def test_more_labels_change_nothing_that_was_learnt(trained):
    detector, _ = trained
    grown = detector.with_labels(["red", "blue", "green"])
    frames, _, _ = squares(2, seed=8)
    for level in (0, 1):
        x = padded([frames[level]])
        features = [
            net.regions(net(x)[0], [torch.tensor([[5.0, 5, 30, 30]])]) for net in (detector.net, grown.net)
        ]
        torch.testing.assert_close(features[0][0], features[1][0])
        torch.testing.assert_close(features[0][1], features[1][1][:, [0, 1, 3]])
    with pytest.raises(ValueError, match="labels are only appended"):
        detector.with_labels(["blue", "red", "green"])


def test_stopping_keeps_what_was_learnt_and_errors_change_nothing():
    frames, boxes, labels = squares(4)
    detector = TinyDetector(["red", "blue"])
    told = []
    before = detector.net
    report = detector.fit(frames, boxes, labels, 50, lambda: len(told) == 2, told.append)
    assert report.steps == 2 and told == [0.02, 0.04] and detector.net is not before
    kept = detector.net

    def fails(share):
        raise RuntimeError("full disk")

    with pytest.raises(RuntimeError, match="full disk"):
        detector.fit(frames, boxes, labels, 5, progress=fails)
    assert detector.net is kept
    assert detector.fit(frames, boxes, labels, 5, lambda: True).steps == 0


def test_detecting_while_learning_uses_the_weights_of_before(trained):
    detector, _ = trained
    frames, boxes, labels = squares(4)
    reference = detector.detect(frames[:1])[0].probs
    other = TinyDetector.__new__(TinyDetector)
    other.__dict__.update(detector.__dict__)
    entered, go = threading.Event(), threading.Event()

    def wait(share):
        entered.set()
        go.wait(20)

    thread = threading.Thread(target=other.fit, args=(frames, boxes, labels, 1), kwargs={"progress": wait})
    thread.start()
    entered.wait(20)
    torch.testing.assert_close(other.detect(frames[:1])[0].probs, reference)
    go.set()
    thread.join()
    assert not torch.equal(
        other.detect(frames[:1])[0].features[:1], detector.detect(frames[:1])[0].features[:1]
    )


def test_frames_without_things_or_with_one_class_only():
    frames, boxes, _ = squares(2)
    detector = TinyDetector(["red", "blue", "never seen"])
    report = detector.fit(frames, [np.zeros((0, 4)), boxes[1]], [np.zeros(0, int), np.array([0, 0])], 3)
    assert np.isfinite(report.loss_after)
    report = detector.fit(frames, [np.zeros((0, 4))] * 2, [np.zeros(0, int)] * 2, 3)
    assert np.isfinite(report.loss_after)


def test_mirrors_are_refused_where_left_and_right_are_labels():
    with pytest.raises(ValueError, match="in a mirror a left one is a right one"):
        TinyDetector(LABELS, flip=True)
    TinyDetector(["red", "blue"], flip=True)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"labels": [[0, 5]]}, ValueError, r"labels must be 0 to 1, -1 or -2, got \[0, 5\]"),
        ({"labels": [[0]]}, ValueError, "frame 0 has 2 boxes and 1 labels"),
        ({"labels": []}, ValueError, "equally many"),
        ({"boxes": [[[5, 5, 4, 9], [1, 1, 2, 2]]]}, ValueError, "x_min < x_max"),
        ({"boxes": [[[0, 0, np.inf, 9], [1, 1, 2, 2]]]}, ValueError, "finite"),
        ({"frames": [np.zeros((9, 9, 3))]}, TypeError, "uint8"),
        ({"frames": [np.zeros((9, 9), np.uint8)]}, ValueError, r"\[H, W, 3\], got \[9, 9\]"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
    ],
)
def test_what_nothing_can_be_learnt_from(change, error, text):
    frames, boxes, labels = squares(1)
    given = {"frames": frames, "boxes": boxes, "labels": labels, "steps": 1} | change
    with pytest.raises(error, match=text):
        TinyDetector(["red", "blue"]).fit(**given)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(([],), "at least one name"), ((["a", "a"],), "each once"), ((["a"],), "at least 64")],
)
def test_settings_that_make_no_detector(arguments, text):
    with pytest.raises(ValueError, match=text):
        TinyDetector(*arguments, long_side_px=32)


def test_deltas_and_their_inverse():
    a, b = torch.tensor([[10.0, 20, 30, 60]]), torch.tensor([[12.0, 18, 44, 50]])
    torch.testing.assert_close(
        deltas_between(a, b), torch.tensor([[0.4, -0.15, np.log(1.6), np.log(0.8)]]).float()
    )
    torch.testing.assert_close(apply_deltas(a, deltas_between(a, b)), b)


def test_places_stand_for_the_smallest_box_of_their_level():
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    fine = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * 8
    coarse = fine.reshape(8, 8, 2)[:4, :4].reshape(-1, 2) * 2
    dense = Dense(torch.cat([fine, coarse]), torch.tensor([8.0] * 64 + [16.0] * 16), None, None)
    truth = Truth.of(
        torch.tensor([[0.0, 0, 64, 66], [20, 20, 40, 40], [48, 48, 60, 60], [0, 48, 10, 60]]),
        torch.tensor([0, 1, -1, -2]),
    )
    assert len(truth.boxes) == 2
    found = _places_of(dense, truth)
    large = found[64:].reshape(4, 4)
    assert (large == 0).nonzero().tolist() == [
        [r, c] for r in (1, 2, 3) for c in (1, 2)
    ]  # within 24 px of (32, 33)
    small = found[:64].reshape(8, 8)
    assert (small == 1).nonzero().tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]  # inside it
    assert (small == 0).sum() == 0 and (small[6] == -2).tolist()[:2] == [True, False]  # what nobody can tell
    assert small[6, 6] == -1  # called background


def test_nothing_is_learnt_where_nobody_can_tell():
    torch.manual_seed(0)
    net = TinyNet(2)
    x = padded([squares(1)[0][0]])
    generator = torch.Generator().manual_seed(0)
    everything = Truth.of(torch.tensor([[0.0, 0, 96, 96]]), torch.tensor([-2]))
    loss = detector_loss(net, x, [everything], generator)
    assert (
        loss.item() < 1e-6 or loss.requires_grad
    )  # places have no weight; small regions inside may be background
    logits = net(x)[1].logit
    nothing = Truth.of(torch.zeros(0, 4), torch.zeros(0).long())
    assert detector_loss(net, x, [nothing], generator) > loss and logits.shape == (1, 12 * 12 + 6 * 6)


def test_proposals_are_cut_and_do_not_repeat():
    boxes = torch.tensor([[[-5.0, -5, 20, 20], [-4, -5, 20, 21], [30, 30, 31, 31], [10, 10, 200, 60]]])
    dense = Dense(torch.zeros(4, 2), torch.zeros(4), torch.tensor([[2.0, 3.0, 4.0, -9.0]]), boxes)
    torch.testing.assert_close(proposals(dense, 0, (48, 64), 0.05, 10), torch.tensor([[0.0, 0, 20, 21]]))


@pytest.mark.parametrize("flip", [False, True])
def test_boxes_move_with_the_picture(flip):
    """A bright box on black is found where the changed truth says."""
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[30:70, 40:90] = 255
    (truth,) = checked_truth(1, [[[40, 30, 90, 70]]], [[0]], 1)
    draw, mirrored = np.random.default_rng(0), 0
    for _ in range(12):
        picture, moved = _varied(frame, truth, draw, 128, flip)
        assert picture.shape == (96, 128, 3)
        y, x = np.nonzero(picture[..., 0] > 0.5 * float(picture.max()) + 8)
        if len(moved.boxes):
            box = moved.boxes[0].numpy()
            np.testing.assert_allclose([x.min(), y.min(), x.max() + 1, y.max() + 1], box, atol=1.6)
            mirrored += box[[0, 2]].mean() > 64
    assert (mirrored > 0) == flip or not flip


@pytest.mark.slow
def test_learns_the_toy_recording_in_a_minute(shared_data):
    """From 20 frames of its first two seconds; the rest is the test."""
    folder = shared_data / "annotation_toy"
    recording = Recording.open(folder / "neon_export" / "toy-0001")
    aois = read_coco(folder / "exports" / "coco_ground_truth.json")
    truth = np.stack([aoi.boxes_at(np.arange(150)) for aoi in aois], 1)
    there = ~np.isnan(truth[..., 0])
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        frames = list(video.frames(range(150)))
    chosen, tested = range(0, 60, 3), range(75, 150, 5)
    detector = TinyDetector([aoi.label for aoi in aois])
    detector.fit(
        [frames[i] for i in chosen],
        [truth[i][there[i]] for i in chosen],
        [np.flatnonzero(there[i]) for i in chosen],
        150,
    )
    of_tested = ([frames[i] for i in tested], [truth[i][there[i]] for i in tested])
    _, ap50 = average_precision(detector, *of_tested, [np.flatnonzero(there[i]) for i in tested])
    assert ap50 > 0.75


@pytest.mark.slow
def test_finds_things_in_a_generated_video_and_confuses_twins():
    """It finds kinds of things; which twin is which is what the graph is for."""
    video = make(60, "medium", seed=0)
    chosen = video.labelled[np.linspace(0, len(video.labelled) - 1, 12).astype(int)]
    tested = video.tested[::25]
    detector = TinyDetector(LABELS)
    boxes, labels = ([part[i] for i in chosen] for part in (video.boxes_px, video.labels))
    detector.fit(list(video.frames(chosen)), boxes, labels, 150)
    frames = list(video.frames(tested))
    boxes, labels = ([part[i] for i in tested] for part in (video.boxes_px, video.labels))
    _, ap50 = average_precision(detector, frames, boxes, labels)
    kind = np.array([0, 0, 1, 1, 2])
    found = [
        {"boxes": d.boxes, "scores": 1 - d.probs[:, -1], "labels": kind[d.probs[:, :-1].argmax(1)]}
        for d in detector.detect(frames)
    ]
    truth = [{"boxes": b, "labels": kind[label]} for b, label in zip(boxes, labels, strict=True)]
    kinds = float(detection_ap(found, truth)[1])
    assert kinds > 0.85 and kinds > ap50
