"""Blurs matched to foveated texture, on photographs."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from gazekit.foveation import (
    FeatureSimilarity,
    FoveatedBlur,
    FoveatedTexture,
    UniformBlur,
    match_blur,
    match_foveated_blur,
    similarity,
)

SIDE = 64
P = SIDE / 26


@pytest.fixture(scope="module")
def photographs(shared_data) -> Tensor:
    found = []
    for name in ("neurofovea_1.png", "einstein.pgm"):
        with Image.open(shared_data / "foveation_images" / name) as picture:
            found.append(np.array(picture.convert("RGB").resize((SIDE, SIDE))))
    return torch.from_numpy(np.stack(found)).movedim(-1, 1) / 255


@pytest.fixture(scope="module")
def texture(photographs) -> Tensor:
    return FoveatedTexture(P)(photographs)


def test_similarity_is_that_of_the_library(photographs, texture):
    want = structural_similarity_index_measure(texture, photographs, data_range=1.0, reduction=None)
    torch.testing.assert_close(similarity(photographs, texture).mean((1, 2)), want, atol=1e-5, rtol=0)
    assert float(similarity(photographs, photographs).min()) == pytest.approx(1, abs=1e-5)


def test_uniform_blur_recovers_the_similarity_asked_for(photographs, texture):
    blur = match_blur(photographs, texture)
    wanted, found = (float(similarity(photographs, x).mean()) for x in (texture, blur(photographs)))
    assert abs(found - wanted) < 1e-3
    assert 0.5 < blur.sigma_px < SIDE / 8


@pytest.mark.parametrize("sigma", [0.7, 2.5])
def test_a_blur_is_matched_by_itself(photographs, sigma):
    assert match_blur(photographs, UniformBlur(sigma)(photographs)).sigma_px == pytest.approx(sigma, rel=0.01)
    assert match_blur(photographs, photographs).sigma_px == 0


def test_rings_of_a_foveated_blur_are_recovered(photographs):
    sigmas = (0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 3.5)
    target = FoveatedBlur(P, 0.6, sigma_px=sigmas)(photographs)
    found = match_foveated_blur(photographs, target, P, 0.6)
    wanted, got = (float(similarity(photographs, x).mean()) for x in (target, found(photographs)))
    assert abs(got - wanted) < 1e-3
    np.testing.assert_allclose(found.sigma_px[1:5], sigmas[1:5], rtol=0.1)


def test_foveated_blur_recovers_the_similarity_of_texture(photographs, texture):
    found = match_foveated_blur(photographs, texture, P)
    wanted, got = (float(similarity(photographs, x).mean()) for x in (texture, found(photographs)))
    assert abs(got - wanted) < 1e-3


def test_features_of_any_net(photographs):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 3, 3, 3, generator=generator)
    metric = FeatureSimilarity(lambda x: {"a": torch.relu(torch.conv2d(x, weight, padding=1, stride=2))})
    assert metric(photographs, photographs).shape == (2, SIDE, SIDE)
    torch.testing.assert_close(metric(photographs, photographs), torch.ones(2, SIDE, SIDE), atol=1e-6, rtol=0)
    target = UniformBlur(2.0)(photographs)
    assert match_blur(photographs, target, metric).sigma_px == pytest.approx(2.0, rel=0.01)


def test_real_features(photographs, shared_data):
    from gazekit.backbones import load_backbone

    net = load_backbone("mobilenet_v2", shared_data / "mobilenet_v2_imagenet", layers=["block3"])
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    metric = FeatureSimilarity(lambda x: net((x - mean) / deviation))
    blur = match_blur(photographs, UniformBlur(1.5)(photographs), metric)
    assert blur.sigma_px == pytest.approx(1.5, rel=0.02)


def test_scales(photographs):
    larger = torch.nn.functional.interpolate(photographs[:1], (176, 176), mode="bilinear")
    target = UniformBlur(3.0)(larger)
    assert match_blur(larger, target, "ms_ssim").sigma_px == pytest.approx(3.0, rel=0.01)
    with pytest.raises(ValueError, match="each pixel"):
        match_foveated_blur(larger, target, 8.0, metric="ms_ssim")


def test_what_cannot_be_matched_is_said(photographs):
    with pytest.raises(ValueError, match="cannot be matched"):
        match_blur(photographs, 1 - photographs)
    with pytest.raises(ValueError, match="ms_ssim"):
        match_blur(photographs, photographs * 0.5, "psnr")
    with pytest.raises(ValueError, match="both be"):
        match_blur(photographs, photographs[:1])
