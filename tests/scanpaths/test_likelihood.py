import math

import pytest
import torch

from gazekit.scanpath import Scanpath
from gazekit.scanpaths.likelihood import negative_log_likelihood, next_fixation, next_outcome
from gazekit.scene import Scene, Trial, TrialBatch

LOG_2 = math.log(2)


@pytest.fixture
def batch() -> TrialBatch:
    """Four objects and two: fixations 1, 3 on the first scene, none, and 0 on the second."""
    strip = [[k, 0, k + 1, 1] for k in range(4)]
    scenes = [Scene("four", (4, 1), strip), Scene("two", (4, 1), strip[:2])]
    trials = [Trial(s, Scanpath([[0.5, 0.5]] * len(o)), o) for s, o in ((0, [1, 3]), (0, []), (1, [0]))]
    return TrialBatch.from_trials(scenes, trials, range(3))


@pytest.fixture
def log_prob() -> torch.Tensor:
    """[3, 3, 5] in halves, quarters and eighths; column 4 is STOP."""
    half, quarter, eighth = 1 / 2, 1 / 4, 1 / 8
    rows = [
        [
            [quarter, half, eighth, eighth, 0],
            [eighth, eighth, quarter, quarter, quarter],
            [eighth] * 4 + [half],
        ],
        [[quarter, quarter, quarter, quarter, 0]] + [[eighth] * 4 + [half]] * 2,
        [[half, half, 0, 0, 0], [quarter, half, 0, 0, quarter], [quarter, half, 0, 0, quarter]],
    ]
    return torch.tensor(rows).log()


def test_next_fixation_by_hand(batch, log_prob):
    got = next_fixation(log_prob, batch)
    assert got.mask.tolist() == [[True, True], [False, False], [True, False]]
    # step 1 of the first trial: STOP has 1/4, so object 3 has 1/4 of the remaining 3/4
    expected = torch.tensor([1 / 2, 1 / 3, 1 / 2]).log()
    torch.testing.assert_close(got.log_prob[got.mask], expected)
    torch.testing.assert_close(got.log_chance[got.mask], torch.tensor([1 / 4, 1 / 4, 1 / 2]).log())


def test_next_outcome_by_hand(batch, log_prob):
    got = next_outcome(log_prob, batch)
    assert got.mask.tolist() == [[True, True, True], [False] * 3, [True, True, False]]
    torch.testing.assert_close(got.log_prob[0], torch.tensor([1 / 2, 1 / 4, 1 / 2]).log())
    torch.testing.assert_close(got.log_prob[2, :2], torch.tensor([1 / 2, 1 / 4]).log())
    torch.testing.assert_close(got.log_chance[0], torch.tensor([1 / 4, 1 / 5, 1 / 5]).log())
    torch.testing.assert_close(got.log_chance[2, :2], torch.tensor([1 / 2, 1 / 3]).log())


def test_loss_is_the_mean_over_outcomes(batch, log_prob):
    loss = negative_log_likelihood(log_prob, batch)
    torch.testing.assert_close(loss, torch.tensor((1 + 2 + 1 + 1 + 2) / 5 * LOG_2))


def test_an_empty_scanpath_adds_nothing(batch, log_prob):
    changed = log_prob.clone()
    changed[1] = torch.nan
    assert not next_outcome(changed, batch).mask[1].any()
    torch.testing.assert_close(
        negative_log_likelihood(changed, batch), negative_log_likelihood(log_prob, batch)
    )


def test_gradient_reaches_what_happened_and_nothing_else(batch, log_prob):
    logits = torch.zeros(3, 3, 5, requires_grad=True)
    negative_log_likelihood(logits.log_softmax(-1), batch).backward()
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[2, 2] == 0).all()  # after its STOP
    assert logits.grad[0].argmin(-1).tolist() == [1, 3, 4]
