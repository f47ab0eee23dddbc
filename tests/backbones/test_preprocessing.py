import numpy as np
import pytest
import torch
from PIL import Image

from gazekit.backbones import INFO
from gazekit.backbones.clip import ClipVision
from gazekit.backbones.preprocessing import Preprocessing, prepare
from gazekit.transformers_package import hide_our_kernels

hide_our_kernels()


def picture(height, width, seed=0):
    """Smooth noise: what resizing does to it is no matter of luck."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC))


@pytest.mark.parametrize("size", [(300, 400), (413, 260), (224, 224)])
@pytest.mark.parametrize("name", ["clip_vit_l14", "dinov2_base"])
def test_as_the_image_processors_of_transformers(name, size):
    from transformers import BitImageProcessorPil, CLIPImageProcessorPil

    how = INFO[name].preprocessing
    facts = {"image_mean": how.mean, "image_std": how.std, "size": {"shortest_edge": how.short_side_px}}
    kind = CLIPImageProcessorPil if name.startswith("clip") else BitImageProcessorPil
    processor = kind(crop_size={"height": 224, "width": 224}, resample=Image.BICUBIC, **facts)
    image = picture(*size)
    expected = processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
    found = prepare([image], how)
    assert (found - expected).abs().max() < 2 / 255 / min(how.std) + 1e-6  # two grey levels
    assert (found - expected).abs().mean() < 0.1 / 255 / min(how.std)


def test_pictures_of_different_sizes():
    how = Preprocessing((32, 48), fit="stretch")
    images = [picture(40, 50), picture(60, 30)]
    torch.testing.assert_close(prepare(images, how), torch.cat([prepare([image], how) for image in images]))
    batch = np.stack([images[0], images[0][::-1]])
    for same in (batch, torch.from_numpy(batch.copy()), list(batch)):
        assert torch.equal(prepare(same, how), prepare(batch, how))


def test_stretching_to_the_same_size_is_exact():
    image = picture(32, 48)
    how = Preprocessing((32, 48), fit="stretch", mean=(0.5,) * 3, std=(0.25,) * 3, channels="bgr")
    expected = (torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1) / 255 - 0.5) / 0.25
    torch.testing.assert_close(prepare([image], how)[0], expected)


def test_padding():
    image = picture(40, 20)
    how = Preprocessing((32, 32), fit="pad", fill=51, interpolation="bilinear")
    found = prepare([image], how)[0]
    assert how.scale(40, 20) == 0.8
    assert torch.allclose(found[:, :, 16:], torch.tensor(0.2)) and found[:, :, :16].std() > 0.05
    small = Preprocessing((64, 64), fit="pad", enlarge=False)
    torch.testing.assert_close(
        prepare([image], small)[0, :, :40, :20].permute(1, 2, 0) * 255, torch.tensor(image).float()
    )


def test_errors():
    how = Preprocessing((32, 32))
    with pytest.raises(ValueError, match="no pictures"):
        prepare([], how)
    with pytest.raises(TypeError, match="must be uint8, got float32"):
        prepare(np.zeros((1, 8, 8, 3), np.float32), how)
    with pytest.raises(ValueError, match=r"must be \[B, H, W, 3\], got \[1, 8, 8, 4\]"):
        prepare(np.zeros((1, 8, 8, 4), np.uint8), how)


def test_clip_is_a_backbone():
    torch.manual_seed(0)
    net = ClipVision(width=16, depth=2, heads=2, patch_px=8, projection=6, size_px=32).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        found = dict(net.walk(images))
        said = net.model(pixel_values=images)
    assert {name: list(x.shape[1:]) for name, x in found.items()} == {
        "block0": [16, 4, 4],
        "block0.class": [16],
        "block1": [16, 4, 4],
        "block1.class": [16],
        "projected": [6, 4, 4],
        "embedding": [6],
    }
    torch.testing.assert_close(found["embedding"], said.image_embeds)
    norm, project = net.model.vision_model.post_layernorm, net.model.visual_projection
    torch.testing.assert_close(project(norm(found["block1.class"])), said.image_embeds)
    whole = {name.removeprefix("model."): x for name, x in net.state_dict().items()}
    whole |= {"text_model.x": torch.zeros(1), "logit_scale": torch.zeros(1)}
    net.load_state_dict(net.translate(whole), strict=True)
