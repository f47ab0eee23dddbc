"""G-Eymol: forces, energy, and where the trajectory rests."""

from itertools import islice

import pytest
import torch
from classic_toys import grey, noise, scenes

from gazekit.models.classic_scanpaths import GEymol, eymol
from gazekit.models.classic_scanpaths.eymol import acceleration, masses, trajectory
from gazekit.models.classic_scanpaths.resting import resting


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def dot(x=170, y=50):
    """One bright dot in a dark picture of 224 x 168."""
    picture = torch.zeros(1, 168, 224, 3, dtype=torch.uint8)
    picture[0, y - 2 : y + 3, x - 2 : x + 3] = 255
    return scenes(picture)


AXES = (torch.arange(112.0) * 2 + 1).double(), (torch.arange(84.0) * 2 + 1).double()


def potential(pull, xy):
    """U = (m + 1) / 2 sum pull log(|p - x|^2 + m)."""
    x, y = AXES
    m = 225 // 10
    away = (x - xy[0]) ** 2 + ((y - xy[1]) ** 2)[:, None]
    return (m + 1) / 2 * (pull * (away + m).log()).sum()


def test_forces_are_the_gradient_of_a_potential():
    pull = torch.rand(1, 1, 84, 112, generator=draw(), dtype=torch.float64) * 1e-3
    xy = torch.tensor([90.3, 61.7], dtype=torch.float64, requires_grad=True)
    potential(pull[0, 0], xy).backward()
    state = torch.tensor([[[90.3, 61.7, 0.0, 0.0]]], dtype=torch.float64)
    assert torch.allclose(acceleration(pull, state, *AXES)[0, 0], -xy.grad)
    state[..., 2:] = torch.tensor([2.0, -1.0])
    expected = -xy.grad - 1.5 * state[0, 0, 2:]
    assert torch.allclose(acceleration(pull, state, *AXES)[0, 0], expected)


def test_energy_is_kept_without_drag_and_lost_with_it(monkeypatch):
    pull = torch.rand(1, 1, 84, 112, generator=draw(1), dtype=torch.float64) * 1e-3

    def energies():
        state, found = torch.tensor([[[60.0, 50.0, 1.0, 0.5]]], dtype=torch.float64), []
        for _ in range(40):
            found.append(float(potential(pull[0, 0], state[0, 0, :2]) + state[0, 0, 2:].square().sum() / 2))
            state = eymol._runge_kutta(pull, state, *AXES, 0.25)
        return torch.tensor(found)

    damped = energies()
    assert (damped.diff() < 0).all()
    monkeypatch.setattr(eymol, "DRAG", 0.0)
    kept = energies()
    assert (kept - kept[0]).abs().max() < 1e-3 * (damped[0] - damped[-1])


def test_halving_the_step_converges_at_fourth_order():
    mass, cell = masses(noise(1, (224, 168)).pictures)
    state = torch.tensor([[[100.0, 80.0, 1.0, -1.0]]])
    ends = {k: list(islice(trajectory(mass.double(), state.double(), cell, k), 6))[-1] for k in (1, 2, 4, 32)}
    error = [(ends[k] - ends[32]).norm() for k in (1, 2, 4)]
    assert error[0] > 6 * error[1] > 36 * error[2] and error[1] < 0.2


def test_gaze_falls_on_the_only_mass():
    batch = dot()
    model = GEymol(longest_s=2.0)
    path = model.view(batch, 4, 6, draw())
    first = path.xy_px[0, :, 0][path.mask[0, :, 0]]
    assert len(first) == 4
    nearest = (
        (path.xy_px[0] - torch.tensor([170.0, 50.0])).norm(dim=-1).masked_fill(~path.mask[0], 1e3).amin(1)
    )
    assert (nearest < 12).all()


def test_inhibition_of_return_drives_it_on():
    picture = dot(60, 84).pictures
    picture[0, 82:87, 165:170] = 255
    path = GEymol(longest_s=4.0).view(scenes(picture), 1, 12, draw())
    x = path.xy_px[0, 0, :, 0][path.mask[0, 0]]
    assert (x < 90).any() and (x > 140).any()


def test_masses_of_a_dot_are_around_it_and_a_uniform_picture_has_none():
    mass, cell = masses(dot().pictures)
    assert mass.shape == (1, 8, 84, 112) and cell == 2
    total = mass[:, :4].sum((0, 1))
    row, column = divmod(int(total.argmax()), 112)
    assert abs(2 * row + 1 - 50) <= 5 and abs(2 * column + 1 - 170) <= 5
    assert masses(grey().pictures)[0].abs().max() == 0


def test_on_a_uniform_picture_it_rests_once():
    path = GEymol(longest_s=1.0).view(grey(1, (224, 168)), 3, 5, draw())
    assert path.lengths.tolist() == [[1, 1, 1]]
    assert path.duration_ms[0, :, 0].tolist() == pytest.approx([1000.0] * 3)


def test_rests_by_hand():
    """2 samples here, 1 on the way, 3 there, the last of them 20 px off: with 40 ms each and at least 50 ms."""
    path = torch.tensor([[10.0, 10], [12, 10], [60, 10], [100, 10], [104, 10], [120, 10]])[None, None]
    found = resting(path, 40, 25, 50, 4)
    assert found.mask[0, 0].tolist() == [True, True, False, False]
    assert found.xy_px[0, 0, :2].tolist() == [[11, 10], [108, 10]]
    assert found.duration_ms[0, 0, :2].tolist() == [80, 120]
    assert resting(path, 40, 25, 50, 1).lengths.item() == 1
    assert resting(path, 40, 5, 500, 2).lengths.item() == 0


def test_errors():
    with pytest.raises(ValueError, match="steps must be at least 1"):
        GEymol(steps=0)
    with pytest.raises(ValueError, match="longest_s positive"):
        GEymol(longest_s=0)
