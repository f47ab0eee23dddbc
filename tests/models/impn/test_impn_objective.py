"""What detections should have been called, against loops; weights of classes; which frames are learnt from."""

import pytest
import torch
from impn_toys import LABELS, detections, labelled

from gazekit.kernels.boxes import pairwise_iou
from gazekit.models.impn.detections import BACKGROUND, CANNOT_TELL, LabelledFrame
from gazekit.models.impn.objective import Targets, balanced_weights, graph_loss, targets_of
from gazekit.models.impn.replay import Batches, HeldOut


def targets(*frames):
    boxes = torch.cat([frame.detections.boxes for frame in frames])
    counts = torch.tensor([len(frame.detections.boxes) for frame in frames])
    return targets_of(frames, boxes, counts, LABELS)


def jittered(number, count, seed, complete):
    found = detections(count, seed)
    draw = torch.Generator().manual_seed(seed)
    boxes = found.boxes[: count // 2] + 25 * torch.randn(count // 2, 4, generator=draw)
    boxes = torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2])], 1)
    labels = torch.randint(-2, LABELS, (len(boxes),), generator=draw)
    weights = torch.rand(len(boxes), generator=draw)
    return LabelledFrame(number, found, boxes, labels, weights, complete=complete)


def test_targets_against_loops():
    frames = [jittered(i, count, i, i % 2 == 0) for i, count in enumerate((0, 7, 20, 1, 30))]
    found, at = targets(*frames), 0
    for frame in frames:
        iou = pairwise_iou(frame.detections.boxes, frame.boxes).nan_to_num(0.0)
        for row in iou:
            label, weight = LABELS, float(frame.complete)
            if len(row) and row.max() >= 0.3:
                weight = 0.0
            if len(row) and row.max() >= 0.5:
                said = int(frame.labels[row.argmax()])
                label = LABELS if said == BACKGROUND else said
                weight = 0.0 if said == CANNOT_TELL else float(frame.weights[row.argmax()])
            assert found.weight[at] == pytest.approx(weight)
            assert weight == 0.0 or found.label[at] == label
            at += 1
    assert at == len(found.label) and (found.label >= 0).all()


def test_propagated_boxes_weigh_half():
    found = detections(3)
    assert targets(labelled(0, found, [0, 1, 2], weight=0.5)).weight.tolist() == [0.5] * 3


def test_class_weights_by_hand():
    weight = balanced_weights(Targets(torch.tensor([0, 0, 0, 0, 2, 3]), torch.tensor([1.0] * 5 + [0])), 3)
    assert weight.tolist() == pytest.approx([2 / 3, 0, 4 / 3, 0])


def test_loss_of_nothing_known_is_zero_and_has_a_gradient():
    logits = torch.zeros(2, 4, requires_grad=True)
    loss = graph_loss(logits, Targets(torch.tensor([0, 1]), torch.zeros(2)), torch.ones(4))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": torch.tensor([0, 1, LABELS])}, "frame 4: labels must lie between 0 and 4"),
        ({"labels": torch.tensor([0, 1, -3])}, "CANNOT_TELL"),
        ({"weights": torch.ones(2)}, r"got \[3, 4\], \[3\] and \[2\]"),
        ({"weights": torch.tensor([1.0, -1, 1])}, "weights at least 0"),
        ({"boxes": torch.full((3, 4), torch.nan)}, "boxes must be finite"),
    ],
)
def test_bad_labels_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        targets(labelled(4, detections(3), [0, 1, 2])._replace(**change))


def test_every_fifth_frame_is_held_out_for_good():
    held = HeldOut()
    held.meet([9, 2, 7, 2, 9])
    assert held.kept_out == set()
    held.meet([9, 2, 7, 1, 50])
    assert held.kept_out == {50}
    held.meet(range(100, 110))
    assert held.kept_out == {50, 104, 109}


def test_batches_are_half_new_and_show_every_class():
    label = torch.arange(60) % 3
    label[5] = 3  # one example, of an old frame
    frame = torch.arange(60)
    new = frame >= 57
    known = Targets(label, (frame != 57).float())
    batches = Batches(known, frame, new, 5, torch.Generator().manual_seed(0))
    for _ in range(20):
        drawn = batches.draw()
        assert len(drawn) == 32 + 4 and 5 in drawn and 57 not in drawn
        assert new[drawn[:32]].sum() == 16
    nothing = Batches(Targets(label, torch.zeros(60)), frame, new, 5, torch.Generator())
    assert not nothing
