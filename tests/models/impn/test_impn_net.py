"""The graph network: safe before it learns, blind to the order of things, each frame for itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from impn_toys import FEATURES, LABELS, SIZE_PX, detections

from gazekit.models.impn.detections import Detections
from gazekit.models.impn.edges import edge_features, graph_of, neighbours, positions, some_frames
from gazekit.models.impn.net import IMPNNet, Parts


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = IMPNNet(LABELS, FEATURES, mixer="sage")
    torch.nn.init.normal_(net.head.weight)
    torch.nn.init.normal_(net.head.bias)
    return net.double().eval().requires_grad_(False)


def logits(net, *found):
    graph = graph_of(found, LABELS, FEATURES)
    wide = [x.double() if x.is_floating_point() else x for x in graph[:-1]]
    return net(type(graph)(*wide))


def take(found, rows):
    return Detections(found.boxes[rows], found.probs[rows], found.features[rows], found.size_px)


def test_untrained_it_is_the_detector():
    found = detections(9)
    untrained = IMPNNet(LABELS, FEATURES)
    out = untrained(graph_of([found], LABELS, FEATURES)).softmax(1)
    torch.testing.assert_close(out, found.probs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [7, 40])  # all pairs; nearest eight
def test_permuted_detections_give_permuted_logits(net, count):
    found = detections(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(logits(net, take(found, order)), logits(net, found)[order], rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_frames_together_are_frames_alone(net, counts):
    frames = [detections(count, seed) for seed, count in enumerate(counts)]
    alone = torch.cat([logits(net, frame) for frame in frames])
    torch.testing.assert_close(logits(net, *frames), alone, rtol=0, atol=1e-8)


def test_no_detection_and_one(net):
    assert logits(net).shape == (0, LABELS + 1)
    assert logits(net, detections(0)).shape == (0, LABELS + 1)
    assert logits(net, detections(1)).isfinite().all()


def test_a_far_frame_changes_nothing(net):
    found = detections(6)
    far = detections(3, seed=5)
    far = far._replace(boxes=far.boxes + 1e6)
    torch.testing.assert_close(logits(net, found, far)[:6], logits(net, found), rtol=0, atol=1e-8)


def test_what_is_left_out_is_not_seen(net):
    found, other = detections(5), detections(5, seed=3)
    torch.manual_seed(0)
    for parts, changed in (
        (Parts(position=False, edge_features=False), {"boxes": other.boxes}),
        (Parts(messages=False), None),
    ):
        blind = IMPNNet(LABELS, FEATURES, parts=parts).double().requires_grad_(False)
        blind.head.weight.normal_()
        seen = logits(blind, found)
        if changed is None:
            assert torch.allclose(seen[:3], logits(blind, take(found, slice(3))))
        else:
            assert torch.equal(seen, logits(blind, found._replace(**changed)))
    assert not torch.allclose(logits(net, found)[:3], logits(net, take(found, slice(3))))


def test_p_is_left_out_of_the_nodes_but_not_of_the_residual():
    blind = IMPNNet(LABELS, FEATURES, parts=Parts(probs=False)).requires_grad_(False)
    blind.head.weight.normal_()
    found = detections(5)
    flat = found._replace(probs=torch.full_like(found.probs, 1 / (LABELS + 1)))
    a, b = (blind(graph_of([x], LABELS, FEATURES)) for x in (found, flat))
    torch.testing.assert_close(a - found.probs.log(), b - flat.probs.log(), rtol=0, atol=1e-5)


def test_new_labels_change_nothing_for_the_old(net):
    found = detections(6)
    before = logits(net, found)
    assert before.shape == (6, LABELS + 1)
    grown = net.with_labels(LABELS + 2).double()
    graph = graph_of([found], LABELS + 2, FEATURES)
    after = grown(type(graph)(*[x.double() if x.is_floating_point() else x for x in graph[:-1]]))
    torch.testing.assert_close(after[:, [*range(LABELS), -1]], before, rtol=0, atol=1e-6)
    torch.testing.assert_close(after[:, LABELS:-1].exp(), torch.full((6, 2), 1e-3).double())


def test_edges_against_loops():
    frames = [detections(count, seed) for seed, count in enumerate((0, 12, 13, 1, 30))]
    counts = torch.tensor([len(frame.boxes) for frame in frames])
    boxes = torch.cat([frame.boxes for frame in frames])
    source, target, edge_counts = neighbours(boxes, counts)
    found = {tuple(pair) for pair in torch.stack([source, target], 1).tolist()}
    expected, first = set(), 0
    for count in counts.tolist():
        rows = range(first, first + count)
        for i in rows:
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            others = sorted(
                (j for j in rows if j != i), key=lambda j: float((centres[j] - centres[i]).norm())
            )
            expected |= {(j, i) for j in (others if count <= 12 else others[:8])}
        first += count
    assert found == expected and len(source) == len(expected)
    assert edge_counts.tolist() == [0, 12 * 11, 13 * 8, 0, 30 * 8]
    assert (target.diff() >= 0).all()


def test_edge_features_of_two_boxes_by_hand():
    boxes = torch.tensor([[100.0, 100, 140, 180], [200.0, 100, 220, 140]])
    found = Detections(boxes, torch.full((2, LABELS + 1), 1 / 6), torch.zeros(2, FEATURES), SIZE_PX)
    graph = graph_of([found], LABELS, FEATURES)
    row = edge_features(graph)[graph.target.tolist().index(0)]  # box 1 as seen from box 0
    dx, dy = 90.0, -20.0
    away = (dx**2 + dy**2) ** 0.5
    expected = [
        torch.asinh(torch.tensor(dx / 40)),
        torch.asinh(torch.tensor(dy / 80)),
        torch.tensor(0.5).log(),
        torch.tensor(0.5).log(),
        0.0,
        away / 1000,
        dy / away,
        dx / away,
    ]
    torch.testing.assert_close(row, torch.tensor([float(x) for x in expected]), rtol=1e-5, atol=1e-6)
    assert positions(graph)[0].tolist() == pytest.approx([120 / 800, 140 / 600, 40 / 800, 80 / 600])


def test_turning_a_frame_is_turning_its_boxes():
    squares = torch.tensor([[100.0, 100, 140, 140], [300.0, 100, 340, 140], [220.0, 300, 260, 340]])
    found = Detections(squares, torch.full((3, LABELS + 1), 1 / 6), torch.zeros(3, FEATURES), (800.0, 800.0))
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn
    centre = (squares[:, :2] + squares[:, 2:]) / 2 - 400
    moved = (centre @ turn.T) + 400
    turned = found._replace(boxes=torch.cat([moved - 20, moved + 20], 1))
    a = graph_of([found], LABELS, FEATURES)._replace(turn=turn[None])
    b = graph_of([turned], LABELS, FEATURES)
    torch.testing.assert_close(edge_features(a), edge_features(b), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(positions(a), positions(b), rtol=1e-4, atol=1e-4)


def test_boxes_without_area_or_in_one_place_give_finite_features():
    boxes = torch.tensor([[5.0, 5, 5, 5], [5.0, 5, 5, 5], [1.0, 1, 9, 9]])
    found = Detections(boxes, torch.full((3, LABELS + 1), 1 / 6), torch.zeros(3, FEATURES), SIZE_PX)
    assert edge_features(graph_of([found], LABELS, FEATURES)).isfinite().all()


def test_some_frames_are_a_graph_of_those_frames():
    frames = [detections(count, seed) for seed, count in enumerate((3, 0, 14, 5))]
    whole = graph_of(frames, LABELS, FEATURES)
    chosen = [2, 0, 2, 1]
    part = some_frames(whole, torch.tensor(chosen))
    again = graph_of([frames[i] for i in chosen], LABELS, FEATURES)
    for name in part._fields[:-1]:
        assert torch.equal(getattr(part, name), getattr(again, name)), name


def test_sure_background_is_left_out():
    found = detections(4)
    probs = found.probs.clone()
    probs[1] = torch.tensor([0.01] * LABELS + [1 - 0.01 * LABELS])  # 0.95: just above counts as found
    probs[2] = torch.tensor([0.004] * LABELS + [0.98])
    assert graph_of([found._replace(probs=probs)], LABELS, FEATURES).row.tolist() in ([0, 1, 3], [0, 3])


def test_messages_against_loops(net):
    found = detections(5)
    graph = graph_of([found], LABELS, FEATURES)
    seen = edge_features(graph).double()
    h = torch.randn(5, 128, generator=torch.Generator().manual_seed(0)).double()
    one = net.rounds[0]
    expected = []
    for i in range(5):
        heard = [
            torch.relu(one.of_node(h[int(j)]) + one.of_edge(e))
            for j, to, e in zip(graph.source, graph.target, seen, strict=True)
            if to == i
        ]
        new = torch.relu(one.combine(torch.cat([h[i], torch.stack(heard).mean(0)])))
        expected.append(128**0.5 * new / new.norm())
    out = one(h, graph.source, graph.target, seen, graph.counts)
    torch.testing.assert_close(out, torch.stack(expected), rtol=0, atol=1e-9)
    lonely = one(h, graph.source[:0], graph.target[:0], seen[:0], graph.counts)
    new = torch.relu(one.combine(torch.cat([h, 0 * h], 1)))
    torch.testing.assert_close(lonely, 128**0.5 * new / new.norm(dim=1, keepdim=True), rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def attention():
    torch.manual_seed(0)
    net = IMPNNet(LABELS, FEATURES, mixer="attention")
    torch.nn.init.normal_(net.head.weight)
    return net.double().eval().requires_grad_(False)


@pytest.mark.parametrize("count", [7, 40])
def test_attention_permuted_detections_give_permuted_logits(attention, count):
    found = detections(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    permuted = logits(attention, take(found, order))
    torch.testing.assert_close(permuted, logits(attention, found)[order], rtol=0, atol=1e-8)


@settings(deadline=None, max_examples=15)
@given(counts=st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_attention_frames_do_not_mix(attention, counts):
    frames = [detections(count, seed) for seed, count in enumerate(counts)]
    alone = torch.cat([logits(attention, frame) for frame in frames])
    torch.testing.assert_close(logits(attention, *frames), alone, rtol=0, atol=1e-8)


def test_attention_against_loops(attention):
    found = detections(5)
    graph = graph_of([found, detections(0), detections(2, 1)], LABELS, FEATURES)
    edge = edge_features(graph).double()
    h = torch.randn(7, 128, generator=torch.Generator().manual_seed(0)).double()
    one, expected = attention.rounds[0], []
    query, key, value = one.query_key_value(h).unflatten(1, (3, 4, 32)).unbind(1)
    for i in range(7):
        into = (graph.target == i).nonzero()[:, 0].tolist()
        others = [i, *graph.source[into].tolist()]
        bias = torch.cat([torch.zeros(1, 4).double(), one.bias(edge[into])])
        where = torch.cat([torch.zeros(1, 128).double(), one.of_edge(edge[into])]).unflatten(1, (4, 32))
        share = ((query[i] * key[others]).sum(-1) / 32**0.5 + bias).softmax(0)[..., None]
        heard = (share * (value[others] + where)).sum(0).flatten()
        new = torch.relu(one.combine(torch.cat([h[i], heard])))
        expected.append(128**0.5 * new / new.norm())
    out = one(h, graph.source, graph.target, edge, graph.counts)
    torch.testing.assert_close(out, torch.stack(expected), rtol=0, atol=1e-9)


def test_attention_without_detections(attention):
    assert logits(attention, detections(0)).shape == (0, LABELS + 1)
    assert logits(attention, detections(1)).isfinite().all()


def test_an_unknown_mixer_is_refused():
    with pytest.raises(ValueError, match="mixer must be one of sage, attention, got 'sum'"):
        IMPNNet(LABELS, FEATURES, mixer="sum")
