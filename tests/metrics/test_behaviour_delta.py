"""Behaviour in five numbers against a loop that remembers what it saw, and the delta's undefined cases."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gazekit.metrics import BehaviourDelta
from gazekit.metrics.functional import PARTS, behaviour, behaviour_delta, behaviour_parts
from gazekit.scanpath import Ragged

NAN = float("nan")
scanpaths = st.lists(st.integers(0, 4), max_size=10)


def loop_behaviour(objects: list[int], target: int) -> list[float]:
    """Walk along the scanpath, remembering the objects visited."""
    found = NAN if target == -1 else float(bool(objects) and objects[-1] == target)
    if not objects:
        return [found, 0.0, NAN, NAN, NAN]
    count = {"search": 0, "refix": 0, "revisit": 0}
    seen: set[int] = set()
    for i, here in enumerate(objects):
        if i and here == objects[i - 1]:
            count["refix"] += 1
        else:
            count["revisit" if here in seen else "search"] += 1
        seen.add(here)
    return [found, float(len(objects)), *(c / len(objects) for c in count.values())]


def of_lists(objects: list[list[int]], target: list[int]) -> Tensor:
    batch = Ragged.from_list(objects, torch.long)
    return behaviour(batch.values, batch.mask, torch.tensor(target))


@settings(deadline=None)
@given(st.lists(st.tuples(scanpaths, st.integers(-1, 4)), min_size=1, max_size=6))
def test_a_batch_equals_the_loop(trials: list[tuple[list[int], int]]) -> None:
    found = of_lists([o for o, _ in trials], [t for _, t in trials])
    expected = torch.tensor([loop_behaviour(*trial) for trial in trials], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12, equal_nan=True)


@settings(deadline=None)
@given(scanpaths.filter(len))
def test_fractions_add_to_one(objects: list[int]) -> None:
    assert of_lists([objects], [0])[0, 2:].sum().item() == pytest.approx(1, abs=1e-12)


def test_empty_and_free_viewing() -> None:
    found = of_lists([[], [], [2, 2]], [3, -1, -1])
    expected = torch.tensor([[0, 0, NAN, NAN, NAN], [NAN, 0, NAN, NAN, NAN], [NAN, 2, 0.5, 0.5, 0]])
    torch.testing.assert_close(found, expected.double(), equal_nan=True)
    width_zero = behaviour(
        torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 0, dtype=torch.bool), torch.tensor([3])
    )
    torch.testing.assert_close(width_zero, expected[:1].double(), equal_nan=True)


def test_published_random_cells() -> None:
    """Human and random-cell behaviour on the book covers: mean vectors and delta, all to three digits."""
    human = torch.tensor([0.8496, 12.887, 0.7831, 0.1722, 0.0448])
    random = torch.tensor([0.015, 12.885, 0.933, 0.012, 0.056])
    assert behaviour_delta(random, human).item() == pytest.approx(0.469, abs=2e-3)


def test_delta_is_the_mean_of_its_parts() -> None:
    human = torch.tensor([[0.5, 8.0, 0.5, 0.25, 0.25], [1.0, 4.0, 0.5, 0.3, 0.2]])
    model = torch.tensor([[0.25, 10.0, 0.5, 0.5, 0.0], [1.0, 4.0, 0.5, 0.3, 0.2]])
    parts = behaviour_parts(model, human)
    torch.testing.assert_close(parts[0], torch.tensor([0.5, 0.25, 0.0, 1.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(behaviour_delta(model.numpy(), human.numpy()), parts.mean(-1))
    assert behaviour_delta(human, human).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("model", "human", "delta", "undefined"),
    [
        pytest.param([NAN, 6, 0.6, 0.2, 0.2], [NAN, 4, 0.6, 0.2, 0.2], 0.125, ["found"], id="free viewing"),
        pytest.param(
            [0.5, 6, 0.6, 0.2, 0.2], [NAN, 4, 0.6, 0.2, 0.2], NAN, ["found"], id="found on one side"
        ),
        pytest.param(
            [0.5, 6, 0.6, 0.2, 0.2], [0.5, 4, 0.8, 0.2, 0.0], NAN, ["revisit"], id="people never revisit"
        ),
        pytest.param(
            [0.5, 6, 0.8, 0.2, 0.0], [0.5, 4, 0.8, 0.2, 0.0], NAN, ["revisit"], id="nobody revisits"
        ),
        pytest.param([NAN, 6, 0.8, 0.2, 0.0], [NAN, 4, 0.8, 0.2, 0.0], NAN, ["found", "revisit"], id="both"),
    ],
)
def test_undefined_parts(model: list[float], human: list[float], delta: float, undefined: list[str]) -> None:
    assert behaviour_delta(torch.tensor(model), torch.tensor(human)).item() == pytest.approx(
        delta, nan_ok=True
    )
    parts = behaviour_parts(torch.tensor(model), torch.tensor(human))
    assert [name for name, part in zip(PARTS, parts.tolist(), strict=True) if math.isnan(part)] == undefined


def test_trials_of_one_side_only_are_left_out() -> None:
    """The model's empty scanpath has no fractions; people's on that trial are then left out too."""
    model = Ragged.from_list([[1, 1, 2], []], torch.long)
    human = Ragged.from_list([[1, 1, 2], [3, 4, 4, 3]], torch.long)
    metric = BehaviourDelta()
    metric.update(model.values[:, None], model.mask[:, None], human.values, human.mask, torch.tensor([2, 3]))
    model_mean, human_mean = metric.means()
    assert model_mean.tolist() == pytest.approx([0.5, 1.5, 2 / 3, 1 / 3, 0])
    assert human_mean.tolist() == pytest.approx([1, 3.5, 2 / 3, 1 / 3, 0])
    assert [score.n for score in metric.interval(10).values()] == [1, 2, 2, 1, 1, 1]
    assert metric.undefined == 1


def test_targets_and_free_viewing_mixed() -> None:
    objects = Ragged.from_list([[1, 2, 2, 1], [3, 3, 4, 3]], torch.long)
    metric = BehaviourDelta()
    metric.update(
        objects.values[:, None], objects.mask[:, None], objects.values, objects.mask, torch.tensor([1, -1])
    )
    assert [score.n for score in metric.interval(10).values()] == [2, 1, 2, 2, 2, 2]
    assert metric.undefined == 0
    assert metric.compute() == 0


def test_wrong_input_is_named() -> None:
    ids, mask = torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"shapes \[B, T\] and \[B\], got \[2, 3\] and \[3\]"):
        behaviour(ids, mask, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="target must be an object id or -1, got -2"):
        behaviour(ids, mask, torch.tensor([0, -2]))
    with pytest.raises(TypeError, match="target must hold integer"):
        behaviour(ids, mask, torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"must share one shape \[..., 5\]"):
        behaviour_parts(torch.zeros(4), torch.zeros(4))
    with pytest.raises(ValueError, match=r"\[B, n, T\] and \[B, T'\], got \[2, 3\] and \[2, 3\]"):
        BehaviourDelta().update(ids, mask, ids, mask, torch.tensor([0, 0]))
