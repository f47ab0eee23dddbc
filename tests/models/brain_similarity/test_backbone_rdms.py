"""Dissimilarities of pictures in a frozen net, and what the 92 objects say of nets that were trained on photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.backbones import load_backbone
from gazekit.base.scores import Settings
from gazekit.brain import SimilarityScores
from gazekit.brain.similarity import GivenRDM
from gazekit.brain.similarity_scores import LOWER, UPPER
from gazekit.datasets.rdm_92images import Rdm92Images
from gazekit.metrics.functional import rdm
from gazekit.models.brain_similarity import BackboneRDMs
from gazekit.models.brain_similarity.figures import bars_figure


class FewPictures:
    """Six pictures of noise and the brains of two people."""

    split = "test"

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 255, (6, 40, 40, 3), dtype=np.uint8)
        self.parts = {"test": np.arange(6)}
        self.matrices = rdm(torch.from_numpy(rng.normal(size=(2, 6, 9))))

    def pictures(self, index) -> np.ndarray:
        return self.images[index]

    def facts(self) -> dict:
        return {"categories": ["face", "face", "face", "hand", "hand", "car"]}

    def brains(self) -> dict:
        return {"human_it": self.matrices}

    def references(self) -> dict:
        return {"animacy": GivenRDM(self.matrices[1], "A model.")}


def test_candidates_are_flattened_maps_their_means_and_vectors() -> None:
    data = FewPictures()
    row = BackboneRDMs(
        backbone="vit_tiny", weights="random", layers=["block0", "block1.class"], grid=7, batch=4
    )
    found = row.rdms(data)
    assert list(found) == ["block0", "block0 mean", "block1.class"]
    net = load_backbone("vit_tiny", "random", ["block0", "block1.class"])
    with torch.no_grad():
        maps = net(net.preprocess(data.images))
    pooled = torch.nn.functional.avg_pool2d(maps["block0"], 2)  # 14 x 14 to 7 x 7
    assert torch.allclose(found["block0"], rdm(pooled.flatten(1)), atol=1e-4)
    assert torch.allclose(found["block0 mean"], rdm(maps["block0"].mean((2, 3))), atol=1e-4)
    assert torch.allclose(found["block1.class"], rdm(maps["block1.class"]), atol=1e-4)
    assert row.rdms(data) is found  # looked at once
    with pytest.raises(ValueError, match=r"model\.grid"):
        BackboneRDMs(grid=0)


def test_figures_and_records() -> None:
    data = FewPictures()
    row = BackboneRDMs(backbone="vit_tiny", weights="random", layers=["block0", "block0.class"])
    rows = {"net": row, **data.references()}
    table = SimilarityScores().scores(rows, data, Settings(resamples=20), lambda *_: None).table
    figures = row.figures(data, table)
    assert set(figures) == {"matrices", "similarity"}
    titles = [ax.get_title() for ax in figures["matrices"].axes]
    assert titles[0] == "human IT" and titles[1].startswith("vit_tiny: block0") and titles[2] == "animacy"
    ticks = figures["matrices"].axes[0].get_yticks().tolist()
    assert ticks == [1, 3.5, 5]
    labels = [text.get_text() for text in bars_figure(data, table).axes[0].get_yticklabels()]
    best = max(("net", "animacy"), key=lambda name: table[name]["rsa.human_it"].value)
    assert labels[-1] == best and len(labels) == 2  # the ceiling is a band, no bar
    said = row.predict({"pictures": torch.from_numpy(data.images)}, torch.Generator())
    files = row.records(["a", "b", "c", "d", "e", "f"], said)
    assert set(files) == {"block0_mean.csv", "block0.class.csv"}  # the map is too wide for a table


@pytest.mark.slow
def test_a_net_that_knows_photographs_is_between_hmax_and_animacy(shared_data) -> None:
    data = Rdm92Images(shared_data / "rdm_92images")
    data.setup()
    layers = [f"block{k}.class" for k in range(5, 12)]
    row = BackboneRDMs(backbone="vit_tiny", weights=str(shared_data / "vit_tiny_imagenet"), layers=layers)
    known = data.references()
    rows = {"vit_tiny": row, "hmax": known["hmax"], "animacy": known["animacy"]}
    judge = SimilarityScores(["hmax", "animacy"])
    found = judge.scores(rows, data, Settings(resamples=100), lambda *_: None)
    table = found.table
    assert table["vit_tiny"]["rsa.human_it"].value >= 0.288
    assert table["vit_tiny"]["rsa.monkey_it"].value >= 0.400
    assert table["vit_tiny"]["rsa_nested.human_it"].value >= 0.24
    for brain in ("human_it", "monkey_it"):
        best = table["vit_tiny"][f"rsa.{brain}"].value
        assert table["hmax"][f"rsa.{brain}"].value < best < table["animacy"][f"rsa.{brain}"].value
    assert table[LOWER]["rsa.human_it"].value < table[UPPER]["rsa.human_it"].value
    assert found.details["layers"]["vit_tiny"]["human_it"]["best"] == "block7.class"
