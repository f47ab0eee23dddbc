"""Learning from feedback: what it learns, when it refuses, what it keeps."""

import json
import pickle
from functools import partial

import pytest
import torch
from impn_toys import FEATURES, LABELS, detections, labelled, looks
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gazekit.models.impn import Learner
from gazekit.models.impn.detections import Detections, LabelledFrame
from gazekit.models.impn.edges import graph_of
from gazekit.models.impn.net import IMPNNet, LinearHead


def frames_of_looks(count, first=0, wrong=False):
    """Frames with four things each, of labels 0 to 3; `wrong` labels are shifted by one."""
    frames = []
    for number in range(first, first + count):
        label = torch.randperm(4, generator=torch.Generator().manual_seed(number))
        frames.append(labelled(number, looks(label, number), (label + 1) % 4 if wrong else label))
    return frames


def same(a, b):
    return all(
        torch.equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True)
    )


@pytest.fixture(scope="module")
def trained():
    learner = Learner(LABELS, FEATURES, seed=1)
    report = learner.update(frames_of_looks(30), steps=60)
    return learner, report


def test_untrained_it_says_what_the_detector_says():
    found = detections(5)
    found = found._replace(boxes=looks(range(5), 0).boxes)
    said = Learner(LABELS, FEATURES).predict([found])[0]
    best, label = found.probs.max(1)
    kept = label != LABELS
    assert torch.equal(said.label, label[kept]) and torch.equal(said.index, kept.nonzero()[:, 0])
    torch.testing.assert_close(said.score, best[kept], rtol=1e-5, atol=1e-6)
    assert torch.equal(said.boxes, found.boxes[kept])


def test_it_learns_looks(trained):
    learner, report = trained
    assert report.accepted and report.steps == 60 and report.held_out_after > 0.99 > report.held_out_before
    for frame, said in zip(
        test := frames_of_looks(10, 1000), learner.predict([f.detections for f in test]), strict=True
    ):
        assert torch.equal(said.label, frame.labels)
        assert ((0 <= said.margin) & (said.margin <= 1)).all()


def test_places_tell_look_alikes_apart():
    def pair(number):
        draw = torch.Generator().manual_seed(number)
        left, right = 300 * torch.rand(2, generator=draw).sort().values + torch.tensor([0.0, 200.0])
        boxes = torch.tensor([[left, 200, left + 50, 250], [right, 200, right + 50, 250]])
        order = torch.randperm(2, generator=draw)
        probs = torch.tensor([[0.4, 0.4, 0, 0, 0, 0.2]]).expand(2, -1)
        found = Detections(boxes[order], probs, torch.ones(2, FEATURES), (800.0, 600.0))
        return labelled(number, found, torch.arange(2)[order])

    learner = Learner(LABELS, FEATURES, [[0, 1]])
    assert learner.update([pair(number) for number in range(40)]).accepted
    test = [pair(number) for number in range(100, 150)]
    said = learner.predict([frame.detections for frame in test])
    assert all(torch.equal(one.label, frame.labels) for one, frame in zip(said, test, strict=True))


def test_flip_with_left_and_right_is_an_error():
    with pytest.raises(ValueError, match="left objects are right ones"):
        Learner(LABELS, FEATURES, [[0, 1]], flip=True)
    with pytest.raises(ValueError, match="in a mirror"):
        Learner(LABELS, FEATURES, flip=True).with_labels(LABELS, [[0, 1]])
    assert Learner(LABELS, FEATURES, flip=True).update(frames_of_looks(3), steps=2).accepted


def test_a_worse_model_is_not_kept(trained):
    learner, _ = trained
    frames, found = frames_of_looks(30), [frame.detections for frame in frames_of_looks(3, 500)]
    spoilt = [
        good if good.frame in learner.held_out.kept_out else bad
        for good, bad in zip(frames, frames_of_looks(30, wrong=True), strict=True)
    ]
    before, net = learner.predict(found), learner.net
    report = learner.update(spoilt, steps=60)
    assert not report.accepted and report.held_out_after < report.held_out_before - 0.01
    assert "Worse, so the old model stays: AP on 6 held-out frames 100.0 ->" in report.reason
    assert learner.net is net and same(before, learner.predict(found))


def test_held_out_frames_are_never_learnt_from():
    frames = frames_of_looks(10)
    a, b = Learner(LABELS, FEATURES), Learner(LABELS, FEATURES)
    a.update(frames, steps=5)
    changed = [
        frame._replace(labels=(frame.labels + 1) % 4) if frame.frame in (4, 9) else frame for frame in frames
    ]
    b.update(changed, steps=5)
    assert a.held_out.kept_out == {4, 9}
    assert all(torch.equal(x, y) for x, y in zip(a.net.parameters(), b.net.parameters(), strict=True))


def test_stopping_keeps_the_old_weights():
    learner, asked, told = Learner(LABELS, FEATURES), [], []
    net, found = learner.net, [frame.detections for frame in frames_of_looks(3)]
    before = learner.predict(found)

    def stop():
        asked.append(1)
        return len(asked) > 7

    report = learner.update(frames_of_looks(10), 50, stop, told.append)
    assert not report.accepted and report.steps == 7 and "Stopped" in report.reason
    assert told == pytest.approx([step / 50 for step in range(1, 8)])
    assert learner.net is net and same(before, learner.predict(found))

    def fail(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.update(frames_of_looks(10), 50, progress=fail)
    assert learner.net is net and same(before, learner.predict(found))


def test_equal_seeds_learn_equally_and_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    a, b = Learner(LABELS, FEATURES, seed=3), Learner(LABELS, FEATURES, seed=3)
    for learner in (a, b):
        learner.update(frames_of_looks(8), steps=5)
    assert all(torch.equal(x, y) for x, y in zip(a.net.parameters(), b.net.parameters(), strict=True))
    assert torch.equal(state, torch.random.get_rng_state())


def test_nothing_to_learn_from():
    learner = Learner(LABELS, FEATURES)
    empty = labelled(0, detections(0), [])
    for frames in ([], [empty]):
        report = learner.update(frames)
        assert not report.accepted and report.steps == 0 and "Nothing to learn from" in report.reason
    assert learner.predict([]) == []
    assert [len(one.label) for one in learner.predict([detections(0), detections(0)])] == [0, 0]


def test_odd_frames_are_learnt_from():
    """Label 4 has no example; a frame is empty, one holds 200 boxes, one is labelled but nothing was found in it."""
    crowd = detections(200, seed=9)
    missed = LabelledFrame(
        41, detections(0), torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([1]), torch.ones(1)
    )
    odd = [labelled(40, detections(0), []), missed, labelled(42, crowd, torch.arange(200) % 4)]
    learner = Learner(LABELS, FEATURES, [[0, 1]])
    report = learner.update(frames_of_looks(12) + odd, steps=20)
    assert report.accepted
    said = learner.predict([crowd, detections(0), crowd])
    assert same([said[0]], [said[2]]) and len(said[1].label) == 0
    assert all((said[0].label == label).sum() <= 1 for label in (0, 1))
    assert all(weights.isfinite().all() for weights in learner.net.parameters())


def test_an_incomplete_frame_teaches_no_background():
    found = looks([0, 1, 2], 0)
    only = LabelledFrame(0, found, found.boxes[:1], torch.tensor([0]), torch.ones(1), complete=False)
    a, b = Learner(LABELS, FEATURES), Learner(LABELS, FEATURES)
    a.update([only], steps=20)
    b.update([only._replace(complete=True)], steps=20)
    background = [
        learner.net(graph_of([found], LABELS, FEATURES)).softmax(1)[1:, -1].mean() for learner in (a, b)
    ]
    assert background[0] < 0.2 < 0.5 < background[1]


def test_a_new_label_is_learnt_without_a_new_detector(trained):
    old, _ = trained
    grown = old.with_labels(LABELS + 1, [[0, LABELS]])
    found = [frame.detections for frame in frames_of_looks(3)]
    for a, b in zip(old.predict(found), grown.predict(found), strict=True):
        assert torch.equal(a.label, b.label)
        torch.testing.assert_close(b.probs[:, [*range(LABELS), -1]], a.probs, rtol=0, atol=1e-3)

    def strange(seed):  # background to the detector
        found = looks([7, 0], seed)
        found.probs[0] = torch.tensor([0.02] * LABELS + [0.9])
        return found

    new = [labelled(100 + i, strange(i), [LABELS, 0]) for i in range(8)]
    assert grown.update(frames_of_looks(30) + new).accepted
    assert [one.label.tolist() for one in grown.predict([strange(99)])] == [[LABELS, 0]]
    assert old.n_labels == LABELS
    with pytest.raises(ValueError, match="n_labels must be at least 6, got 5"):
        grown.with_labels(LABELS)


def test_saved_and_loaded_it_is_the_same(trained, tmp_path):
    learner, _ = trained
    path = tmp_path / "checkpoints" / "model.safetensors"
    learner.save(path)
    again = Learner.load(path)
    found = [detections(9), detections(0), *(frame.detections for frame in frames_of_looks(3))]
    assert same(learner.predict(found), again.predict(found))
    assert again.held_out.kept_out == learner.held_out.kept_out
    assert list(again.held_out.known) == list(learner.held_out.known)
    more = frames_of_looks(6, 30)
    learner_copy = learner.with_labels(LABELS)
    assert learner_copy.update(more, 3).held_out_after == again.update(more, 3).held_out_after
    assert same(learner_copy.predict(found), again.predict(found))
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_loading_executes_nothing_and_refuses_what_it_does_not_know(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learner, _ = trained
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"bad\.safetensors is no model"):
        Learner.load(bad)
    torch.save({"x": Trap()}, bad)
    with pytest.raises(ValueError, match="is no model"):
        Learner.load(bad)
    assert not (tmp_path / "trapped").exists()
    save_file({"x": torch.zeros(1)}, bad)
    with pytest.raises(ValueError, match=r"its format should be 'gazekit\.impn 1', got None"):
        Learner.load(bad)
    with pytest.raises(FileNotFoundError, match="no model at"):
        Learner.load(tmp_path / "none.safetensors")
    learner.save(bad)
    whole = bad.read_bytes()
    for length in range(0, len(whole), len(whole) // 40):
        bad.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is no model"):
            Learner.load(bad)


def test_missing_weights_and_settings_are_refused(trained, tmp_path):
    from safetensors import safe_open

    trained[0].save(path := tmp_path / "m.safetensors")
    with safe_open(path, "pt") as file:
        about = file.metadata()
    tensors = load_file(path)
    for changed, metadata in (
        ({key: value for key, value in tensors.items() if key != "net.head.bias"}, about),
        (tensors, about | {"settings": "{}"}),
        (tensors, about | {"settings": "{"}),
        (tensors, about | {"settings": about["settings"].replace('"width": 128', '"width": 64')}),
        (tensors, about | {"settings": about["settings"].replace('"width": 128', '"width": 10000000')}),
    ):
        save_file(changed, path, metadata)
        with pytest.raises(ValueError, match="is no model"):
            Learner.load(path)


def test_a_failed_write_keeps_the_old_file(trained, tmp_path, monkeypatch):

    path = tmp_path / "m.safetensors"
    trained[0].save(path)
    before = path.read_bytes()

    def full(tensors, where, metadata):
        where.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        trained[0].save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_only_the_graph_model_is_saved(tmp_path):
    with pytest.raises(TypeError, match="LinearHead"):
        Learner(LABELS, FEATURES, make_net=LinearHead).save(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            {"features": torch.zeros(3, FEATURES + 1)},
            ValueError,
            r"\[3, 4\] and \[3, 16\], got \[3, 4\] and \[3, 17\]",
        ),
        ({"probs": torch.full((3, LABELS + 2), 0.1)}, ValueError, "at most 6 columns.*with_labels"),
        ({"features": torch.full((3, FEATURES), torch.nan)}, ValueError, "detections 1: .* must be finite"),
        ({"boxes": [[0, 0, 1, 1]]}, TypeError, "boxes must be a floating tensor"),
        ({"size_px": (0, 5)}, ValueError, "size_px must be a positive width and height"),
    ],
)
def test_detections_that_do_not_fit_are_refused(change, error, text):
    with pytest.raises(error, match=text):
        Learner(LABELS, FEATURES).predict([detections(2), detections(3)._replace(**change)])


def test_names_are_loaded_when_asked_for():
    import gazekit.models.impn as room

    assert all(hasattr(room, name) for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        room.Nobody  # noqa: B018


def test_a_detector_in_training_or_in_half_precision_gets_no_gradient():
    features = detections(3).features.half().requires_grad_()
    found = detections(3)._replace(features=features)
    learner = Learner(LABELS, FEATURES)
    assert learner.update([labelled(0, found, [0, 1, 2])], steps=2).accepted
    assert features.grad is None and not learner.predict([found])[0].probs.requires_grad


def test_a_file_keeps_its_mixer_and_older_ones_have_none(tmp_path):
    paths = tmp_path / "sage.safetensors", tmp_path / "older.safetensors"
    learner = Learner(LABELS, FEATURES, make_net=partial(IMPNNet, mixer="sage"))
    learner.save(paths[0])
    assert Learner.load(paths[0]).net.mixer == "sage"
    with safe_open(paths[0], "pt") as file:
        about, tensors = dict(file.metadata()), {key: file.get_tensor(key) for key in file.keys()}
    settings = json.loads(about["settings"])
    assert settings.pop("mixer") == "sage"
    save_file(tensors, paths[1], {**about, "settings": json.dumps(settings)})
    older = Learner.load(paths[1])
    assert older.net.mixer == "sage" and older.updates == 0
    graph = graph_of([detections(4)], LABELS, FEATURES)
    assert torch.equal(older.net(graph), learner.net(graph))
