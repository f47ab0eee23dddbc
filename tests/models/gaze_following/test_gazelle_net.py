import pytest
import torch
from gaze_net_toys import SMALL, gaze_batch, lively, people_of

from gazekit.errors import DataError
from gazekit.models.gaze_following.frozen_encoder import FrozenEncoder
from gazekit.models.gaze_following.gazelle_net import DropPath, GazeLLENet
from gazekit.models.gaze_following.positions import sine_positions
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet


def close(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=1e-4)


def gazelle(**more):
    return GazeLLENet(SMALL, "random", width=16, heads=2, **more)


def look(net, batch):
    return net.look(net.encode(batch["image"]), batch["picture"], batch["head_norm"])


@pytest.fixture(scope="module", params=[False, True], ids=["tokens", "rows and tokens"])
def net(request):
    return lively(gazelle(direction=True, rows=request.param))


@pytest.mark.parametrize(
    ("width", "heads", "plain", "inside", "rows"),
    [(768, 12, 2_826_752, 2_860_033, 13_313), (1024, 16, 2_892_288, 2_925_569, 17_665)],
)
def test_as_many_parameters_as_published(width, heads, plain, inside, rows):
    """2.8 and 2.9 million that are learnt, on ViT-B and ViT-L, whose depth does not matter."""
    backbone = SMALL | {"width": width, "heads": heads, "depth": 4, "hidden": 8}
    for wanted, more in ((plain, {"inside": False}), (inside, {}), (inside + rows, {"rows": True})):
        assert sum(p.numel() for p in GazeLLENet(backbone, "random", **more).parameters()) == wanted


def test_shapes_of_the_published_sizes():
    net = GazeLLENet(SMALL | {"patch_px": 14, "grid": 37, "depth": 1}, "random").eval()
    batch = gaze_batch(1, 2, (448, 448))
    with torch.no_grad():
        scene = net.encode(batch["image"])
        looks = net.look(scene, torch.zeros(2, dtype=torch.long), batch["head_norm"])
    assert scene.tokens.shape == (1, 256, 32, 32)
    assert looks.heatmap.shape == (2, 64, 64) and looks.inside.shape == (2,) and looks.direction_xy is None


def test_the_backbone_is_neither_trained_nor_saved(net):
    assert not any(name.startswith("frozen") for name in net.state_dict())
    batch, before = gaze_batch(), [p.clone() for p in net.frozen.module.parameters()]
    net.train()
    assert not net.frozen.module.training
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    scene = net.encode(batch["image"], torch.Generator())
    net.loss(scene, net.look(scene, batch["picture"], batch["head_norm"]), batch)["loss"].backward()
    assert all(
        parameter.grad.abs().max() > 0 for name, parameter in net.named_parameters() if name != "score.bias"
    )
    optimizer.step()
    net.eval()
    for parameter, old in zip(net.frozen.module.parameters(), before, strict=True):
        assert torch.equal(parameter, old) and parameter.grad is None


def test_people_are_looked_at_one_by_one(net):
    batch = gaze_batch(people=20)
    together = look(net, batch)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(look(net, people_of(batch, order)), together, strict=True):
        close(ours, theirs[order])
    for ours, theirs in zip(look(net, people_of(batch, [7])), together, strict=True):
        close(ours[0], theirs[7])
    assert (together.heatmap[0] - together.heatmap[2]).abs().max() > 1e-3
    assert [tuple(x.shape) for x in look(net, people_of(batch, []))] == [(0, 16, 16), (0,), (0, 2)]


def test_rows_begin_as_if_they_were_not_there_and_then_matter():
    torch.manual_seed(0)
    plain, rows = gazelle().eval(), gazelle(rows=True).eval()
    rows.load_state_dict(plain.state_dict(), strict=False)
    batch = gaze_batch()
    close(look(rows, batch).heatmap, look(plain, batch).heatmap)
    with torch.no_grad():
        rows.rows.weight.normal_()
    assert (look(rows, batch).heatmap - look(plain, batch).heatmap).abs().max() > 1e-2


def test_other_weights_of_the_backbone_are_refused(tmp_path):
    path = tmp_path / "vitgaze.safetensors"
    _checkpoint(path)
    trained, state = GazeLLENet(SMALL, path, width=16, heads=2), gazelle().state_dict()
    trained.load_state_dict(trained.state_dict())
    with pytest.raises(DataError, match="but the decoder was trained on others"):
        trained.load_state_dict(state)


def _checkpoint(path):
    from safetensors.torch import save_file

    net = lively(ViTGazeNet(SMALL))
    state = {f"net.{name}": x for name, x in net.state_dict().items()}
    if path.suffix == ".ckpt":
        torch.save({"state_dict": state, "gazekit": {"settings": {"backbone": SMALL}}}, path)
    else:
        save_file(state, path)
    return net


@pytest.mark.parametrize("file", ["best.ckpt", "vitgaze.safetensors"])
def test_the_encoder_of_a_trained_vitgaze(tmp_path, file):
    trained = _checkpoint(tmp_path / file)
    image = gaze_batch()["image"]
    encoded = FrozenEncoder(SMALL, tmp_path / file)(image)
    close(encoded.features, trained.encoder(image).features)
    assert not encoded.features.requires_grad
    if file == "best.ckpt":
        with pytest.raises(DataError, match="holds a net with backbone="):
            FrozenEncoder(SMALL | {"heads": 2}, tmp_path / file)


def test_a_named_backbone_is_as_it_is_everywhere_else():
    from gazekit.backbones import load_backbone

    backbone = load_backbone("vit_tiny", "random", ["norm"], size_px=(64, 96))
    pictures = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    frozen = FrozenEncoder("vit_tiny", "random")
    frozen.module.load_pretrained(backbone.net.state_dict())
    wanted = backbone(backbone.preprocess(pictures))["norm"]
    close(frozen(pictures.permute(0, 3, 1, 2)).features, wanted, 1e-4)


def test_no_weights_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no weights of dinov2_small at data/backbones/dinov2_small"):
        GazeLLENet("dinov2_small")
    with pytest.raises(ValueError, match="an encoder with sizes of its own has no pretrained weights"):
        GazeLLENet(SMALL)


def test_weights_are_the_same_every_time_and_wherever_the_net_is_made():
    with torch.device("meta"):
        shapes = {name: x.shape for name, x in gazelle(rows=True).state_dict().items()}
    assert shapes == {name: x.shape for name, x in gazelle(rows=True).state_dict().items()}
    first, second = (gazelle().frozen.module.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_positions():
    table = sine_positions(8, (3, 5))
    assert table.shape == (8, 3, 5)
    row, column = 2, 4
    wanted = [torch.sin, torch.cos]
    for half, place in ((0, column), (4, row)):
        for k in range(4):
            angle = torch.tensor(place / 10_000 ** ((k // 2) / 2))
            close(table[half + k, row, column], wanted[k % 2](angle))


def test_whole_branches_are_dropped_in_training():
    torch.manual_seed(0)
    drop, ones = DropPath(0.25), torch.ones(4000, 2, 3)
    assert torch.equal(drop.eval()(ones), ones)
    kept = drop.train()(ones).flatten(1)
    torch.testing.assert_close(kept.unique(), torch.tensor([0.0, 4 / 3]))
    assert (kept == kept[:, :1]).all() and 0.73 < float((kept[:, 0] > 0).float().mean()) < 0.77


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="width must be a multiple of 4, got 6"):
        GazeLLENet(SMALL, "random", width=6)
    with pytest.raises(ValueError, match="direction=true needs inside=true"):
        gazelle(inside=False, direction=True)
