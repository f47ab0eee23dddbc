"""Foveated texture: the loop over regions as oracle, what is kept and what is lost, the published coder."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gazekit.errors import DataError
from gazekit.foveation import FoveatedTexture, Reference
from gazekit.foveation.adain import AdainCoder, _decoder, _encoder
from gazekit.foveation.field import FieldCache, make_field, noise_share
from gazekit.foveation.loop import region_alpha, region_maps, texture_loop
from gazekit.foveation.noise import coloured, white_noise
from gazekit.foveation.texture import FIELDS
from gazekit.foveation.windows import Layout


def loop(transform, image, point):
    size = tuple(image.shape[-2:])
    bands = range(len(transform.encoder.shapes(*size)))
    maps = [region_maps(transform.layout, point, size, *transform.encoder.places(band)) for band in bands]
    alpha = region_alpha(transform, region_maps(transform.layout, point, size))
    return texture_loop(transform, image, maps, alpha)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(("channels", "point"), [(3, (20.0, 30.0)), (3, (-9.0, 70.0)), (1, (13.2, 4.4))])
def test_it_is_the_loop_over_regions(hard, channels, point):
    image = torch.rand(channels, 40, 53, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    transform, fixation = FoveatedTexture(3.0, 0.5, hard=hard), torch.tensor(point, dtype=torch.float64)
    torch.testing.assert_close(
        transform(image[None], fixation)[0], loop(transform, image, fixation), atol=1e-5, rtol=0
    )


def test_gradients_are_those_of_the_loop():
    image = torch.rand(3, 24, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.2 + 0.4
    transform, point = FoveatedTexture(3.0, 0.6, hard=True), torch.tensor([9.0, 11.0], dtype=torch.float64)
    weight = torch.rand(3, 24, 30, dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad((run(leaf) * weight).sum(), leaf)[0]
        for run, leaf in (
            (lambda x: transform(x[None], point)[0], image.clone().requires_grad_()),
            (lambda x: loop(transform, x, point), image.clone().requires_grad_()),
        )
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_more_noise_in_larger_windows_and_none_in_the_fovea():
    layout, point = Layout(8.0, 0.4), torch.tensor([100.0, 100.0])
    alpha = noise_share(layout, point, (200, 200), 1.281)
    assert alpha[0] == 0
    whole = alpha[1:].unflatten(0, (-1, layout.directions))[:8].mean(1)
    assert (whole.diff() > 0).all()
    ring = 6  # a window is as long as w_e e and half as wide
    radius = math.sqrt(0.5 / math.pi) * layout.ring_width * 0.5 * math.exp(layout.ring_width * (ring + 1))
    assert float(whole[ring]) == pytest.approx(math.tanh(1.281 * radius / 2), rel=0.1)


def test_no_noise_is_the_picture():
    image = torch.rand(1, 3, 40, 40)
    torch.testing.assert_close(FoveatedTexture(4.0, gain_per_dva=0.0)(image), image, atol=1e-6, rtol=0)
    fovea = FoveatedTexture(4.0, levels=0)(image, (20.0, 20.0)) - image
    assert fovea[..., 19:21, 19:21].abs().max() < 1e-6 < fovea.abs().max()


def test_statistics_stay_and_layout_goes(shared_data):
    with Image.open(shared_data / "foveation_images" / "reptile_skin.pgm") as picture:
        image = torch.from_numpy(np.array(picture))[None, None] / 255
    seen = FoveatedTexture(256 / 26, 0.5)(image)
    corner = (slice(None), slice(None), slice(0, 64), slice(0, 64))
    before, after = image[corner].flatten(), seen[corner].flatten()
    assert float(after.mean()) == pytest.approx(float(before.mean()), abs=0.05)
    # picture and noise are independent, so that alpha = 1/2 of each has the deviation times sqrt(1/2)
    assert 0.68 < float(after.std() / before.std()) < 1.05
    outer, inner = (float(torch.corrcoef(torch.stack((image[where].flatten(), seen[where].flatten())))[0, 1])
                    for where in (corner, (..., slice(118, 138), slice(118, 138))))  # fmt: skip
    assert outer < 0.4 < 0.95 < inner


def test_noise_has_the_colours_of_the_picture():
    generator = torch.Generator().manual_seed(3)
    mix = torch.tensor([[1.0, 0, 0], [0.8, 0.3, 0], [0.1, 0.2, 0.5]], dtype=torch.float64)
    image = torch.einsum("ij,jhw->ihw", mix, torch.randn(3, 60, 60, generator=generator).double())
    noise = coloured(white_noise((3, 60, 60), 0), image).flatten(1)
    torch.testing.assert_close(noise.mean(1), image.flatten(1).mean(1))
    torch.testing.assert_close(torch.cov(noise), torch.cov(image.flatten(1)), atol=2e-3, rtol=2e-3)
    grey = image[:1].expand(3, -1, -1).clone().requires_grad_()
    coloured(white_noise((3, 60, 60), 0), grey).square().sum().backward()
    assert grey.grad.isfinite().all()


def test_fields_are_kept_within_bounds():
    cache, made = FieldCache(100_000), []

    def field(x):
        made.append(x)
        transform = FoveatedTexture(4.0)
        return make_field(
            transform.layout, torch.tensor([x, 3.0]), (1, 20, 20), transform.encoder, 1.0, False, 0
        )

    for x in (1.0, 2.0, 1.0, 3.0, 4.0, 5.0, 6.0):
        cache.get(x, lambda x=x: field(x))
        assert cache.nbytes <= 100_000
    assert made == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert FIELDS.most_bytes == 2**28


def test_fixation_with_a_gradient_and_without_give_the_same():
    image, point = torch.rand(1, 3, 30, 30), torch.tensor([[9.0, 12.0]])
    transform = FoveatedTexture(4.0)
    torch.testing.assert_close(
        transform(image, point.clone().requires_grad_()).detach(), transform(image, point)
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adain")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        further = {"32.weight": torch.zeros(2, 2), "32.bias": torch.zeros(2)}  # the published encoder goes on
        save_file(_encoder().state_dict() | further, folder / "encoder.safetensors")
        torch.save(_decoder().state_dict(), folder / "decoder.pth")
    return str(folder / "encoder.safetensors"), str(folder / "decoder.pth")


def test_published_coder(weights):
    coder = AdainCoder(weights)
    assert len([x for x in coder.decoder if isinstance(x, torch.nn.Conv2d)]) == 9
    image = torch.rand(1, 3, 33, 50)
    (features,) = coder.analyse(image)
    assert features.shape == (1, 512, 5, 7) and coder.shapes(33, 50) == [(5, 7)] and (features >= 0).all()
    transform = FoveatedTexture(2.0, 0.8, hard=True, weights=weights)
    seen = transform(image, (30.0, 12.0))
    torch.testing.assert_close(
        seen[0], loop(transform, image[0], torch.tensor([30.0, 12.0])), atol=1e-5, rtol=0
    )
    assert Reference(weights=weights)(image).shape == image.shape
    with pytest.raises(ValueError, match="colour pictures of 9 px"):
        transform(image[:, :1])


def test_files_of_other_nets(weights, tmp_path):
    with pytest.raises(DataError, match="not the published net"):
        AdainCoder(weights[::-1])
    with pytest.raises(FileNotFoundError, match="NeuroFovea_PyTorch"):
        AdainCoder(("nowhere.pth", weights[1]))
    for name in ("x.safetensors", "x.pth"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match="file"):
            AdainCoder((tmp_path / name, weights[1]))


def test_too_many_channels():
    with pytest.raises(ValueError, match="1 to 4 channels"):
        FoveatedTexture(4.0)(torch.rand(1, 5, 9, 9))
