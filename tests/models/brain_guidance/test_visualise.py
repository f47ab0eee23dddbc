"""Gradient ascent on pictures, and ranking: what scores they find, on scores with known best pictures."""

import numpy as np
import pytest
import torch
from torch import nn

from gazekit.backbones import load_backbone
from gazekit.models.brain_guidance import (
    FourierPictures,
    picture_values,
    rank_pictures,
    region_score,
    visualise,
)
from gazekit.models.brain_guidance.visualise import moved


def test_first_pictures_have_natural_spectra():
    pictures = FourierPictures(8, (64, 96), torch.Generator().manual_seed(0))().detach()
    assert pictures.shape == (8, 3, 64, 96) and 0 < pictures.min() and pictures.max() < 1
    assert float(pictures.logit().std()) == pytest.approx(0.3, rel=0.5)
    power = torch.fft.fft2(pictures.logit().mean(1)).abs().square().mean(0)
    frequency = torch.hypot(torch.fft.fftfreq(64)[:, None], torch.fft.fftfreq(96))
    low, high = ((0.04 < frequency) & (frequency < 0.08)), ((0.2 < frequency) & (frequency < 0.4))
    slope = np.log(float(power[high].mean() / power[low].mean())) / np.log(0.28 / 0.06)
    assert slope == pytest.approx(-2, abs=0.4)


def test_ascent_finds_a_known_picture():
    wanted = torch.zeros(3, 32, 32)
    wanted[0, :, 16:] = 1.0  # right half red; the score does not know where round the edges it begins

    def score(pictures):
        stripes = pictures.mean(2)  # [n, 3, W]
        return (
            torch.fft.rfft(stripes[:, 0])[:, 1].abs() - stripes[:, 1].mean(1) - stripes[:, 2].mean(1)
        ) / 32

    found = visualise(score, (32, 32), 90, torch.Generator().manual_seed(0), count=2)
    assert found.pictures.shape == (2, 3, 32, 32)
    assert (found.score > 0.75 * score(wanted[None])).all()
    assert found.course[-1] > found.course[0]
    again = visualise(score, (32, 32), 90, torch.Generator().manual_seed(0), count=2)
    assert torch.equal(found.pictures, again.pictures)


def test_pictures_of_one_call_do_not_touch():
    def score(pictures):
        return torch.stack([pictures[0].mean(), -pictures[1].mean()])

    found = visualise(score, (16, 16), 90, torch.Generator().manual_seed(1), count=2)
    assert found.pictures[0].mean() > 0.8 and found.pictures[1].mean() < 0.2


def test_values_are_those_of_the_preprocessing():
    backbone = load_backbone("squeezenet1_0", "random", size_px=(64, 64))
    pictures = torch.randint(
        0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    plain = picture_values(pictures.permute(0, 3, 1, 2) / 255, backbone)
    torch.testing.assert_close(plain, backbone.preprocess(pictures), atol=1e-4, rtol=0)


def test_region_score_ascends_through_a_net():
    torch.manual_seed(0)
    backbone = load_backbone("squeezenet1_0", "random", layers=["fire3"], size_px=(48, 48))
    readout = nn.Linear(backbone.layers["fire3"].channels, 5)

    def predict(maps):
        return readout(maps["fire3"].mean((2, 3)))

    score = region_score(predict, backbone, [1, 3])
    pictures = torch.rand(3, 3, 48, 48)
    expected = predict(backbone(picture_values(pictures, backbone)))[:, [1, 3]].mean(1)
    torch.testing.assert_close(score(pictures), expected)
    found = visualise(score, (48, 48), 15, torch.Generator().manual_seed(0))
    assert found.score[0] > score(pictures).max()
    with pytest.raises(ValueError, match="the region has no voxels"):
        region_score(predict, backbone, [])


def test_ranking():
    pictures = torch.zeros(4, 8, 8, 3, dtype=torch.uint8)
    pictures[:, ..., 0] = torch.tensor([10, 200, 100, 0], dtype=torch.uint8)[:, None, None]

    def score(x):
        red = x[:, 0].mean((1, 2))
        return torch.where(red == 0, torch.nan, red)

    found = rank_pictures(score, pictures, batch_size=3)
    assert found.order.tolist() == [1, 2, 0, 3]
    assert found.score[0] == pytest.approx(200 / 255) and found.score[3].isnan()
    with pytest.raises(TypeError, match="pictures must be uint8, got float32"):
        rank_pictures(score, pictures.float())
    with pytest.raises(ValueError, match=r"\[n, H, W, 3\], got \[4, 8, 8\]"):
        rank_pictures(score, pictures[..., 0])


def test_what_is_refused():
    with pytest.raises(ValueError, match="steps and count must be at least 1, got 0 and 1"):
        visualise(lambda x: x.mean((1, 2, 3)), (8, 8), 0, torch.Generator())
    with pytest.raises(ValueError, match=r"scores \[1\], got \[1, 3\]"):
        visualise(lambda x: x.mean((2, 3)), (8, 8), 1, torch.Generator())


def test_movements_are_small_and_keep_what_is_constant():
    flat = torch.full((4, 3, 24, 40), 0.3)
    torch.testing.assert_close(moved(flat, torch.Generator().manual_seed(0)), flat)
    dot = torch.zeros(200, 1, 33, 65)
    dot[:, :, 15:18, 31:34] = 1.0
    seen = moved(dot, torch.Generator().manual_seed(0))[:, 0]
    mass = seen.sum((1, 2))
    x = (seen.sum(1) @ torch.arange(65.0)) / mass - 32
    y = (seen.sum(2) @ torch.arange(33.0)) / mass - 16
    assert x.abs().max() < 65 / 16 * 1.2 and y.abs().max() < 33 / 16 * 1.3
    assert x.std() > 1.5 and y.std() > 0.8
