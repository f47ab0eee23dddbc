"""The optimisation of fixations: against one at a time, on pictures with one right answer, and its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from neva_toys import SIDE, SMALL, energies, smooth_net, stripes, stripes_net

from gazekit.models.neva.optimise import Scene, draw_noise, losses, optimise
from gazekit.models.neva.reference import optimise_one
from gazekit.models.neva.settings import PRESETS, NevaSettings
from gazekit.models.neva.tasks import Caption, Classification, Reconstruction

QUICK = NevaSettings(**SMALL, steps=8)


def _pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("task", [Classification(stripes_net), Reconstruction()])
def test_the_first_fixation_lands_on_the_only_thing_there_is(task):
    places = [(16, 16), (48, 20), (20, 46)]
    images = torch.stack([stripes(xy, vertical=True) for xy in places])
    row = torch.arange(3)
    found = optimise(images, row, task, replace(QUICK, steps=20), draw_noise(row, 1, 20))
    assert (found.xy_px[:, 0] - torch.tensor(places)).abs().max() < 10


def test_the_eye_goes_to_what_the_caption_names_and_the_second_target_comes_first():
    image = torch.maximum(stripes((16, 32), True) - 0.5, stripes((48, 32), False) - 0.5) + 0.5
    image = torch.where(
        image == 0.5,
        image,
        torch.where(torch.arange(SIDE) < 32, stripes((16, 32), True), stripes((48, 32), False)),
    )
    row, noise = torch.zeros(1, dtype=torch.long), draw_noise(torch.tensor([1]), 2, 20)
    settings = replace(QUICK, steps=20, memory=0.0)
    vertical, horizontal = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    left = optimise(image[None], row, Caption(energies, vertical), settings, noise)
    right = optimise(image[None], row, Caption(energies, horizontal), settings, noise)
    assert left.xy_px[0, 0, 0] < 28 and right.xy_px[0, 0, 0] > 36
    faded = optimise(image[None], row, Caption(energies, vertical, horizontal), settings, noise)
    torch.testing.assert_close(faded.xy_px[0, 0], right.xy_px[0, 0])  # l = 0 at the first fixation


def test_the_caption_fades_in_with_the_square_of_the_share():
    task = Caption(energies, torch.tensor([2.0, 0, 0]), torch.tensor([0, 3.0, 0]))
    target = task.target_at(task.target(_pictures(2)), 0.5)
    torch.testing.assert_close(target, torch.tensor([[0.25, 0.75, 0.0]]).expand(2, -1))
    sharp = Caption(energies, torch.tensor([2.0, 0, 0]), "picture").target(_pictures(2))
    torch.testing.assert_close(sharp[:, 1], torch.nn.functional.normalize(energies(_pictures(2)), dim=1))


@pytest.mark.parametrize("restarts", ["jitter", "uniform"])
@pytest.mark.parametrize("compat", [False, True])
def test_together_as_one_at_a_time(restarts, compat):
    settings = replace(QUICK, restarts=restarts, reference_compat=compat, memory=0.5)
    images, row = _pictures(3), torch.tensor([2, 0, 1, 0])
    noise = draw_noise(torch.tensor([5, 6, 7, 8]), 3, 8)
    together = optimise(images, row, Classification(smooth_net), settings, noise)
    for k in range(4):
        xy, loss = optimise_one(images[row[k]][None], Classification(smooth_net), settings, noise[k])
        torch.testing.assert_close(together.xy_px[k], xy, atol=1e-3, rtol=0)
        torch.testing.assert_close(together.loss[k], loss, atol=1e-5, rtol=1e-4)


def test_rows_do_not_know_of_each_other():
    images, row, order = _pictures(3), torch.tensor([0, 1, 2, 1]), torch.tensor([3, 1, 0, 2])
    noise = draw_noise(torch.arange(4), 2, 8)
    task = Classification(smooth_net)
    plain = optimise(images, row, task, QUICK, noise)
    other = optimise(images, row[order], task, QUICK, noise[order])
    torch.testing.assert_close(other.xy_px, plain.xy_px[order])


def test_the_kept_loss_is_the_lowest_and_that_of_the_kept_position():
    images, row = _pictures(2), torch.arange(2)
    task = Classification(smooth_net)
    found = optimise(images, row, task, QUICK, draw_noise(row, 3, 8))
    torch.testing.assert_close(found.loss, found.trace.amin(2))
    before, after = losses(images, row, task, QUICK, found.xy_px)
    torch.testing.assert_close(after, found.loss)
    assert (found.loss <= found.trace[..., 0]).all()
    scene = Scene(images, row, task, QUICK)
    torch.testing.assert_close(before[:, 0], scene.loss(torch.zeros(2, SIDE, SIDE), 0.0))


def test_the_released_code_keeps_one_step_further():
    images, row = _pictures(4), torch.arange(4)
    noise, task = draw_noise(row, 1, 8), Classification(smooth_net)
    right = optimise(images, row, task, QUICK, noise)
    compat = optimise(images, row, task, replace(QUICK, reference_compat=True), noise)
    torch.testing.assert_close(compat.loss, right.loss)
    moved = (compat.xy_px - right.xy_px).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, QUICK.step_px))  # nobody at the border


def test_memory_fades_by_gamma_and_adds_the_new_bump():
    images, row = _pictures(1), torch.zeros(1, dtype=torch.long)
    settings = replace(QUICK, memory=0.3)
    found = optimise(
        images, row, Classification(smooth_net), settings, draw_noise(row, 3, 8), keep_memory=True
    )
    scene = Scene(images, row, Classification(smooth_net), settings)
    first, second = (scene.bump(found.xy_px[:, k]) for k in (0, 1))
    assert (found.memory[:, 0] == 0).all()
    torch.testing.assert_close(found.memory[:, 2], 0.3 * first + second)


def test_gradient_to_the_fixation():
    images = _pictures(1).double()
    settings = replace(QUICK, spread_norm=0.4)
    scene = Scene(images, torch.zeros(1, dtype=torch.long), Classification(smooth_net), settings)
    xy = torch.tensor([[25.3, 40.1]], dtype=torch.float64, requires_grad=True)
    memory = 0.3 * scene.bump(xy.detach() + 9)
    assert torch.autograd.gradcheck(lambda at: scene.loss(memory + scene.bump(at), 0.0), xy)


def test_fixations_stay_in_the_picture():
    image = torch.zeros(1, 3, SIDE, SIDE)
    image[..., :3, :3] = torch.tensor([0.0, 1, 0])  # all there is to see is in the corner
    row = torch.zeros(1, dtype=torch.long)
    settings = replace(QUICK, steps=25, step_norm=0.3, reference_compat=True)
    found = optimise(image, row, Reconstruction(), settings, draw_noise(row, 2, 25))
    assert found.xy_px.min() >= 0.5 and found.xy_px.max() <= SIDE - 0.5


def test_published_settings():
    clip, plain, captions = PRESETS["clip"], PRESETS["classification"], PRESETS["nevaclip"]
    assert (
        plain.steps,
        plain.step_norm,
        plain.spread_norm,
        plain.kernel_px,
        plain.sigma_px,
        plain.memory,
    ) == (20, 0.1, 0.15, 5, 5, 0.1)
    assert (clip.spread_norm, clip.kernel_px, clip.sigma_px, clip.memory, clip.restarts) == (
        0.2,
        41,
        10,
        0.7,
        "jitter",
    )
    assert (captions.memory, captions.restarts) == (0, "uniform")
    assert captions.bump_px == pytest.approx(35.26, abs=0.01)  # standard deviation of 0.316 half pictures
    assert plain.step_px == pytest.approx(11.15)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"memory": 1.5}, "memory"),
        ({"restarts": "both"}, "restarts"),
        ({"solver": "x"}, "solver"),
    ],
)
def test_settings_without_meaning(wrong, message):
    with pytest.raises(ValueError, match=message):
        NevaSettings(**wrong)


def test_what_cannot_be_optimised_is_one_error():
    images, row, task = _pictures(1), torch.zeros(1, dtype=torch.long), Classification(smooth_net)
    with pytest.raises(ValueError, match="at least 1 fixation"):
        optimise(images, row, task, QUICK, draw_noise(row, 0, 8))
    with pytest.raises(ValueError, match="images must be"):
        optimise(images[..., :32], row, task, QUICK, draw_noise(row, 1, 8))
    with pytest.raises(ValueError, match="row must name pictures"):
        optimise(images, row + 1, task, QUICK, draw_noise(row, 1, 8))
    with pytest.raises(ValueError, match="draws a fixation"):
        optimise(images, row, task, QUICK, draw_noise(row, 1, 3))
    with pytest.raises(ValueError, match="not finite"):
        optimise(images, row, Reconstruction(lambda x: x * torch.nan), QUICK, draw_noise(row, 1, 8))
    with pytest.raises(ValueError, match="no direction"):
        Caption(energies, torch.zeros(3))
    with pytest.raises(ValueError, match="2 captions for 1 pictures"):
        Caption(energies, torch.eye(2, 3)).target(images)
