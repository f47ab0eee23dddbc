import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import gazekit.backbones as backbones
from gazekit.backbones import INFO, NAMES, build_net, load_backbone
from gazekit.backbones.load import read_weights
from gazekit.errors import DataError

SMALL = "squeezenet1_0"


def pictures(count=2, height=30, width=40):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_only_what_is_asked_for():
    backbone = load_backbone(SMALL, "random", ["fire3", "conv1"], size_px=(64, 48))
    images = backbone.preprocess(pictures())
    assert images.shape == (2, 3, 64, 48)
    maps = backbone(images)
    assert {name: list(x.shape) for name, x in maps.items()} == {
        "fire3": [2, 128, 14, 10],
        "conv1": [2, 96, 29, 21],
    }
    assert backbone.layers == {"fire3": (128, 4), "conv1": (96, 2)}
    whole = load_backbone(SMALL, "random", size_px=(64, 48))
    torch.testing.assert_close(whole(images)["fire3"], maps["fire3"])


def test_the_walk_stops_early(monkeypatch):
    backbone = load_backbone(SMALL, "random", ["conv1"])
    monkeypatch.setattr(backbone.net.features["3"], "forward", lambda x: pytest.fail("computed for nothing"))
    backbone(torch.zeros(1, 3, 32, 32))


def test_frozen_but_open_to_gradients_of_the_image():
    backbone = load_backbone(SMALL, "random", ["fire2"])
    assert not any(weight.requires_grad for weight in backbone.net.parameters())
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    backbone(images)["fire2"].sum().backward()
    assert images.grad.abs().sum() > 0
    assert not backbone.net.training


def test_recipes_differ_where_features_do():
    recipes = [
        load_backbone(SMALL, "random", ["fire2"]).recipe,
        load_backbone(SMALL, "random", ["fire3"]).recipe,
        load_backbone(SMALL, "random", ["fire2"], size_px=(64, 64)).recipe,
        load_backbone("vit_tiny", "random", ["block2"]).recipe,
    ]
    assert len({str(recipe) for recipe in recipes}) == 4
    assert recipes[0]["weights"] == "random" and recipes[0]["preprocessing"]["size_px"] == [227, 227]


def test_random_weights_are_always_the_same():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = build_net(SMALL), build_net(SMALL)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_weights_of_a_file(tmp_path, kind):
    state = build_net(SMALL).state_dict()
    path = tmp_path / f"mine.{kind}"
    torch.save(state, path) if kind == "pth" else save_file(state, path)
    backbone = load_backbone(SMALL, path)
    torch.testing.assert_close(backbone.net.state_dict(), state)
    assert len(backbone.recipe["weights"]) == 64


def test_no_weights_is_one_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as told:
        load_backbone("dinov2_small")
    assert str(told.value).splitlines() == [
        "no weights of dinov2_small at data/backbones/dinov2_small (expected dinov2_vits14_pretrain.pth or "
        "model.safetensors)",
        "  get them: python -m gazekit data fetch dinov2_small",
        "  licence:  Apache-2.0 (github.com/facebookresearch/dinov2)",
    ]
    with pytest.raises(FileNotFoundError, match=r"nobody offers mobilenet_v2_int8\.safetensors for download"):
        load_backbone("mobilenet_v2", tmp_path)


def test_other_weights_are_refused(tmp_path):
    state = build_net(SMALL).state_dict()
    for name, change in {
        "missing": lambda s: s.pop("classifier.1.bias"),
        "more": lambda s: s.update(extra=torch.zeros(1)),
        "shape": lambda s: s.update({"classifier.1.bias": torch.zeros(10)}),
    }.items():
        changed = dict(state)
        change(changed)
        save_file(changed, tmp_path / f"{name}.safetensors")
        with pytest.raises(DataError, match=f"{name}.safetensors holds other weights than SqueezeNet has"):
            load_backbone(SMALL, tmp_path / f"{name}.safetensors")


def test_a_changed_published_file_is_refused(tmp_path):
    torch.save(build_net(SMALL).state_dict(), tmp_path / "squeezenet1_0-b66bff10.pth")
    with pytest.raises(DataError, match="but the published file begins with b66bff10"):
        load_backbone(SMALL, tmp_path)


class Harmful:
    def __reduce__(self):
        return pytest.fail, ("code of the file was run",)


def test_files_run_nothing(tmp_path):
    torch.save({"weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(DataError, match=r"harmful.pth is no file of tensors"):
        read_weights(tmp_path / "harmful.pth")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("no tensors here")
        with pytest.raises(DataError, match=f"{name} is no"):
            read_weights(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="no plain dictionary of tensors"):
        read_weights(tmp_path / "list.pth")


def test_eight_bits_are_scaled_back(tmp_path):
    state = {
        "a": torch.tensor([[1, -2], [3, 4]], dtype=torch.int8),
        "a.scale": torch.tensor([0.5, 2.0]),
        "b": torch.tensor([[1, 2]], dtype=torch.uint8),
        "b.scale": torch.tensor([2.0]),
        "b.zero": torch.tensor([1.0]),
        "bn.scale": torch.tensor([3.0]),
        "half": torch.tensor([1.5], dtype=torch.float16),
    }
    save_file(state, tmp_path / "x.safetensors")
    found = {name: x.tolist() for name, x in read_weights(tmp_path / "x.safetensors").items()}
    assert found == {"a": [[0.5, -1.0], [6.0, 8.0]], "b": [[0.0, 2.0]], "bn.scale": [3.0], "half": [1.5]}


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown backbone 'vgg17', expected one of: squeezenet1_0, "):
        load_backbone("vgg17")
    with pytest.raises(ValueError, match="squeezenet1_0 has no layer fire1, expected some of: conv1, fire2"):
        load_backbone(SMALL, "random", ["fire1"])


@pytest.mark.parametrize("name", NAMES)
def test_cards(name):
    card = INFO[name]
    assert card.title and card.licence and card.source and (card.downloads or card.how_to_get)
    with torch.device("meta"):
        net = build_net.__globals__["_class"](card)(**card.settings)
    assert net.layers
    for files in card.weights:
        for file in files.values():
            assert file.sha256 or file.url.startswith("https://")


def test_every_backbone_has_a_config(repo_root):
    from omegaconf import OmegaConf

    folder = repo_root / "conf" / "backbone"
    assert {path.stem for path in folder.glob("*.yaml")} == set(NAMES)
    for name in NAMES:
        config = OmegaConf.load(folder / f"{name}.yaml")
        assert set(config) == {"_target_", "name", "weights", "layers", "size_px"}
        assert config._target_ == "gazekit.backbones.load_backbone" and config.name == name
        with torch.device("meta"):
            net = build_net.__globals__["_class"](INFO[name])(**INFO[name].settings)
        assert set(config.layers) <= set(net.layers)


def test_import_is_light():
    code = (
        "import gazekit.backbones, gazekit.features, sys\n"
        "print([m for m in ('torch', 'cv2', 'transformers', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        backbones.nothing  # noqa: B018


def test_weights_are_fetched_and_found(tmp_path, monkeypatch, capsys):
    from gazekit.backbones.cards import CARDS
    from gazekit.cli import main
    from gazekit.download import Download, file_sha256

    published = tmp_path / "published.safetensors"
    save_file(build_net(SMALL).state_dict(), published)
    file = Download(published.as_uri(), file_sha256(published)[:8])
    monkeypatch.setitem(CARDS, SMALL, replace(CARDS[SMALL], weights=({"model.safetensors": file},)))
    monkeypatch.chdir(tmp_path)
    assert main(["data", "fetch", SMALL]) == 0
    assert "licence: BSD" in capsys.readouterr().err
    assert load_backbone(SMALL).recipe["weights"] == file_sha256(published)
    assert main(["data", "fetch", "mobilenet_v2"]) == 2
    assert "mobilenet_v2 cannot be fetched: nobody offers" in capsys.readouterr().err
