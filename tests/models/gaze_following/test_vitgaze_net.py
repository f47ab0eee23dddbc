import pytest
import torch
from gaze_net_toys import SMALL, gaze_batch, lively, people_of

from gazekit.models.gaze_following.boxes import rounded_cells, touched_patches
from gazekit.models.gaze_following.masking import hidden_patches
from gazekit.models.gaze_following.scene_encoder import SceneEncoder
from gazekit.models.gaze_following.vitgaze_net import ViTGazeNet


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def close(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=1e-4)


def look(net, batch):
    return net.look(net.encode(batch["image"]), batch["picture"], batch["head_norm"])


@pytest.fixture(scope="module")
def net():
    return lively(ViTGazeNet(SMALL, direction=True))


def test_as_many_parameters_as_published():
    with torch.device("meta"):
        net = ViTGazeNet()
    assert net.encoder.taps == (2, 5, 8, 11) and net.encoder.channels == 24
    assert count(net.encoder) == 22_055_808 and count(net.encoder.vit.blocks[0]) == 1_775_232
    assert count(net.guidance) == 4_730
    assert count(net.heatmap_head) == 4_757
    assert count(net.inside_head) == 148_225
    assert count(net) == 22_213_520


@pytest.mark.parametrize(
    ("size", "patches"), [((434, 434), (31, 31)), ((518, 518), (37, 37)), ((56, 84), (4, 6))]
)
def test_shapes(size, patches):
    net = ViTGazeNet(SMALL | {"patch_px": 14, "grid": 37, "depth": 1}).eval()
    batch = gaze_batch(3, 2, size)
    with torch.no_grad():
        scene = net.encode(batch["image"])
        looks = net.look(scene, batch["picture"], batch["head_norm"])
    assert scene.features.shape == (3, 24, *patches)
    assert looks.heatmap.shape == (2, 8 * patches[0], 8 * patches[1])
    assert looks.inside.shape == (2,) and looks.direction_xy is None


@pytest.mark.slow
@pytest.mark.parametrize(("side", "patches"), [(434, 31), (518, 37)])
def test_shapes_of_the_published_net(side, patches):
    net, batch = ViTGazeNet().eval(), gaze_batch(1, 2, (side, side))
    with torch.no_grad():
        scene = net.encode(batch["image"])
        looks = net.look(scene, batch["picture"], batch["head_norm"])
    assert [tuple(key.shape) for key in scene.keys] == [(1, 6, patches**2 + 1, 64)] * 4
    assert looks.heatmap.shape == (2, 8 * patches, 8 * patches)


def test_interaction_by_whole_maps(net):
    """The published order: softmax over all tokens, class token dropped, rows weighted by the guidance, summed."""
    batch = gaze_batch(size_px=(64, 48))
    scene = net.encode(batch["image"])
    seen = {}
    net.heatmap_head.register_forward_pre_hook(lambda _, given: seen.update(heatmap=given[0]))
    net.inside_head.register_forward_pre_hook(lambda _, given: seen.update(inside=given[0]))
    net.look(scene, batch["picture"], batch["head_norm"])
    for p, (k, box) in enumerate(zip(batch["picture"].tolist(), batch["head_norm"].tolist(), strict=True)):
        drawn = torch.zeros(64, 48)
        x_min, y_min, x_max, y_max = box
        drawn[int(y_min * 64) : min(63, int(y_max * 64)), int(x_min * 48) : min(47, int(x_max * 48))] = 1
        mask = torch.nn.functional.max_pool2d(drawn[None, None], 8, 8)[0, 0]
        score = (scene.score[k] * mask).masked_fill(mask <= 0, -1e9)
        guidance = score.flatten().softmax(0)
        maps = []
        for query, key in zip(scene.queries, scene.keys, strict=True):
            maps.extend((query[k] @ key[k].transpose(-1, -2) / 8**0.5).softmax(-1)[:, 1:, 1:])
        wanted = (torch.stack(maps) * guidance[:, None]).sum(1)
        assert len(maps) == 12 and (wanted.sum(-1) < 1).all()
        close(seen["heatmap"][p], wanted.view(12, 8, 6), 1e-6)
        close(seen["inside"][p], (scene.features[k].flatten(1) * guidance).sum(1))


def test_gradients_are_those_of_whole_maps(net):
    batch, found = gaze_batch(), []
    for dense in (False, True):
        net.zero_grad()
        scene = net.encode(batch["image"])
        looks = net.look(scene, batch["picture"], batch["head_norm"], dense=dense)
        net.loss(scene, looks, batch)["loss"].backward()
        found.append({name: p.grad for name, p in net.named_parameters() if name != "encoder.mask_token"})
    for name, wanted in found[1].items():  # a bias of all scores changes no softmax
        close(found[0][name], wanted, max(1e-3, 1e-4 * float(wanted.abs().max())))
        assert wanted.abs().max() > 1e-3 or name == "guidance.embed.bias", name


def test_people_are_looked_at_one_by_one(net):
    """In any order, and whoever else is there."""
    batch = gaze_batch(people=20)
    together = look(net, batch)
    assert together.heatmap.shape[0] == 20
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    for ours, theirs in zip(look(net, people_of(batch, order)), together, strict=True):
        close(ours, theirs[order])
    for p in (0, 7, 19):
        for ours, theirs in zip(look(net, people_of(batch, [p])), together, strict=True):
            close(ours[0], theirs[p])
    assert (together.heatmap[0] - together.heatmap[2]).abs().max() > 1e-3


def test_nobody(net):
    batch = people_of(gaze_batch(), [])
    scene = net.encode(batch["image"])
    looks = net.look(scene, batch["picture"], batch["head_norm"])
    assert [tuple(x.shape) for x in looks] == [(0, 64, 64), (0,), (0, 2)]
    net.zero_grad()
    terms = net.loss(scene, looks, batch)
    terms["loss"].backward()
    assert (
        terms["loss"] == terms["heads"] > 0 and terms["heatmap"] == terms["inside"] == terms["direction"] == 0
    )


def test_heads_of_any_kind(net):
    heads = torch.tensor(
        [
            [-1.0, -1.0, 2.0, 2.0],  # larger than the picture
            [1.0, 1.0, 1.0, 1.0],  # a point in the corner
            [0.0, 0.3, 0.0, 0.3],
            [0.95, -0.2, 1.3, 0.02],  # over the border
            [1.2, 0.5, 1.4, 0.6],  # outside
            [0.501, 0.501, 0.5011, 0.5011],  # less than a pixel
        ]
    )
    masks = touched_patches(heads, (64, 64), 8)
    assert masks.sum((1, 2)).tolist() == [64, 1, 1, 1, 1, 1]
    places = [(7, 7), (2, 0), (0, 7), (4, 7), (4, 4)]
    assert [tuple(mask.nonzero()[0].tolist()) for mask in masks[1:]] == places
    assert rounded_cells(heads, (8, 8)).sum((1, 2)).tolist() == [64, 1, 1, 1, 1, 1]
    batch = people_of(gaze_batch(), [0] * 6) | {"head_norm": heads}
    for said in look(net, batch):
        assert said.isfinite().all()


def test_a_mirror_image_is_looked_at_as_the_picture():
    """Where all filters and positions are their own mirror images."""
    net = lively(ViTGazeNet(SMALL))
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 4:
                parameter.copy_((parameter + parameter.flip(-1)) / 2)
        grid = net.encoder.vit.pos_embed[:, 1:].unflatten(1, (8, 8))
        grid.copy_((grid + grid.flip(2)) / 2)
    batch = gaze_batch()
    batch["head_norm"] = (batch["head_norm"].clamp(0.02, 0.95) * 64).round() / 64
    x_min, y_min, x_max, y_max = batch["head_norm"].unbind(1)
    mirrored = batch | {
        "image": batch["image"].flip(-1),
        "head_norm": torch.stack([1 - x_max, y_min, 1 - x_min, y_max], 1),
    }
    ours, theirs = look(net, mirrored), look(net, batch)
    close(ours.heatmap, theirs.heatmap.flip(-1), 1e-4)
    close(ours.inside, theirs.inside, 1e-4)
    assert (theirs.heatmap - theirs.heatmap.flip(-1)).abs().max() > 1e-3


def test_hidden_patches_are_blocks():
    draw = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(200):
        hidden = hidden_patches((31, 31), 0.5, draw)
        shares.append(float(hidden.float().mean()))
        assert hidden.sum() <= 481
    assert 0.15 < sum(shares) / 200 < 0.35 and max(shares) > 0.4
    assert max(int(hidden_patches((4, 4), 0.5, draw).sum()) for _ in range(100)) <= 8


def test_training_does_not_see_hidden_patches():
    torch.manual_seed(0)
    encoder = SceneEncoder(SMALL, hidden_probability=1)
    batch = gaze_batch()
    picture, heads = batch["picture"], batch["head_norm"]
    heads[:, 2:] = heads[:, :2] + 0.1

    def draw():
        return torch.Generator().manual_seed(3)

    hidden = encoder._hidden(batch["image"].float(), draw(), picture, heads)
    assert (0 < hidden.sum((1, 2))).all() and (hidden.sum((1, 2)) <= 32).all()
    assert not (hidden[picture] & touched_patches(heads, (64, 64), 8)).any()
    noise = torch.where(hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None], 0, batch["image"])
    ours = encoder(noise, draw(), picture, heads).features
    close(ours, encoder(batch["image"], draw(), picture, heads).features)
    assert (encoder(noise).features - encoder(batch["image"]).features).abs().max() > 1e-2
    assert encoder(batch["image"], draw()).features.isfinite().all()


def test_positions_are_interpolated_and_the_class_token_has_none(net):
    image = gaze_batch()["image"]
    before = net.encode(image).features
    saved = net.encoder.vit.pos_embed.detach().clone()
    with torch.no_grad():
        net.encoder.vit.pos_embed[:, 0] += 100
        close(net.encode(image).features, before)
        net.encoder.vit.pos_embed[:, 1] += 1
        assert (net.encode(image).features - before).abs().max() > 1e-2
        net.encoder.vit.pos_embed.copy_(saved)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match=r"backbone must be one of vit_tiny, dinov2_small.* got 'vgg16'"):
        ViTGazeNet("vgg16")
    with pytest.raises(ValueError, match=r"taps must be different blocks in 0 .. 4, got \[2, 5\]"):
        ViTGazeNet(SMALL, taps=[2, 5])
    with pytest.raises(ValueError, match="multiples of 8 pixels, got 60 x 64"):
        ViTGazeNet(SMALL).encode(torch.zeros(1, 3, 60, 64))
    with pytest.raises(ValueError, match="an encoder with sizes of its own has no pretrained weights"):
        SceneEncoder(SMALL).load("file")
