"""Retrieval in closed form against drawing batches."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.metrics import Retrieval
from gazekit.metrics.functional import retrieval_top_k
from gazekit.metrics.functional.retrieval import retrieval_probabilities


def embeddings(n: int, seed: int = 0, noise: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    return picture + noise * torch.randn(n, 5, generator=generator, dtype=torch.float64), picture


def of_all_batches(brain: np.ndarray, picture: np.ndarray, k: int, among: int) -> float:
    """Mean over every batch of `among` pictures and every picture in it."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (brain, picture))
    hits = []
    for batch in combinations(range(len(a)), among):
        likeness = a[list(batch)] @ b[list(batch)].T
        hits += list((likeness > np.diag(likeness)[:, None]).sum(1) < k)
    return float(np.mean(hits))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(4, 8), among=st.integers(2, 4), k=st.integers(1, 2))
def test_is_the_mean_over_all_batches(seed: int, n: int, among: int, k: int) -> None:
    brain, picture = embeddings(n, seed)
    found = retrieval_top_k(brain, picture, k, among)
    assert float(found[0]) == pytest.approx(of_all_batches(brain.numpy(), picture.numpy(), k, among))
    assert float(found[1]) == pytest.approx(of_all_batches(picture.numpy(), brain.numpy(), k, among))


def test_thirty_random_batches_of_300_come_close() -> None:
    brain, picture = embeddings(900, noise=0.25)
    rng = np.random.default_rng(0)
    likeness = torch.nn.functional.normalize(brain, dim=1) @ torch.nn.functional.normalize(picture, dim=1).T
    hits = []
    for _ in range(30):
        batch = rng.choice(900, 300, replace=False)
        own = likeness[batch][:, batch]
        hits.append(float((own.argmax(1) == torch.arange(300)).double().mean()))
    assert float(retrieval_top_k(brain, picture)[0]) == pytest.approx(np.mean(hits), abs=0.01)


def test_an_embedding_that_knows_nothing_gets_chance_exactly() -> None:
    _, picture = embeddings(40)
    found = retrieval_top_k(torch.ones(40, 5), picture, k=3, among=12)
    assert found[1] == pytest.approx(3 / 12)  # all brains are equally like a picture
    assert retrieval_top_k(torch.ones(40, 5), torch.ones(40, 5), k=3, among=12).numpy() == pytest.approx(
        3 / 12
    )


def test_perfect_scale_free_and_invariant_to_the_order() -> None:
    brain, picture = embeddings(30, noise=0.0)
    assert (retrieval_top_k(7 * brain, picture, among=30) == 1).all()
    brain, _ = embeddings(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    a, b = retrieval_top_k(brain, picture, among=9), retrieval_top_k(brain[order], picture[order], among=9)
    assert torch.allclose(a, b)


def test_more_to_choose_from_is_harder_and_more_choices_are_easier() -> None:
    brain, picture = embeddings(60)
    by_n = [float(retrieval_top_k(brain, picture, among=n)[0]) for n in (2, 10, 30, 60)]
    by_k = [float(retrieval_top_k(brain, picture, k, 30)[0]) for k in (1, 2, 5, 30)]
    assert by_n == sorted(by_n, reverse=True) and by_k == sorted(by_k) and by_k[-1] == 1


def test_undefined_pictures_are_left_out_and_counted() -> None:
    brain, picture = embeddings(12)
    brain[3], picture[5, 0] = 0, torch.nan
    metric = Retrieval(5, among=10)
    metric.update(brain, picture)
    kept = [i for i in range(12) if i not in (3, 5)]
    assert torch.allclose(metric.compute(), retrieval_top_k(brain[kept], picture[kept], among=10))
    assert int(metric.undefined) == 2
    score = metric.interval(50)["picture"]
    assert score.n == 10 and score.undefined == 2 and score.low <= score.value <= score.high
    assert retrieval_top_k(brain, picture, among=11).isnan().all()


def test_interval_is_that_of_the_mean_over_groups() -> None:
    brain, picture = embeddings(40)
    metric = Retrieval(5, among=10)
    metric.update(brain, picture, torch.arange(40) // 2)
    found = metric.interval(400)
    hits = retrieval_probabilities(brain, picture, 1, 10)
    counts = torch.zeros(400, 20).double()
    drawn = torch.randint(20, (400, 20), generator=torch.Generator().manual_seed(0))
    counts.scatter_add_(1, drawn, torch.ones(400, 20).double())
    means = counts @ hits.view(20, 2, 2).sum(1) / 40
    assert found["brain"][1:3] == pytest.approx(np.quantile(means[:, 1].numpy(), [0.025, 0.975]))


def test_wrong_arguments() -> None:
    brain, picture = embeddings(5)
    with pytest.raises(ValueError, match=r"one shape \[N, D\]"):
        retrieval_top_k(brain, picture[:, :3])
    with pytest.raises(ValueError, match="k must be at most among"):
        Retrieval(5, k=4, among=3)
    with pytest.raises(ValueError, match="num_features"):
        Retrieval(0)
