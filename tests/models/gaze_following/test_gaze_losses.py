import numpy as np
import pytest
import torch
from gaze_net_toys import gaze_batch
from scipy.stats import vonmises

from gazekit.models.gaze_following.looks import Looks
from gazekit.models.gaze_following.losses import SHARPNESS, GazeLoss, head_map, resized, target_heatmap


def looks_of(heatmap, inside=None, direction_xy=None):
    return Looks(heatmap, inside, direction_xy)


def test_target_is_the_benchmark_gaussian():
    maps = target_heatmap(torch.tensor([[0.5, 0.25], [0.0, 1.0]]))
    assert maps.shape == (2, 64, 64)
    assert maps[0, 16, 32] == 1 and maps[0].argmax() == 16 * 64 + 32
    assert (maps[0] > 0).sum() == 19 * 19
    assert (maps[0, 7:26, 23:42] > 0).all()
    torch.testing.assert_close(maps[0, 18, 35], torch.tensor(-(4 + 9) / 18).exp())
    assert maps[1, 63, 0] == 1 and (maps[1] > 0).sum() == 10 * 10


def test_mean_squared_error_of_those_who_look_into_the_frame():
    batch = gaze_batch(people=3)  # the third looks out
    heatmap = target_heatmap(batch["point_norm"].nan_to_num())
    heatmap[0] += 0.1
    heatmap[2] = 7
    terms = GazeLoss()(looks_of(heatmap, torch.zeros(3)), batch)
    torch.testing.assert_close(terms["heatmap"], torch.tensor(10_000 * 0.01 / 2))
    entropy = torch.tensor(2.0).log()
    torch.testing.assert_close(terms["inside"], 100 * entropy / 4)  # (1 - 1/2)^2
    torch.testing.assert_close(terms["loss"], terms["heatmap"] + terms["inside"])


def test_maps_of_any_size_are_compared_at_64():
    coarse = torch.rand(2, 8, 8)
    fine = torch.nn.functional.interpolate(coarse[:, None], (64, 64), mode="bilinear", align_corners=True)[
        :, 0
    ]
    torch.testing.assert_close(resized(coarse), fine)
    assert resized(coarse[:0]).shape == (0, 64, 64)


@pytest.mark.parametrize("kind", ["mse", "bce", "softmax"])
def test_the_true_map_is_best(kind):
    batch = gaze_batch(people=2)
    target = target_heatmap(batch["point_norm"])
    said = {"mse": target, "bce": target.logit(1e-4), "softmax": target.clamp(min=1e-9).log() / SHARPNESS}[
        kind
    ].requires_grad_()
    loss = GazeLoss(heatmap_loss=kind)(looks_of(said), batch)["loss"]
    (gradient,) = torch.autograd.grad(loss, said)
    assert gradient.abs().max() < 1e-4 * (1e4 if kind == "mse" else 1)
    for other in (said.flip(0), said + torch.rand_like(said)):
        assert GazeLoss(heatmap_loss=kind)(looks_of(other), batch)["loss"] > loss
    shifted = GazeLoss(heatmap_loss=kind)(looks_of(said + 3), batch)["loss"]
    assert (shifted - loss < 1e-4) == (kind == "softmax")


def test_focal_loss_forgives_what_is_nearly_right():
    batch = gaze_batch(people=1)
    logit = torch.tensor([2.0])
    right = logit.sigmoid()
    for gamma in (0.0, 2.0):
        loss = GazeLoss(focal_gamma=gamma, inside_weight=1, heatmap_weight=0)
        terms = loss(looks_of(torch.zeros(1, 64, 64), logit), batch)
        torch.testing.assert_close(terms["inside"], -right.log()[0] * (1 - right[0]) ** gamma)
        wrong = loss(looks_of(torch.zeros(1, 64, 64), logit), batch | {"labels": torch.tensor([0])})
        torch.testing.assert_close(wrong["inside"], -(1 - right).log()[0] * right[0] ** gamma)


def test_head_map():
    heads = torch.tensor([[0.25, 0.25, 0.5, 0.75], [0.6, 0.1, 0.7, 0.2], [0.0, 0.0, 1.0, 1.0]])
    maps = head_map(heads, torch.tensor([1, 1, 2]), 4, (80, 80))
    assert maps.shape == (4, 80, 80) and maps[0].max() == maps[3].max() == 0
    assert maps[1].max() == maps[2].max() == 1
    y, x = 49.5 / 80, 33.5 / 80
    blob = torch.exp(torch.tensor(-((x - 0.375) ** 2) / (0.25**2 / 3) - (y - 0.5) ** 2 / (0.5**2 / 3)))
    top = torch.exp(torch.tensor(-2 * (0.5 / 80) ** 2 * 0 - (0.5 / 80) ** 2 * 3 * (1 / 0.25**2 + 1 / 0.5**2)))
    torch.testing.assert_close(maps[1, 49, 33], blob / top, rtol=1e-3, atol=1e-4)


def test_heads_stop_to_matter_where_they_are_known():
    batch = gaze_batch()
    wanted = head_map(batch["head_norm"], batch["picture"], 3, (64, 64))
    known = looks_of(torch.zeros(6, 64, 64))
    nothing = GazeLoss()(known, batch, torch.zeros(3, 8, 8))["heads"]
    torch.testing.assert_close(nothing, 100 * (torch.tensor(2.0).log() - 0.05))
    there = (wanted > 0.5).float().mean((1, 2))
    assert there[1] == 0 < there[0]  # nobody in the picture in the middle
    sure = torch.where(torch.arange(3)[:, None, None] == 1, -20.0, wanted.logit(1e-6))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(sure, wanted)
    found = GazeLoss()(known, batch, sure)["heads"]
    torch.testing.assert_close(found, 100 * (entropy - 0.05).clamp(min=0), rtol=1e-3, atol=1e-3)
    assert GazeLoss(heads_floor=5.0)(known, batch, sure)["heads"] == 0
    assert GazeLoss(heads_weight=0)(known, batch, sure)["heads"] == 0


def test_direction_is_compared_in_pixels():
    batch = gaze_batch(people=3) | {
        "direction_xy": torch.tensor([[0.6, 0.8], [1.0, 0.0], [torch.nan, torch.nan]])
    }
    batch["size_px"] = torch.tensor([[200, 100]]).expand(3, -1)
    said = torch.tensor([[0.3, 0.8], [0.0, -5.0], [1.0, 1.0]])  # right, at a right angle, unknown
    terms = GazeLoss()(looks_of(torch.zeros(3, 64, 64), None, said), batch)
    concentration = np.array([np.hypot(0.3 * 200, 0.8 * 100), 5 * 100]) / np.sqrt(200 * 100)
    off = np.array([0, np.pi / 2])
    likelihood = vonmises.logpdf(off, concentration) + np.log(2 * np.pi)
    assert float(terms["direction"]) == pytest.approx(-likelihood.mean(), rel=1e-5)
    assert "inside" not in terms and "heads" not in terms


def test_nobody_and_nobody_inside():
    batch = gaze_batch(people=3) | {"labels": torch.zeros(3, dtype=torch.long)}
    heatmap = torch.rand(3, 64, 64, requires_grad=True)
    for kind in ("mse", "bce", "softmax"):
        terms = GazeLoss(heatmap_loss=kind)(looks_of(heatmap, torch.zeros(3), torch.ones(3, 2)), batch)
        assert terms["heatmap"] == 0 and terms["loss"].isfinite()
        terms["heatmap"].backward()
    unknown = gaze_batch(people=1) | {
        "point_norm": torch.full((1, 2), torch.nan)
    }  # inside, but nobody knows where
    assert GazeLoss()(looks_of(heatmap[:1], torch.zeros(1)), unknown)["heatmap"] == 0


def test_unknown_losses_are_refused():
    with pytest.raises(ValueError, match="heatmap_loss must be one of mse, bce, softmax, got 'l1'"):
        GazeLoss(heatmap_loss="l1")
