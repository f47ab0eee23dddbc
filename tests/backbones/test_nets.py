"""Own nets against those of transformers, on random weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.backbones.mobilenet import DeepLab, MobileNetV2, SameConv
from gazekit.backbones.resnet import ResNet
from gazekit.backbones.squeezenet import SqueezeNet
from gazekit.backbones.vgg import VGG16
from gazekit.backbones.vit import ViT
from gazekit.transformers_package import hide_our_kernels

hide_our_kernels()
transformers = pytest.importorskip("transformers")


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def hub_names(state):
    """As the files on the Hugging Face hub name the tensors of DINOv2."""
    new = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
    }
    found = {}
    for name, x in state.items():
        for ours, hub in new.items():
            name = name.replace(ours, hub)
        found[name] = x
    return found


def facebook_names(state):
    """As facebook's own files name them: those of our net, and a mask token."""
    return ViT.translate(state) | {"mask_token": torch.zeros(1, state["layernorm.weight"].shape[0])}


@settings(max_examples=12, deadline=None)
@given(
    heads=st.integers(1, 3),
    depth=st.integers(1, 3),
    registers=st.sampled_from([0, 0, 2]),
    grid=st.integers(2, 5),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    layout=st.sampled_from(["package", "hub", "facebook"]),
    seed=st.integers(0, 99),
)
def test_vit_is_transformers_dinov2(heads, depth, registers, grid, size, layout, seed):
    torch.manual_seed(seed)
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    more = {"num_register_tokens": registers} if registers else {}
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=8 * heads,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        patch_size=4,
        image_size=4 * grid,
        mlp_ratio=3,
        layerscale_value=0.7,
        **more,
    )
    theirs = getattr(transformers, f"{kind}Model")(config).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    ours = ViT(
        8 * heads,
        depth,
        heads,
        4,
        grid,
        registers,
        layer_scale=True,
        antialias=bool(registers),
        hidden=24 * heads,
    ).eval()
    state = {"package": dict, "hub": hub_names, "facebook": facebook_names}[layout](theirs.state_dict())
    ours.load_state_dict(ours.translate(state), strict=True)
    images = torch.randn(2, 3, 4 * size[0], 4 * size[1])
    with torch.no_grad():
        expected = theirs(images, output_hidden_states=True)
        found = dict(ours.walk(images))
    close(found["class"], expected.last_hidden_state[:, 0])
    close(found["norm"], ours.patch_map(expected.last_hidden_state, images.shape[-2:]))
    for i, tokens in enumerate(expected.hidden_states[1:]):
        close(found[f"block{i}"], ours.patch_map(tokens, images.shape[-2:]))
        close(found[f"block{i}.class"], tokens[:, 0])
    assert list(found) == list(ours.layers)


def test_attention_of_a_block():
    """What gaze following needs: queries and keys [B, A, N, d], whose softmax is the attention."""
    torch.manual_seed(0)
    vit = ViT(12, 2, 3, 4, 3).eval()
    tokens = vit.embed(torch.randn(2, 3, 8, 12))
    query, key, value = vit.blocks[0].project(tokens)
    assert query.shape == key.shape == value.shape == (2, 3, 7, 4)
    attention = (query @ key.transpose(-1, -2) / 2).softmax(-1)
    mixed = vit.blocks[0].attn.proj((attention @ value).transpose(1, 2).flatten(2))
    close(vit.blocks[0].attn.mix(query, key, value), mixed)
    close(vit.blocks[0](tokens), vit.blocks[0].finish(tokens, query, key, value))
    queries = dict(vit.walk(torch.ones(1, 3, 8, 12)))["block0.query"]
    assert queries.shape == (1, 12, 2, 3)


def test_vit_refuses_cut_patches():
    with pytest.raises(ValueError, match="multiples of 4 pixels, got 8 x 13"):
        ViT(8, 1, 2, 4, 3).embed(torch.zeros(1, 3, 8, 13))


@pytest.mark.parametrize(("block", "depths"), [("basic", (2, 1, 1, 2)), ("bottleneck", (1, 2, 1, 1))])
def test_resnet_is_transformers_resnet(block, depths):
    torch.manual_seed(0)
    ours = ResNet(block, depths).eval()
    growth = 4 if block == "bottleneck" else 1
    config = transformers.ResNetConfig(
        hidden_sizes=[64 * growth * 2**i for i in range(4)],
        depths=list(depths),
        layer_type=block,
        num_labels=1000,
    )
    theirs = transformers.ResNetForImageClassification(config).eval()
    for module in ours.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    theirs.load_state_dict(_resnet_names(ours.state_dict(), growth), strict=True)
    images = torch.randn(2, 3, 65, 96)
    with torch.no_grad():
        expected = theirs(images, output_hidden_states=True)
        found = dict(ours.walk(images))
    for i, x in enumerate(expected.hidden_states):
        close(found["stem" if i == 0 else f"layer{i}"], x)
    close(found["logits"], expected.logits)


def _resnet_names(state, growth):
    convolutions = 3 if growth == 4 else 2
    found = {}
    for name, x in state.items():
        parts = name.split(".")
        tail = parts[-1]
        if parts[0] in ("conv1", "bn1"):
            kind = "convolution" if parts[0] == "conv1" else "normalization"
            name = f"resnet.embedder.embedder.{kind}.{tail}"
        elif parts[0] == "fc":
            name = f"classifier.1.{tail}"
        else:
            stem = f"resnet.encoder.stages.{int(parts[0][-1]) - 1}.layers.{parts[1]}"
            if parts[2] == "downsample":
                name = f"{stem}.shortcut.{'convolution' if parts[3] == '0' else 'normalization'}.{tail}"
            else:
                kind = "convolution" if parts[2].startswith("conv") else "normalization"
                assert 1 <= int(parts[2][-1]) <= convolutions
                name = f"{stem}.layer.{int(parts[2][-1]) - 1}.{kind}.{tail}"
        found[name] = x
    return found


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (SqueezeNet, (65, 90)),
        (VGG16, (32, 64)),
        (MobileNetV2, (64, 96)),
        (DeepLab, (65, 97)),
        (lambda: ResNet("basic", (1, 1, 1, 1)), (64, 96)),
    ],
)
def test_layers_say_what_comes(net, size):
    torch.manual_seed(0)
    net = net().eval()
    with torch.no_grad():
        found = dict(net.walk(torch.randn(1, 3, *size)))
    assert list(found) == list(net.layers)
    for name, (channels, stride) in net.layers.items():
        assert found[name].shape[:2] == (1, channels)
        if stride is None:
            assert found[name].dim() == 2
        else:
            for side, pixels in zip(found[name].shape[2:], size, strict=True):
                assert abs(side - pixels / stride) <= 3, name


def test_vgg_by_hand():
    """Its last map, from its own tensors by their published numbers."""
    torch.manual_seed(0)
    net = VGG16().eval()
    x = images = torch.randn(1, 3, 32, 32)
    state, relu = net.state_dict(), torch.nn.functional.relu
    with torch.no_grad():
        for stage in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
            for i in stage:
                x = relu(
                    torch.conv2d(x, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1)
                )
            x = torch.max_pool2d(x, 2)
        found = dict(net.walk(images))
        close(found["pool5"], x)
        x = x.expand(1, 512, 7, 7).flatten(1)
        for i in (0, 3):
            x = relu(x @ state[f"classifier.{i}.weight"].T + state[f"classifier.{i}.bias"])
        close(found["fc7"], x)
        close(found["logits"], x @ state["classifier.6.weight"].T + state["classifier.6.bias"])


@pytest.mark.parametrize("side", [7, 8, 9, 32])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (3, 1, 2), (1, 1, 1)])
def test_same_padding(side, size, stride, dilation):
    conv = SameConv(1, 1, size, stride, dilation=dilation)
    assert conv(torch.zeros(1, 1, side, side)).shape[-1] == -(-side // stride)
    if (side, size, stride) == (8, 3, 2):  # the odd pixel is on the right: the first tap sees column 0
        conv.weight.data.zero_()
        conv.weight.data[0, 0, 0, 0] = 1
        conv.bias.data.zero_()
        ramp = torch.arange(8.0).expand(1, 1, 8, 8)
        assert conv(ramp)[0, 0, 0].tolist() == [0, 2, 4, 6]
