"""MindEye's losses against loops, and a system that finds pictures by the responses to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from gazekit.base import Data
from gazekit.metrics import Retrieval
from gazekit.models.brain_retrieval import BrainRetrieval, ChanceRetrieval, RidgeRetrieval
from gazekit.models.brain_retrieval.losses import Mixture, annealed, bimixco, mix_responses, softclip
from gazekit.models.brain_retrieval.net import BrainMLP, PictureSpace, Voxels


class ToyPictures(Data):
    """Pictures with features of two layers, and voxels that follow them linearly."""

    def __init__(self, n: int = 300, voxels: int = 30, noise: float = 0.3) -> None:
        super().__init__(50, "test", 0)
        generator = torch.Generator().manual_seed(0)
        self.maps = torch.randn(n, 3, 2, 2, generator=generator)
        self.vector = torch.randn(n, 4, 1, 1, generator=generator)
        mixing = torch.randn(16, voxels, generator=generator)
        x = torch.cat([self.maps.flatten(1), self.vector.flatten(1)], 1)
        self.response = x @ mixing + noise * torch.randn(n, voxels, generator=generator)
        self.response[5, 0] = torch.nan
        self.response[:, 1] = 3.0
        self.parts = {"train": np.arange(200), "val": np.arange(200, 250), "test": np.arange(250, n)}

    def facts(self) -> dict:
        return {"layers": {"maps": [3, 2, 2], "vector": [4, 1, 1]}, "voxels": self.response.shape[1]}

    def batch(self, index, generator=None) -> dict:
        index = torch.as_tensor(np.asarray(index))
        features = {"maps": self.maps[index], "vector": self.vector[index]}
        return {"features": features, "response": self.response[index], "group": index}

    def arrays(self, part: str):
        from types import SimpleNamespace

        return SimpleNamespace(**self.batch(self.parts[part]))


def unit(x: torch.Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).double().numpy()


def embeddings(count: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, 8, generator=generator, dtype=torch.float64).unbind(0)


def test_bimixco_equals_a_loop() -> None:
    brain, picture = embeddings()
    mixture = Mixture(torch.tensor([0.2, 1, 0.7, 1, 0.4, 0.9]).double(), torch.tensor([3, 1, 0, 2, 4, 5]))
    z = unit(brain) @ unit(picture).T / 0.006
    q = np.zeros((6, 6))
    for i, (b, j) in enumerate(zip(mixture.weight.tolist(), mixture.partner.tolist(), strict=True)):
        q[i, i] += b
        q[i, j] += 1 - b
    assert mixture.targets().numpy() == pytest.approx(q)
    assert q[4, 4] == 1  # its own partner: the release has 0.6 there
    rows, columns = log_softmax(z, 1), log_softmax(z, 0)
    expected = -((q * rows).sum(1).mean() + (q * columns).sum(0).mean()) / 2
    assert float(bimixco(brain, picture, mixture)) == pytest.approx(expected)


def test_softclip_equals_a_loop_and_is_least_for_the_pictures_themselves() -> None:
    brain, picture = embeddings()
    soft = softmax(unit(picture) @ unit(picture).T / 0.05, 1)
    z = unit(brain) @ unit(picture).T / 0.05
    expected = -((soft * log_softmax(z, 1)).sum(1).mean() + (soft * log_softmax(z.T, 1)).sum(1).mean()) / 2
    assert float(softclip(brain, picture, 0.05)) == pytest.approx(expected)
    least = softclip(picture.clone().requires_grad_(), picture, 0.05)
    assert float(least.detach()) < expected
    moved = picture.clone().requires_grad_()
    softclip(moved, picture, 0.05).backward()
    assert float(moved.grad.abs().max()) < 1e-9  # cross-entropy with itself: a minimum


def test_without_mixing_bimixco_is_the_contrastive_loss_of_clip() -> None:
    brain, picture = embeddings()
    z = torch.from_numpy(unit(brain) @ unit(picture).T) / 0.1
    whole = Mixture(torch.ones(6).double(), torch.arange(6).roll(1))
    own = torch.arange(6)
    expected = (torch.nn.functional.cross_entropy(z, own) + torch.nn.functional.cross_entropy(z.T, own)) / 2
    assert float(bimixco(brain, picture, whole, 0.1)) == pytest.approx(float(expected))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 500), count=st.integers(1, 9))
def test_mixtures_are_what_their_targets_say(seed: int, count: int) -> None:
    torch.manual_seed(seed)
    response = torch.randn(count, 3)
    mixed, mixture = mix_responses(response)
    assert torch.allclose(mixed, mixture.targets() @ response, atol=1e-6)
    assert torch.allclose(mixture.targets().sum(1), torch.ones(count), atol=1e-6)


def test_half_of_the_responses_are_mixed() -> None:
    torch.manual_seed(0)
    _, mixture = mix_responses(torch.randn(4000, 1))
    assert float((mixture.weight < 1).float().mean()) == pytest.approx(0.5, abs=0.03)
    drawn = mixture.weight[mixture.weight < 1]
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(drawn.var()) == pytest.approx(0.25 / 1.3, abs=0.02)  # Beta(.15, .15)


def test_the_temperature_follows_half_a_cosine() -> None:
    assert [annealed(x) for x in (0, 0.5, 1)] == pytest.approx([0.004, 0.00575, 0.0075])
    assert annealed(0.25) == pytest.approx(0.004 + 0.0035 * (1 - math.cos(math.pi / 4)) / 2)


def test_size_of_the_published_net() -> None:
    with torch.device("meta"):
        net = BrainMLP(15724, 257 * 768)
    count = sum(p.numel() for p in net.parameters())
    assert count == pytest.approx(0.94e9, rel=0.01)


def test_the_space_of_pictures_is_that_of_principal_components() -> None:
    data = ToyPictures()
    space = PictureSpace(data.facts()["layers"], 5)
    train = data.arrays("train")
    space.fit(train.features)
    x = np.concatenate(
        [
            (f / np.sqrt(f.var(0, ddof=1).sum()))
            for f in (v.flatten(1).numpy() for v in train.features.values())
        ],
        1,
    )
    x = x - x.mean(0)
    _, s, _ = np.linalg.svd(x, full_matrices=False)
    found = space(train.features).numpy()
    assert np.linalg.norm(found, axis=0) == pytest.approx(s[:5], rel=1e-4)
    assert found.mean(0) == pytest.approx(np.zeros(5), abs=1e-5)
    with pytest.raises(ValueError, match="components must be 1 to 16"):
        PictureSpace(data.facts()["layers"], 17)
    with pytest.raises(ValueError, match="more training pictures"):
        space.fit({name: x[:5] for name, x in train.features.items()})


def test_missing_and_constant_responses_are_the_mean() -> None:
    data = ToyPictures()
    voxels = Voxels(30)
    voxels.fit(data.arrays("train").response)
    found = voxels(data.arrays("train").response)
    assert found.isfinite().all() and (found[:, 1] == 0).all() and found[5, 0] == 0
    assert float(found[:, 2].std(correction=0)) == pytest.approx(1, abs=1e-4)


def top1(row, data: Data) -> dict:
    metric = Retrieval(8, among=50)
    for batch in data.batches("test"):
        with torch.no_grad():
            said = row.predict(batch, torch.Generator())
        metric.update(**said, group=batch["group"])
    return metric.interval(50)


def test_ridge_and_the_net_find_pictures_and_chance_does_not() -> None:
    data = ToyPictures()
    rows = [row(data.facts(), components=8) for row in (ChanceRetrieval, RidgeRetrieval)]
    torch.manual_seed(0)
    system = BrainRetrieval(data.facts(), components=8, hidden=64, blocks=1, dropout=(0.1, 0.1))
    for row in (*rows, system):
        row.fit(data)
    optimiser = torch.optim.AdamW(system.net.parameters(), 3e-3)
    system._progress = lambda: step / 120
    for step in range(120):
        loss = system.train().loss(data.training_batch(step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    chance, ridge, net = (top1(row.eval(), data) for row in (*rows, system))
    assert chance["picture"].value == pytest.approx(1 / 50) and chance["brain"].value == pytest.approx(1 / 50)
    assert ridge["picture"].value > 0.9
    assert net["picture"].value > 0.6 and net["brain"].value > 0.6


def test_validation_does_not_depend_on_the_step() -> None:
    data = ToyPictures()
    torch.manual_seed(0)
    system = BrainRetrieval(data.facts(), components=8, hidden=16).eval()
    system.fit(data)
    batch = data.batch(data.parts["val"])
    system._progress = lambda: 0.0
    first = system.loss(batch)["loss"]
    system._progress = lambda: 0.9
    assert torch.equal(first, system.loss(batch)["loss"])
    said = system.predict(batch, torch.Generator())
    assert said["brain_embedding"].shape == said["picture_embedding"].shape == (50, 8)
    other = system.predict(
        {**batch, "features": {k: x + 1 for k, x in batch["features"].items()}}, torch.Generator()
    )
    assert torch.equal(said["brain_embedding"], other["brain_embedding"])  # it never sees the picture
