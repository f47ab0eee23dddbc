"""Events: matching against a loop that goes through all pairs, real-looking detections, what is undefined."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cases_agreement import random_events
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics import MetricCollection

from gazekit.metrics import CohenKappa, EventF1, EventTiming, SampleF1
from gazekit.metrics.functional import (
    Events,
    cohen_kappa,
    event_f1,
    event_timing_ms,
    labels_to_events,
    match_events,
    sample_f1,
)
from gazekit.metrics.functional import events as module

event_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(0, 1)), min_size=0, max_size=10
)


def events_of(rows: list[tuple[int, int, int]]) -> Events:
    onset, duration, label = np.array(rows, dtype=int).reshape(-1, 3).T
    return Events(onset.astype(float), (onset + duration).astype(float), label)


def matches_by_loop(a: Events, b: Events, min_iou: float) -> list[tuple[int, int]]:
    candidates = []
    for i in range(len(a)):
        for j in range(len(b)):
            both = min(a.offset_ms[i], b.offset_ms[j]) - max(a.onset_ms[i], b.onset_ms[j])
            either = max(a.offset_ms[i], b.offset_ms[j]) - min(a.onset_ms[i], b.onset_ms[j])
            if a.label[i] == b.label[j] and both > 0 and both / either >= min_iou:
                candidates.append((-float(both / either), float(a.onset_ms[i]), float(b.onset_ms[j]), i, j))
    found: list[tuple[int, int]] = []
    for *_, i, j in sorted(candidates):
        if all(i != k and j != m for k, m in found):
            found.append((i, j))
    return sorted(found)


@settings(deadline=None, max_examples=50)
@given(event_lists, event_lists, st.sampled_from([0.0, 0.25, 0.5]))
def test_matching_equals_going_through_pairs_best_first(a: list, b: list, min_iou: float) -> None:
    """Overlapping events and events of no duration among them."""
    a, b = events_of(a), events_of(b)
    matches = match_events(a, b, min_iou)
    assert list(zip(matches.a.tolist(), matches.b.tolist(), strict=True)) == matches_by_loop(a, b, min_iou)
    assert ((matches.iou > 0) & (matches.iou >= min_iou) & (matches.iou <= 1)).all()
    f1 = event_f1(a, b, min_iou)
    if len(a) + len(b):
        assert f1.item() == pytest.approx(2 * len(matches.a) / (len(a) + len(b)), abs=1e-12)
        torch.testing.assert_close(event_f1(b, a, min_iou), f1, rtol=0, atol=0)
    else:
        assert f1.isnan()


def test_a_staircase_of_ever_better_matches() -> None:
    """Each pair is better than the one before it and shares an event with it: as many rounds as pairs."""
    onset = torch.arange(40) * 100.0
    width = 60 + torch.arange(40) / 2
    a, b = Events(onset, onset + width), Events(onset + 50, onset + 150)
    found = match_events(a, b)
    assert list(zip(found.a.tolist(), found.b.tolist(), strict=True)) == matches_by_loop(a, b, 0.0)


def test_the_partner_is_the_best_overlap_not_the_first() -> None:
    matches = match_events(Events([100.0], [300.0]), Events([0.0, 120.0], [130.0, 310.0]))
    assert matches.b.tolist() == [1]
    assert matches.iou.item() == pytest.approx(180 / 210, abs=1e-12)


def test_a_long_event_takes_one_only() -> None:
    """One detected fixation over three true ones, as when saccades are missed."""
    detected, reference = Events([0.0], [600.0]), Events([0.0, 220.0, 420.0], [200.0, 400.0, 600.0])
    assert event_f1(detected, reference).item() == 0.5
    assert event_f1(detected, reference, min_iou=0.5).item() == 0.0
    assert event_timing_ms(detected, reference, min_iou=0.5).isnan().all()


def test_order_of_rows_does_not_matter() -> None:
    draw = torch.Generator().manual_seed(3)
    a, b = random_events(draw), random_events(draw)
    shuffle = torch.randperm(len(a), generator=draw)
    mixed = Events(a.onset_ms[shuffle], a.offset_ms[shuffle], a.label[shuffle])
    whole, again = match_events(a, b), match_events(mixed, b)
    assert dict(zip(whole.a.tolist(), whole.b.tolist(), strict=True)) == dict(
        zip(shuffle[again.a].tolist(), again.b.tolist(), strict=True)
    )
    torch.testing.assert_close(event_timing_ms(a, b), event_timing_ms(mixed, b), rtol=0, atol=1e-9)


def test_memory_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(4)
    a, b = random_events(draw, 30), random_events(draw, 30)
    whole = match_events(a, b)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 8 * 12 * 7)
    assert all(torch.equal(x, y) for x, y in zip(whole, match_events(a, b), strict=True))


def test_timing_equals_numpy() -> None:
    draw = torch.Generator().manual_seed(5)
    reference = random_events(draw, 20)
    error = 10 * torch.randn(2, 20, generator=draw, dtype=torch.float64)
    detected = Events(reference.onset_ms + error[0], reference.offset_ms + 20 + error[1], reference.label)
    mean_on, std_on, mean_off, std_off, iou = event_timing_ms(detected, reference).tolist()
    on, off = error[0].numpy(), 20 + error[1].numpy()
    assert match_events(detected, reference).a.tolist() == list(range(20))
    np.testing.assert_allclose(
        [mean_on, std_on, mean_off, std_off], [on.mean(), on.std(ddof=1), off.mean(), off.std(ddof=1)]
    )
    assert iou == pytest.approx(match_events(detected, reference).iou.mean().item(), abs=1e-12)
    one = event_timing_ms(Events([5.0], [105.0]), Events([0.0], [100.0]))
    assert one[[0, 2]].tolist() == [5.0, 5.0]
    assert one[[1, 3]].isnan().all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), max_size=25))
def test_labels_to_events_equals_a_loop(labels: list[int]) -> None:
    expected: list[list[float]] = []
    for index, label in enumerate(labels):
        if expected and expected[-1][2] == label:
            expected[-1][1] = (index + 1) * 4.0
        else:
            expected.append([index * 4.0, (index + 1) * 4.0, label])
    events = labels_to_events(torch.tensor(labels, dtype=torch.long), sampling_rate_hz=250)
    rows = torch.stack([events.onset_ms, events.offset_ms, events.label.double()], 1)
    assert rows.tolist() == expected
    assert events.duration_ms.sum().item() == len(labels) * 4.0
    if len(labels) > 1:
        timed = labels_to_events(labels, time_ms=100 + 4.0 * np.arange(len(labels)))
        assert (timed.onset_ms - 100).tolist() == events.onset_ms.tolist()
        assert (timed.offset_ms - 100).tolist() == events.offset_ms.tolist()


def test_irregular_times() -> None:
    events = labels_to_events([1, 1, 2, 2], time_ms=[0.0, 2.0, 5.0, 7.0])
    assert events.onset_ms.tolist() == [0.0, 5.0]
    assert events.offset_ms.tolist() == [5.0, 9.0]


@pytest.fixture(scope="module")
def recordings(shared_data: Path) -> list[dict]:
    """Simulated recordings, true labels 1 fixation and 2 saccade, and pymovements' detections at 1 kHz."""
    folder = shared_data / "golden_metrics"
    inputs = np.load(folder / "misc_inputs.npz")
    found = json.loads((folder / "misc_expected.json").read_text())["events"]
    for one in found:
        one["true"] = torch.as_tensor(inputs[f"{one['key']}_true_label"])
    return found


def detections(recording: dict, name: str) -> tuple[Events, torch.Tensor]:
    """Fixations (exclusive offsets) and sample labels of a detector whose intervals are inclusive."""
    onset, last = np.array(recording["expected"][f"{name}_on_off_inclusive"], dtype=float).T
    labels = torch.full_like(recording["true"], 2)
    for start, stop in zip(onset.astype(int), last.astype(int), strict=True):
        labels[start : stop + 1] = 1
    return Events(onset, last + 1, np.ones(len(onset), dtype=int)), labels


def test_golden_detections(recordings: list[dict]) -> None:
    assert len(recordings) == 3
    for recording in recordings:
        expected, true = recording["expected"], recording["true"]
        (_, ivt), (_, idt) = detections(recording, "ivt"), detections(recording, "idt")
        assert cohen_kappa(ivt, true).item() == pytest.approx(expected["kappa_ivt_vs_true"], abs=1e-9)
        assert cohen_kappa(ivt, idt).item() == pytest.approx(expected["kappa_ivt_vs_idt"], abs=1e-9)
        f1 = sample_f1(ivt, true, 3)
        assert f1[1].item() == pytest.approx(expected["f1_fix_ivt_vs_true"], abs=1e-9)
        assert f1[0].isnan()


def test_golden_detections_as_events(recordings: list[dict]) -> None:
    for recording in recordings:
        ivt, labels = detections(recording, "ivt")
        true = labels_to_events(recording["true"], sampling_rate_hz=1000).only(1)
        again = labels_to_events(labels, sampling_rate_hz=1000).only(1)
        assert again.onset_ms.tolist() == ivt.onset_ms.tolist()
        assert event_f1(ivt, ivt).item() == 1.0
        assert event_timing_ms(ivt, ivt).tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
        # the second recording has its first fixation torn in two by one fast sample; nothing else is wrong
        torn = recording["key"] == "ev_1"
        assert len(ivt) == len(true) + torn
        assert event_f1(ivt, true).item() == pytest.approx(2 * len(true) / (2 * len(true) + torn), abs=1e-12)
        assert event_timing_ms(ivt, true)[4] > 0.85


def test_classes_pool_recordings(recordings: list[dict]) -> None:
    kappa, f1, event, timing = CohenKappa(3), SampleF1(3), EventF1(label=1), EventTiming(label=1)
    per_recording = EventF1(label=1, aggregation="none")
    for recording in recordings:
        ivt, labels = detections(recording, "ivt")
        true = labels_to_events(recording["true"], sampling_rate_hz=1000)
        kappa.update(labels, recording["true"])
        f1.update(labels, recording["true"])
        for metric in (event, per_recording, timing):
            metric.update([ivt], [true])
    assert 0.92 < kappa.compute() < 0.97
    assert 0.99 < f1.compute()[1] < 0.998
    assert event.compute().item() == pytest.approx(2 * 13 / (14 + 13), abs=1e-12)
    assert per_recording.compute().tolist() == pytest.approx([1.0, 8 / 9, 1.0], abs=1e-12)
    assert timing.compute()[4] > 0.9
    low, high = event.interval()[1:3]
    assert low <= event.compute() <= high


def test_kinds_of_events_in_one_collection() -> None:
    """Equal at first, as both kinds match alike; then only the second kind shifts."""
    collection = MetricCollection(
        {
            "f1 of 0": EventF1(label=0),
            "f1 of 1": EventF1(label=1),
            "0": EventTiming(label=0),
            "1": EventTiming(label=1),
        }
    )
    reference = Events([0.0, 200.0], [100.0, 300.0], [0, 1])
    collection.update([reference], [reference])
    collection.update([Events([0.0, 220.0], [100.0, 320.0], [0, 1])], [reference])
    found = collection.compute()
    assert found["0"].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert found["1"][0].item() == pytest.approx(10.0, abs=1e-12)
    assert found["f1 of 0"] == found["f1 of 1"] == 1.0


def test_undefined_recordings_are_counted() -> None:
    nothing, one = Events([], []), Events([0.0], [100.0])
    f1, timing = EventF1(), EventTiming()
    for metric in (f1, timing):
        metric.update([nothing, one, one], [nothing, nothing, one])
    assert f1.compute().item() == pytest.approx(2 / 3, abs=1e-12)
    assert f1.undefined == 1  # an event that is not found is an F1 of 0
    assert timing.undefined == 2
    assert event_f1(nothing, nothing).isnan()
    assert event_f1(nothing, one).item() == 0.0
    assert event_timing_ms(nothing, one).isnan().all()


def test_lists_keep_their_digits() -> None:
    assert Events([0.1], [1e7 + 0.1]).offset_ms.item() == 1e7 + 0.1


def test_only_events_that_meet_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs of these would be 4e8; kinds apart, all at one time, none meet."""
    compared, members = [], module._members

    def counted(*stretches):
        for owner, place in members(*stretches):
            compared.append(len(owner))
            yield owner, place

    monkeypatch.setattr(module, "_members", counted)
    onset = torch.arange(20_000) * 100.0
    matches = match_events(Events(onset, onset + 80), Events(onset + 10, onset + 90))
    assert torch.equal(matches.a, matches.b) and len(matches.a) == 20_000
    assert sum(compared) == 20_000
    kind = torch.arange(20_000)
    assert (
        len(
            match_events(
                Events(0 * onset, 0 * onset + 1, kind), Events(0 * onset, 0 * onset + 1, -1 - kind)
            ).a
        )
        == 0
    )
    assert sum(compared) == 20_000


def test_min_iou_is_checked_at_construction() -> None:
    for make in (EventF1, EventTiming):
        with pytest.raises(ValueError, match="min_iou must lie between 0 and 1, got 2"):
            make(min_iou=2)


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"event 1 lasts from 300 to 200 ms"):
        Events([0.0, 300.0], [100.0, 200.0])
    with pytest.raises(ValueError, match="event 0 lasts from nan to 100 ms"):
        Events([float("nan")], [100.0])
    with pytest.raises(ValueError, match=r"share one shape \[E\], got \[2\], \[1\] and \[2\]"):
        Events([0.0, 1.0], [1.0])
    with pytest.raises(TypeError, match=r"label must hold integers, got torch\.float64"):
        Events([0.0], [1.0], np.ones(1))
    one = Events([0.0], [1.0])
    with pytest.raises(ValueError, match=r"min_iou must lie between 0 and 1, got 1\.5"):
        event_f1(one, one, 1.5)
    with pytest.raises(ValueError, match="equally many recordings, got 1 and 2"):
        EventF1().update([one], [one, one])
    with pytest.raises(TypeError, match="recordings must be Events, got list"):
        EventTiming().update([[0.0, 1.0]], [one])
    with pytest.raises(TypeError, match="either time_ms or sampling_rate_hz"):
        labels_to_events([1, 1])
    with pytest.raises(ValueError, match="must increase"):
        labels_to_events([1, 1], time_ms=[0.0, 0.0])
    with pytest.raises(ValueError, match=r"time_ms must have shape \[3\]"):
        labels_to_events([1, 1, 1], time_ms=[0.0, 1.0])
    with pytest.raises(ValueError, match="sampling_rate_hz must be positive, got 0"):
        labels_to_events([1, 1], sampling_rate_hz=0)
    with pytest.raises(TypeError, match=r"labels must hold integers, got torch\.float32"):
        labels_to_events(torch.ones(3), sampling_rate_hz=100)
