from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import pad
from toys import CATEGORIES, one_row_a_trial, random_batch, random_scene, random_trial, seen, single, stepwise

from gazekit.models.oat import OATNet
from gazekit.models.oat.appearance import CategoryAppearance, CropAppearance
from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scene import TrialBatch

BY_CATEGORY = partial(CategoryAppearance, n_categories=len(CATEGORIES))
NETS = {
    "known": {},
    "hidden": {"target_position": "hidden"},
    "no relations": {"relation_bias": 0},
    "hidden, no relations": {"target_position": "hidden", "relation_bias": 0},
    "norm last": {"norm_first": False},
    "paper": {
        "norm_first": False,
        "relation_bias": 0,
        "appearance": partial(CropAppearance, crop_size=(30, 30)),
    },
    "sinusoid": {"position": "sinusoid"},
    "no position": {"position": "none", "target_position": "hidden"},
    "one layer": {"encoder_layers": 1, "decoder_layers": 1, "pointer_heads": 1},
}
HIDDEN = [name for name, options in NETS.items() if "target_position" in options]
TARGETS = {"search": (2, 0, 3), "free viewing": (None, None, None), "mixed": (None, 4, 1)}


def small_net(**options) -> OATNet:
    """A net of little width whose parameters are large enough that everything matters."""
    torch.manual_seed(0)
    net = OATNet(
        **{"appearance": BY_CATEGORY, "width": 24, "heads": 2, "hidden": 32, "relation_bias": 16, **options}
    )
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.mul_(1.5 if parameter.dim() == 2 else 4)
        net.mix.weight.mul_(3)
    return net.eval()


@pytest.fixture(params=NETS)
def net(request) -> OATNet:
    return small_net(**NETS[request.param])


@pytest.fixture(params=TARGETS)
def batch(request) -> TrialBatch:
    return random_batch(targets=TARGETS[request.param], crop=(30, 30))


def assert_close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one.exp(), other.exp(), rtol=1e-4, atol=1e-5)
    finite = other > -torch.inf
    torch.testing.assert_close(one[finite], other[finite], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_distribution_at_every_step(net, batch):
    log_prob = net.log_prob(batch)
    belongs = seen(batch)
    assert log_prob.shape == (5, 7, 8)
    torch.testing.assert_close(log_prob[belongs].exp().sum(-1), torch.ones(int(belongs.sum())))
    assert (log_prob[:, 0, -1] == -torch.inf).all()  # nobody stops before the first fixation
    assert (log_prob[:, 1:, -1].isfinite())[belongs[:, 1:]].all()
    allowed = one_row_a_trial(batch).object_mask[:, None].expand(-1, 7, -1)
    assert (log_prob[..., :-1].isfinite() == allowed)[belongs].all()
    assert log_prob[belongs].exp().amax(-1).max() > 0.26  # not uniform: the other tests compare something


@torch.no_grad()
def test_generation_equals_teacher_forcing(net, batch):
    belongs = seen(batch)
    assert_close(stepwise(net, batch)[belongs], net.log_prob(batch)[belongs])


@torch.no_grad()
def test_each_trial_alone_gives_the_same(net, batch):
    """Padding objects, padding steps and the other scenes of the batch change nothing."""
    log_prob, belongs = net.log_prob(batch), seen(batch)
    for i in range(len(batch)):
        alone = single(batch, i)
        n = alone.scenes.object_mask.shape[1]
        of_batch = torch.cat([log_prob[i, belongs[i], :n], log_prob[i, belongs[i], -1:]], -1)
        assert_close(of_batch, net.log_prob(alone)[0])


@torch.no_grad()
def test_more_padding_changes_nothing(net):
    batch = random_batch(crop=(30, 30))
    scenes = batch.scenes
    padded = replace(
        scenes,
        boxes_px=pad(scenes.boxes_px, (0, 0, 0, 3)),
        object_mask=pad(scenes.object_mask, (0, 3)),
        category=pad(scenes.category, (0, 3), value=1),
        crops=pad(scenes.crops, (0, 0, 0, 0, 0, 0, 0, 3), value=0.5),
    )
    longer = replace(
        batch,
        scenes=padded,
        objects=pad(batch.objects, (0, 2), value=1),
        mask=pad(batch.mask, (0, 2)),
        xy_px=pad(batch.xy_px, (0, 0, 0, 2), value=9.0),
    )
    log_prob = net.log_prob(longer)[:, :7]
    belongs = seen(batch)
    assert (log_prob[..., 7:-1][belongs] == -torch.inf).all()
    assert_close(
        torch.cat([log_prob[..., :7], log_prob[..., -1:]], -1)[belongs], net.log_prob(batch)[belongs]
    )


@torch.no_grad()
def test_order_of_the_objects_does_not_matter(net, batch):
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))  # padding comes to lie in between
    rank = order.argsort()
    scenes = batch.scenes
    target = torch.where(scenes.target >= 0, rank[scenes.target.clamp(min=0)], -1)
    permuted = replace(
        scenes,
        boxes_px=scenes.boxes_px[:, order],
        object_mask=scenes.object_mask[:, order],
        category=scenes.category[:, order],
        crops=scenes.crops[:, order],
        target=target,
    )
    log_prob = net.log_prob(replace(batch, scenes=permuted, objects=rank[batch.objects]))
    expected = net.log_prob(batch)[..., [*order, 7]]
    assert_close(log_prob[seen(batch)], expected[seen(batch)])


@torch.no_grad()
@pytest.mark.parametrize("t", [0, 2, 5])
def test_the_past_does_not_see_the_future(net, t):
    batch = random_batch(lengths=(6, 6, 6), crop=(30, 30))
    objects = batch.objects.clone()
    objects[:, t] = (objects[:, t] + 1) % 4
    xy_px = batch.xy_px.clone()
    xy_px[:, t] += 30
    before, after = net.log_prob(batch), net.log_prob(replace(batch, objects=objects, xy_px=xy_px))
    assert_close(after[:, : t + 1], before[:, : t + 1])
    assert (after[:, t + 1] - before[:, t + 1]).exp().sub(1).nan_to_num().abs().max() > 1e-3


@torch.no_grad()
def test_landing_points_matter_only_where_they_are_asked_for():
    batch = random_batch()
    moved = replace(batch, xy_px=batch.xy_px + 20)
    asked, not_asked = small_net(relation_bias=8), small_net(relation_bias=8, landing=False)
    belongs = seen(batch)
    assert (asked.log_prob(batch) - asked.log_prob(moved))[belongs].nan_to_num().abs().max() > 1e-4
    assert_close(not_asked.log_prob(batch)[belongs], not_asked.log_prob(moved)[belongs])


@torch.no_grad()
def test_selection_goes_on_as_if_the_others_had_stayed(net):
    batch = random_batch(lengths=(3, 3, 3), crop=(30, 30))
    state = net.begin(one_row_a_trial(batch), 2)
    state = net.advance(state, torch.tensor([[1, 2], [0, 6], [3, 3]]))
    rows = torch.tensor([2, 0])
    chosen = state.select(rows)
    assert_close(net.next_log_prob(chosen), net.next_log_prob(state)[rows])
    everywhere = torch.tensor([[2, 0], [5, 5], [0, 1]])
    assert_close(
        net.next_log_prob(net.advance(chosen, everywhere[rows])),
        net.next_log_prob(net.advance(state, everywhere))[rows],
    )
    assert net.begin(one_row_a_trial(batch), 1).select(rows).output.shape == (2, 1, 8)


@torch.no_grad()
def test_scanpaths_of_one_scene_do_not_mix(net):
    scenes = random_batch(crop=(30, 30)).scenes
    paths = torch.tensor([[[1, 0, 1], [2, 2, 3]]] * 3)  # [3, 2, 3]
    both = net.begin(scenes, 2)
    apart = [net.begin(scenes, 1) for _ in range(2)]
    for t in range(3):
        both = net.advance(both, paths[..., t])
        apart = [net.advance(state, paths[:, k : k + 1, t]) for k, state in enumerate(apart)]
    expected = torch.cat([net.next_log_prob(state) for state in apart], 1)
    assert_close(net.next_log_prob(both), expected)
    assert not torch.allclose(expected[:, 0].exp(), expected[:, 1].exp(), atol=1e-3)


def batch_with_twin() -> TrialBatch:
    """Two trials of a scene where object 4 looks just as the target 1; nobody fixates either."""
    rng = np.random.default_rng(0)
    scene = random_scene(rng, 6, target=1, crop=(30, 30))
    scene.crops[4] = scene.crops[1]
    object.__setattr__(scene, "categories", ("cup", "pen", "pen", "key", "pen", "cup"))
    trials = [random_trial(rng, 0, [scene], 0) for _ in range(2)]
    batch = TrialBatch.from_trials([scene], trials, [0, 1], CATEGORIES)
    objects = torch.tensor([[0, 2, 3, 3], [5, 0, 5, 2]])
    return replace(batch, objects=objects, mask=torch.ones_like(objects, dtype=torch.bool))


@torch.no_grad()
@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_target_is_one_of_its_twins(name):
    net, batch = small_net(**NETS[name]), batch_with_twin()
    twin = replace(batch, scenes=replace(batch.scenes, target=torch.tensor([4])))
    torch.testing.assert_close(net.log_prob(twin), net.log_prob(batch), rtol=0, atol=0)
    other = replace(batch, scenes=replace(batch.scenes, target=torch.tensor([3])))  # looks different
    assert (net.log_prob(other) - net.log_prob(batch)).nan_to_num().abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in HIDDEN if name != "no position"])
def test_a_hidden_target_shows_once_it_is_fixated(name):
    """The flag of a past fixation on the target tells it from a fixation on its twin, from then on."""
    net, batch = small_net(**NETS[name]), batch_with_twin()
    batch.objects[:, 1] = 4
    twin = replace(batch, scenes=replace(batch.scenes, target=torch.tensor([4])))
    difference = (net.log_prob(twin) - net.log_prob(batch)).nan_to_num().abs()
    assert difference[:, :2].max() == 0
    assert (difference[:, 2:].amax(-1) > 1e-3).all()


@torch.no_grad()
@pytest.mark.parametrize("relation_bias", [0, 16])
def test_a_known_target_is_not_its_twin(relation_bias):
    net, batch = small_net(relation_bias=relation_bias), batch_with_twin()
    twin = replace(batch, scenes=replace(batch.scenes, target=torch.tensor([4])))
    assert (net.log_prob(twin) - net.log_prob(batch)).nan_to_num().abs().max() > 1e-3


@torch.no_grad()
def test_without_a_target_object_0_is_nothing_special(net):
    """-1 stands for "none": what is searched must not be read from some object in its place."""
    batch = random_batch(targets=(None, None, None), crop=(30, 30), lengths=(3, 3, 3))
    objects = batch.objects.clamp(min=1)
    batch = replace(batch, objects=objects)
    swapped = [0, 1, 2, 3, 4, 5, 6]
    swapped[0], swapped[2] = 2, 0
    scenes = batch.scenes
    other = replace(
        batch,
        scenes=replace(
            scenes,
            boxes_px=scenes.boxes_px[:, swapped],
            category=scenes.category[:, swapped],
            crops=scenes.crops[:, swapped],
        ),
        objects=torch.tensor(swapped)[objects],
    )
    assert_close(net.log_prob(other), net.log_prob(batch)[..., [*swapped, 7]])


@pytest.mark.parametrize(
    "options",
    [{}, {"relation_bias": 0}, {"target_position": "hidden", "norm_first": False}, {"position": "none"}],
    ids=str,
)
def test_every_parameter_is_trained(options):
    """Distributed training waits for the gradient of every parameter that requires one."""
    net = small_net(**options).train()
    for targets in TARGETS.values():
        net.zero_grad()
        batch = random_batch(targets=targets)
        negative_log_likelihood(net.log_prob(batch), batch).backward()
        assert [name for name, p in net.named_parameters() if p.grad is None] == []
        assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    "options",
    [{}, {"target_position": "hidden", "relation_bias": 0, "norm_first": False}],
    ids=["ours", "paper"],
)
def test_one_batch_can_be_learned_by_heart(options):
    torch.manual_seed(0)
    batch = random_batch(lengths=(6, 4, 5), crop=(30, 30))
    net = OATNet(BY_CATEGORY, 48, 1, 1, 2, 64, 0.0, **{"relation_bias": 16, **options})
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = negative_log_likelihood(net.log_prob(batch), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.2
    assert min(losses) < 0.1  # within 150 steps; without a schedule the loss may rise again


@torch.no_grad()
def test_saved_and_loaded_is_the_same(net, tmp_path, request):
    batch = random_batch(crop=(30, 30))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    other = small_net(**NETS[request.node.callspec.params["net"]])
    for parameter in other.parameters():
        parameter.zero_()
    other.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True), strict=True)
    torch.testing.assert_close(other.log_prob(batch), net.log_prob(batch), rtol=0, atol=0)


@torch.no_grad()
def test_dropout_is_for_training():
    net, batch = small_net(dropout=0.5), random_batch()
    torch.testing.assert_close(net.log_prob(batch), net.log_prob(batch), rtol=0, atol=0)
    net.train()
    assert not torch.equal(net.log_prob(batch), net.log_prob(batch))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_position": "secret"}, "target_position must be 'known' or 'hidden', got 'secret'"),
        ({"position": "learned"}, "position must be 'distance', 'sinusoid' or 'none', got 'learned'"),
        ({"width": 40}, "width must be a multiple of 12, got 40"),
        ({"width": 24, "heads": 5}, "width 24 is not a multiple of heads 5"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        OATNet(**options)
