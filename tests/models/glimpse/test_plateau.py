"""The plateau rule by hand, and what a checkpoint keeps of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gazekit.models.glimpse.plateau import LinearFitPlateau, StopWhenWorse


def rule(**more) -> tuple[torch.optim.Optimizer, LinearFitPlateau]:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    return optimizer, LinearFitPlateau(optimizer, epoch_steps=1, **more)


def rates(losses, **more) -> list[float]:
    optimizer, plateau = rule(**more)
    found = []
    for loss in losses:
        found.append(optimizer.param_groups[0]["lr"])
        plateau.step(loss)
    return [*found, optimizer.param_groups[0]["lr"]]


def test_warm_up_is_that_of_the_source() -> None:
    expected = [1e-6 + k * (1e-4 - 1e-6) / 4 for k in range(5)] + [1e-4]
    assert rates(range(0, -5, -1)) == pytest.approx(expected)


def test_flat_losses_lower_the_rate_after_six_bad_epochs() -> None:
    found = rates([-0.5] * 17)  # checked from the sixth on: bad are 6 to 11, then 12 to 17
    assert found[4:11] == pytest.approx([1e-4] * 7)
    assert found[11:17] == pytest.approx([2e-5] * 6)
    assert found[17] == pytest.approx(4e-6)


@pytest.mark.parametrize(("fall", "lowered"), [(0.006, False), (0.004, True)])
def test_a_fall_of_one_percent_in_three_epochs_is_enough(fall: float, lowered: bool) -> None:
    losses = [1.0]
    while len(losses) < 14:
        losses.append(losses[-1] * (1 - fall))
    assert (rates(losses)[-1] < 5e-5) == lowered


def test_one_good_epoch_starts_the_count_again() -> None:
    losses = [1.0] * 10 + [0.5] + [0.5] * 6
    assert rates(losses)[-1] == pytest.approx(1e-4)


def test_it_ends_at_the_lowest_rate() -> None:
    optimizer, plateau = rule(warm_up=1, patience=0)
    for _ in range(12):
        assert not plateau.finished or optimizer.param_groups[0]["lr"] == 1e-8
        plateau.step(1.0)
    assert plateau.finished
    assert optimizer.param_groups[0]["lr"] == 1e-8


@pytest.mark.parametrize("cut", [3, 17, 40])
def test_resumed_in_the_middle_of_an_epoch_it_is_as_if_unbroken(cut: int) -> None:
    losses = [1 / (1 + k) for k in range(20)] + [0.04] * 60
    whole = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    unbroken = LinearFitPlateau(whole, epoch_steps=4, patience=2)
    expected = []
    for loss in losses:
        unbroken.step(loss)
        expected.append(whole.param_groups[0]["lr"])
    first = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    before = LinearFitPlateau(first, epoch_steps=4, patience=2)
    for loss in losses[:cut]:
        before.step(loss)
    second = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    after = LinearFitPlateau(second, epoch_steps=4, patience=2)
    second.load_state_dict(first.state_dict())
    after.load_state_dict(before.state_dict())
    found = []
    for loss in losses[cut:]:
        after.step(loss)
        found.append(second.param_groups[0]["lr"])
    assert found == expected[cut:]
    assert len(set(expected)) > 5


def test_without_the_length_of_an_epoch_it_asks() -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(ValueError, match="epoch_steps is not set"):
        LinearFitPlateau(optimizer).step(1.0)


@pytest.mark.parametrize(
    ("losses", "stops"),
    [([-0.5, -0.496], False), ([-0.5, -0.494], True), ([0.5, 0.504], False), ([0.5, 0.506], True)],
)
def test_a_percent_worse_than_the_best_ends_the_training(losses: list[float], stops: bool) -> None:
    first, trainer = StopWhenWorse(), SimpleNamespace(callback_metrics={}, should_stop=False)
    trainer.callback_metrics["val/loss"] = losses[0]
    first.on_validation_end(trainer, None)
    resumed = StopWhenWorse()
    resumed.load_state_dict(first.state_dict())
    trainer.callback_metrics["val/loss"] = losses[1]
    resumed.on_validation_end(trainer, None)
    assert trainer.should_stop == stops
