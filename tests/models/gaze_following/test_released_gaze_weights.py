"""State dicts with the names and shapes that the authors of ViTGaze and Gaze-LLE released, made here."""

import math

import pytest
import torch
from gaze_net_toys import SMALL, gaze_batch
from torch.nn import functional as F

from gazekit.errors import DataError
from gazekit.models.gaze_following.gazelle_net import GazeLLENet
from gazekit.models.gaze_following.released_weights import load_released
from gazekit.models.gaze_following.scene_encoder import SceneEncoder
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet
from gazekit.transformers_package import hide_our_kernels


def drawn(shapes):
    torch.manual_seed(0)
    return {name: 0.2 * torch.randn(shape) for name, shape in shapes.items()}


def linear(name, out, given, bias=True):
    return {f"{name}.weight": (out, given)} | ({f"{name}.bias": (out,)} if bias else {})


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def conv(name, out, given, side, bias=True):
    return {f"{name}.weight": (out, given, side, side)} | ({f"{name}.bias": (out,)} if bias else {})


def released_vitgaze(width=384, depth=12, maps=24):
    shapes = {
        "backbone.pos_embed": (1, 1370, width),
        "backbone.cls_token": (1, 1, width),
        "backbone.mask_token": (1, width),
        **conv("backbone.patch_embed.proj", width, 3, 14),
    }
    for i in range(depth):
        block = f"backbone.blocks.{i}"
        shapes |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
        shapes |= linear(f"{block}.attn.qkv", 3 * width, width) | linear(f"{block}.attn.proj", width, width)
        shapes |= {f"{block}.ls1.gamma": (width,), f"{block}.ls2.gamma": (width,)}
        shapes |= linear(f"{block}.mlp.fc1", 4 * width, width) | linear(f"{block}.mlp.fc2", width, 4 * width)
    shapes |= conv("pam.patch_embed.patch_embed", 8, 3, 14)
    shapes |= conv("pam.embed", 1, 8, 1) | conv("pam.aux_embed", 1, 8, 1)
    for i, (given, out) in enumerate(((maps, 16), (16, 8), (8, 1)), start=1):
        shapes |= conv(f"regressor.decoder.conv{i}", out, given, 3) | norm(f"regressor.decoder.bn{i}", out)
        shapes |= {
            f"regressor.decoder.bn{i}.running_mean": (out,),
            f"regressor.decoder.bn{i}.running_var": (out,),
        }
        shapes |= {f"regressor.decoder.bn{i}.num_batches_tracked": ()}
    shapes |= conv("regressor.decoder.conv", 1, 1, 1)
    for k, out in ((0, width), (1, 1)):
        shapes |= linear(f"classifier.classifier.linear{k}", out, width)
    state = drawn(shapes)
    return {name: x.abs().round().long() if name.endswith("tracked") else x for name, x in state.items()}


def released_gazelle(given=768, width=256, inout=True, grid=32):
    shapes = conv("linear", width, given, 1) | {"head_token.weight": (1, width)}
    for i in range(3):
        block = f"transformer.{i}"
        shapes |= norm(f"{block}.norm1", width) | norm(f"{block}.norm2", width)
        shapes |= linear(f"{block}.attn.qkv", 3 * width, width, bias=False)
        shapes |= linear(f"{block}.attn.proj", width, width)
        shapes |= linear(f"{block}.mlp.fc1", 4 * width, width) | linear(f"{block}.mlp.fc2", width, 4 * width)
    shapes |= {"heatmap_head.0.weight": (width, width, 2, 2), "heatmap_head.0.bias": (width,)}
    shapes |= conv("heatmap_head.1", 1, width, 1, bias=False)
    if inout:
        shapes |= {"inout_token.weight": (1, width)} | linear("inout_head.0", 128, width)
        shapes |= linear("inout_head.3", 1, 128)
    return drawn(shapes) | {"pos_embed": _positions(width, grid)}


def _positions(width, grid):
    """By the definition, entry by entry of one row and one column."""
    table = torch.zeros(width, grid, grid)
    for k in range(width // 2):
        rate = math.exp(-(k - k % 2) * math.log(10_000) / (width // 2))
        wave = torch.tensor([(math.sin, math.cos)[k % 2](rate * place) for place in range(grid)])
        table[k] = wave[None, :]
        table[width // 2 + k] = wave[:, None]
    return table


def test_vitgaze_as_released(tmp_path):
    state = released_vitgaze()
    assert (
        sum(x.numel() for name, x in state.items() if "running" not in name and "tracked" not in name)
        == 22_213_520
    )
    torch.save({"model": state, "iteration": 3}, tmp_path / "model_final.pth")
    net = ViTGazeNet()
    assert load_released(net, tmp_path / "model_final.pth") == []
    for ours, theirs in {
        "encoder.vit.blocks.7.mlp.fc1.weight": "backbone.blocks.7.mlp.fc1.weight",
        "encoder.mask_token": "backbone.mask_token",
        "guidance.patch_embed.weight": "pam.patch_embed.patch_embed.weight",
        "guidance.aux_embed.bias": "pam.aux_embed.bias",
        "heatmap_head.decoder.bn2.running_var": "regressor.decoder.bn2.running_var",
        "inside_head.classifier.linear1.weight": "classifier.classifier.linear1.weight",
    }.items():
        assert torch.equal(net.state_dict()[ours], state[theirs])


def test_further_heads_are_told(tmp_path):
    backbone = {"width": 24, "depth": 4, "heads": 3, "patch_px": 14, "grid": 37, "layer_scale": True}
    net = ViTGazeNet(backbone, direction=True)
    left = load_released(net, released_vitgaze(24, 4, 12))
    assert left == [
        f"direction_head.{part}.{kind}" for part in ("hidden", "out") for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize("inout", [True, False])
def test_gazelle_as_released(inout):
    """Against its forward pass, written here with the released names."""
    state = released_gazelle(24, 32, inout, 8)
    net = GazeLLENet(SMALL, "random", width=32, inside=inout).eval()
    assert load_released(net, state | {"backbone.model.cls_token": torch.zeros(1)}) == []
    batch = gaze_batch()
    with torch.no_grad():
        looks = net.look(net.encode(batch["image"]), batch["picture"], batch["head_norm"])
        features = net.frozen(batch["image"]).features[batch["picture"]]
        x = F.conv2d(features, state["linear.weight"], state["linear.bias"]) + state["pos_embed"]
        for p, (x_min, y_min, x_max, y_max) in enumerate((8 * batch["head_norm"]).round().long().tolist()):
            x[p, :, y_min:y_max, x_min:x_max] += state["head_token.weight"][0][:, None, None]
        x = x.flatten(2).transpose(1, 2)
        if inout:
            x = torch.cat([state["inout_token.weight"].expand(len(x), 1, -1), x], 1)
        for i in range(3):
            x = _timm_block({k.removeprefix(f"transformer.{i}."): v for k, v in state.items()}, x)
        if inout:
            hidden = (x[:, 0] @ state["inout_head.0.weight"].T + state["inout_head.0.bias"]).relu()
            wanted = hidden @ state["inout_head.3.weight"].T + state["inout_head.3.bias"]
            torch.testing.assert_close(looks.inside, wanted[:, 0], rtol=1e-4, atol=1e-5)
            x = x[:, 1:]
        x = x.transpose(1, 2).reshape(-1, 32, 8, 8)
        x = F.conv_transpose2d(x, state["heatmap_head.0.weight"], state["heatmap_head.0.bias"], stride=2)
        wanted = F.conv2d(x, state["heatmap_head.1.weight"])[:, 0]
    torch.testing.assert_close(looks.heatmap, wanted, rtol=1e-4, atol=1e-4)
    assert (looks.inside is None) != inout


def _timm_block(state, x):
    def normed(name, x):
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)

    def linear(name, x):
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    q, k, v = (
        part.unflatten(2, (8, -1)).transpose(1, 2)
        for part in linear("attn.qkv", normed("norm1", x)).chunk(3, -1)
    )
    mixed = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
    x = x + linear("attn.proj", mixed.transpose(1, 2).flatten(2))
    return x + linear("mlp.fc2", F.gelu(linear("mlp.fc1", normed("norm2", x))))


@pytest.mark.parametrize("given", [768, 1024])
def test_gazelle_of_the_published_sizes(given):
    net = GazeLLENet(SMALL | {"width": given, "heads": 4, "depth": 1, "hidden": 8}, "random")
    assert load_released(net, released_gazelle(given)) == []


def test_a_decoder_without_in_and_out_leaves_that_head():
    net = GazeLLENet(SMALL, "random", width=32)
    before = net.inside_token.weight.clone()
    left = load_released(net, released_gazelle(24, 32, inout=False, grid=8))
    assert left[0] == "inside_token.weight" and len(left) == 5
    assert torch.equal(net.inside_token.weight, before)


def test_other_weights_are_refused():
    state = released_gazelle(24, 32, grid=8)
    with pytest.raises(DataError, match=r"does not fit GazeLLENet: .*\n.*Missing key.*linear.weight"):
        load_released(
            GazeLLENet(SMALL, "random", width=32), {k: v for k, v in state.items() if k != "linear.weight"}
        )
    with pytest.raises(DataError, match=r"Unexpected key.*inside_token"):
        load_released(GazeLLENet(SMALL, "random", width=32, inside=False), state)
    with pytest.raises(DataError, match="other positions than Gaze-LLE's fixed sines"):
        load_released(GazeLLENet(SMALL, "random", width=32), state | {"pos_embed": torch.rand(32, 8, 8)})
    with pytest.raises(DataError, match="does not fit ViTGazeNet"):
        load_released(ViTGazeNet(SMALL), state)
    with pytest.raises(TypeError, match="got Linear"):
        load_released(torch.nn.Linear(1, 1), state)


@pytest.mark.parametrize("layout", ["hub", "package"])
@pytest.mark.parametrize("size", [(20, 20), (12, 32)])
def test_features_are_those_of_transformers_dinov2(layout, size):
    hide_our_kernels()
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=3,
        patch_size=4,
        image_size=20,
        mlp_ratio=4,
        layerscale_value=0.7,
    )
    theirs = transformers.Dinov2Model(config).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    state = theirs.state_dict()
    if layout == "hub":
        for part, name in {"q": "query", "k": "key", "v": "value"}.items():
            state = {
                key.replace(f"attention.{part}_proj", f"attention.attention.{name}"): x
                for key, x in state.items()
            }
        state = {key.replace("attention.o_proj", "attention.output.dense"): x for key, x in state.items()}
    backbone = {
        "width": 24,
        "depth": 4,
        "heads": 3,
        "patch_px": 4,
        "grid": 5,
        "layer_scale": True,
        "antialias": False,
    }
    image = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    for norm in (False, True):
        ours = SceneEncoder(backbone, norm=norm).eval()
        ours.load_pretrained(state)
        with torch.no_grad():
            encoded = ours(image)
            expected = theirs(ours.normalise(image), output_hidden_states=True)
        tokens = expected.last_hidden_state if norm else expected.hidden_states[-1]
        wanted = tokens[:, 1:].transpose(1, 2).unflatten(2, (size[0] // 4, size[1] // 4))
        torch.testing.assert_close(encoded.features, wanted, atol=1e-5, rtol=1e-5)
