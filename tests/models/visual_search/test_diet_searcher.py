"""Nets that grow up on a diet: what they are, that they learn, and that they search."""

import pytest
import torch

from gazekit.datasets.diet_data import DietData
from gazekit.datasets.search_data import SearchData
from gazekit.models.visual_search import DietSearcher, UntrainedDiet
from gazekit.models.visual_search.diet.net import DietNet, grown

WIDTHS = (8, 8, 16, 16)


@pytest.fixture(scope="module")
def data():
    found = DietData(pictures=128, scored=64, batch_size=64)
    found.setup()
    return found


def searches(task, displays=1):
    found = SearchData(tasks=[task], displays=displays)
    found.setup()
    return next(iter(found.batches("test")))


def test_layers_have_the_strides_that_they_name():
    net = DietNet(5, WIDTHS)
    for side in (64, 70, 33):
        for name, x in net.walk(torch.zeros(2, 3, side, side)):
            channels, stride = net.layers[name]
            expected = (
                (2, channels) if stride is None else (2, channels, -(-side // stride), -(-side // stride))
            )
            assert x.shape == expected


def test_halvings_can_be_taken_over():
    net = DietNet(5, WIDTHS).eval()
    images = torch.rand(1, 3, 48, 48)
    seen = []

    def halve(stride):
        def operation(x):
            seen.append(stride)
            return net.halved(x, stride)

        return operation

    own = dict(net.walk(images))
    for name, x in net.walk(images, {stride: halve(stride) for stride in net.halvings}):
        assert torch.equal(x, own[name])
    assert seen == [1, 2, 4, 8, 16]


def test_an_even_picture_has_even_maps():
    net = DietNet(5, WIDTHS).eval()
    for _, x in net.walk(torch.full((1, 3, 128, 128), 0.3)):
        if x.dim() == 4 and x.shape[-1] > 8:  # beyond the reach of the border
            middle = x[..., 3:-3, 3:-3]
            torch.testing.assert_close(middle, middle[..., :1, :1].expand_as(middle))


def test_a_seed_makes_the_weights_and_leaves_the_generator_alone():
    state = torch.get_rng_state()
    one, two, other = (grown("small", 5, seed, WIDTHS).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match="small, vgg16"):
        grown("tall", 5, 0)


def test_vgg16_has_the_classes_of_the_data():
    with torch.device("meta"):
        net = grown("vgg16", 100, 0)
    assert net.layers["logits"].channels == net.classifier[6].out_features == 100


def test_a_few_steps_lower_the_loss_and_leave_the_untrained_row_alone(data):
    facts = data.facts()
    system = DietSearcher(facts, init_seed=1, widths=WIDTHS)
    before = UntrainedDiet(facts, init_seed=1, widths=WIDTHS)
    assert all(
        torch.equal(a, b) for a, b in zip(system.net.parameters(), before.net.parameters(), strict=True)
    )
    optimizer = torch.optim.AdamW(system.parameters(), lr=1e-2)
    losses = []
    for step in range(30):
        optimizer.zero_grad()
        loss = system.loss(data.training_batch(step))["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(2.4, abs=0.4)  # log 11
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]


def test_what_it_says_about_pictures(data):
    system = DietSearcher(data.facts(), widths=WIDTHS).eval()
    said = system.predict(data.batch([0, 1, 2]), torch.Generator())
    assert said["probability"].shape == (3, 11) and said["correct"].dtype == torch.bool
    torch.testing.assert_close(said["probability"].sum(1), torch.ones(3))


def test_it_searches_by_its_own_weights_and_can_go_on_learning(data):
    batch = searches("lighting", displays=2)
    system = DietSearcher(data.facts(), widths=WIDTHS, tasks=["lighting"]).eval()
    first = system.predict(batch, torch.Generator())
    assert first["fixations"].shape == batch["set_size"].shape
    assert ((first["fixations"] >= 1) & (first["fixations"] <= 16)).all()
    assert first["found"].all()
    again = UntrainedDiet(data.facts(), widths=WIDTHS, tasks=["lighting"]).eval()
    assert torch.equal(again.predict(batch, torch.Generator())["fixations"], first["fixations"])
    assert all(p.requires_grad for p in system.net.parameters())
    with torch.no_grad():
        for p in system.net.parameters():
            p.copy_(torch.randn_like(p) / 5)
    system.eval()
    assert not torch.equal(system.predict(batch, torch.Generator())["xy_px"], first["xy_px"])


def test_it_searches_real_pictures_too(data):
    picture = torch.randint(0, 255, (1, 70, 90, 3), generator=torch.Generator().manual_seed(0)).byte()
    batch = {
        "picture": picture,
        "target_picture": picture[:, 20:40, 50:70],
        "target_box_px": torch.tensor([[50.0, 20, 70, 40]]),
        "background": torch.full((1, 3), 127, dtype=torch.uint8),
    }
    assert DietSearcher(data.facts(), widths=WIDTHS).eval().predict(batch, torch.Generator())["found"].all()


def test_displays_of_other_tasks_are_refused(data):
    system = DietSearcher(data.facts(), widths=WIDTHS, tasks=["curvature"])
    with pytest.raises(ValueError, match="are not those of"):
        system.predict(searches("lighting"), torch.Generator())


def test_a_state_comes_back(data):
    one, two = (
        DietSearcher(data.facts(), init_seed=seed, widths=WIDTHS, tasks=["lighting"]) for seed in (1, 2)
    )
    two.load_state_dict(one.state_dict(), strict=True)
    batch = searches("lighting")
    says = [system.eval().predict(batch, torch.Generator())["xy_px"].nan_to_num() for system in (one, two)]
    assert torch.equal(*says)


@pytest.mark.slow
def test_vgg16_learns_and_searches(data):
    facts = data.facts() | {"classes": ["cat", "dog"]}
    system = DietSearcher(facts, net="vgg16", tasks=["lighting"], stride=32)
    pictures = torch.randint(256, (2, 224, 224, 3), dtype=torch.uint8)
    loss = system.loss({"picture": pictures, "label": torch.tensor([0, 1])})["loss"]
    loss.backward()
    assert 0.05 < float(loss.detach()) < 5
    assert all(p.grad.abs().sum() > 0 for p in system.net.features.parameters())
    one = {key: value[:1] for key, value in searches("lighting").items()}
    assert system.eval().predict(one, torch.Generator())["found"].all()


@pytest.mark.slow
def test_a_net_that_grew_up_under_light_from_above_takes_bumps_from_below_for_dents():
    grown_on, other = DietData(pictures=6400, scored=512), DietData("below", pictures=1, scored=512)
    grown_on.setup(), other.setup()
    system = DietSearcher(grown_on.facts())
    optimizer = torch.optim.AdamW(system.parameters(), lr=3e-3)
    for step in range(300):
        optimizer.zero_grad()
        system.loss(grown_on.training_batch(step))["loss"].backward()
        optimizer.step()
    system.eval()

    def relief_right(data):
        batch = data.batch(data.parts["test"].tolist())
        said = system.predict(batch, torch.Generator())["probability"].argmax(1)
        solid = (batch["label"] < 6) & (said < 6)
        return float((said % 2 == batch["label"] % 2)[solid].float().mean())

    with torch.no_grad():
        assert relief_right(grown_on) > 0.85
        assert relief_right(other) < 0.15
