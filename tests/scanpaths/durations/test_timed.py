"""Scanpaths as duration models see them: what is refused, and what is known of a batch."""

import dataclasses

import pytest
import torch
from duration_toys import random_timed

from gazekit.scanpath import Scanpath
from gazekit.scanpaths.durations import Timed, timed_part
from gazekit.scene import Scene, Trial, TrialBatch

NAN = float("nan")


def batch_of(*durations_ms: list[float] | None, **names) -> TrialBatch:
    scene = Scene("one", (400, 300), [[0, 0, 10, 10]], start_xy_px=(100.0, 50.0))
    lengths = [2 if ms is None else len(ms) for ms in durations_ms]
    trials = [
        Trial(0, Scanpath([[5.0, 5.0]] * n, ms, f"person {k}"), [0] * n)
        for k, (n, ms) in enumerate(zip(lengths, durations_ms, strict=True))
    ]
    return TrialBatch.from_trials([scene], trials, range(len(trials)), **names)


@pytest.mark.parametrize("value", [0.0, -3.0, float("inf")])
def test_a_duration_that_no_fixation_has(value):
    durations = random_timed().duration_ms.clone()
    durations[1, 2] = value
    with pytest.raises(
        ValueError, match=rf"fixation 2 of scanpath \[1\] lasts {value} ms, expected .* \(1 such"
    ):
        random_timed(duration_ms=durations)


def test_padding_may_hold_anything():
    timed = random_timed()
    durations = torch.where(timed.mask, timed.duration_ms, 0.0)
    assert random_timed(duration_ms=durations).known.equal(timed.mask)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("xy_px", (6, 5, 3)),
        ("duration_ms", (6, 4)),
        ("size_px", (5, 2)),
        ("observer", (6, 5)),
        ("context", (6, 4, 2)),
    ],
)
def test_shapes(name, shape):
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        random_timed(**{name: torch.ones(shape)})


def test_of_a_batch():
    batch = batch_of([200.0, 300.0], None, [], observers=["person 2", "person 0"])
    timed = Timed.of(batch)
    assert timed.known.tolist() == [[True, True], [False, False], [False, False]]
    assert timed.observer.tolist() == [1, -1, 0]
    assert timed.size_px.tolist() == [[400, 300]] * 3
    assert timed.start_xy_px.tolist() == [[100, 50]] * 3


def test_of_a_batch_without_durations():
    timed = Timed.of(batch_of(None, None))
    assert not timed.known.any()
    assert timed.mask.all()
    assert timed.observer is None


def test_parts_of_different_lengths_are_joined():
    class Two:
        def batches(self, part):
            yield batch_of([200.0, 300.0, 100.0])
            yield batch_of([150.0], [])

    timed = timed_part(Two(), "train")
    assert timed.mask.sum(-1).tolist() == [3, 1, 0]
    assert timed.duration_ms[timed.mask].tolist() == [200, 300, 100, 150]
    with pytest.raises(ValueError, match="no batch"):
        Timed.cat([])


def test_step_by_step_it_is_the_same_scanpath():
    whole = random_timed(
        scanpaths=4, steps=3, mask=torch.ones(4, 3, dtype=torch.bool), context=torch.rand(4, 3, 2)
    )
    grown = Timed.started(whole.size_px, whole.start_xy_px, whole.observer, context=2)
    for t in range(3):
        grown = grown.then(whole.xy_px[:, t], whole.duration_ms[:, t], whole.context[:, t])
    for field in dataclasses.fields(Timed):
        one, other = getattr(grown, field.name), getattr(whole, field.name)
        assert (one is None and other is None) or torch.equal(one, other), field.name
    assert grown.then(whole.xy_px[:, 0], context=whole.context[:, 0]).known.sum() == whole.known.sum()
    with pytest.raises(ValueError, match="context"):
        grown.then(whole.xy_px[:, 0])
