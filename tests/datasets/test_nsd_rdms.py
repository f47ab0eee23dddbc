"""Dissimilarities of one's own brains: read, checked, and scored with a ceiling."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.brain import RDMVarianceScores, SimilarityScores
from gazekit.brain.rdm_variance import nonnegative_r2
from gazekit.brain.similarity import GivenRDM, upper_pairs
from gazekit.datasets.check import check
from gazekit.datasets.nsd_rdms import NsdRdms, load
from gazekit.errors import DataError
from gazekit.metrics.functional import rdm


@pytest.fixture
def folder(tmp_path):
    """Three subjects, two regions, twelve pictures; the second region in pairs, of two subjects."""
    signal, draw = (
        torch.randn(12, 6, generator=torch.Generator().manual_seed(0)),
        torch.Generator().manual_seed(1),
    )
    for region, subjects in (("ventral", 3), ("early", 2)):
        (tmp_path / region).mkdir()
        for k in range(subjects):
            matrix = rdm(signal + 0.5 * torch.randn(12, 6, generator=draw)).numpy()
            values = matrix if region == "ventral" else matrix[np.triu_indices(12, 1)]
            np.save(tmp_path / region / f"subj{k + 1:02d}.npy", values)
    np.save(tmp_path / "signal.npy", rdm(signal).numpy())
    return tmp_path


def test_both_forms_are_read(folder):
    found = load(folder)
    assert {r: m.shape for r, m in found.matrices.items()} == {"early": (2, 12, 12), "ventral": (3, 12, 12)}
    raw = np.load(folder / "early" / "subj02.npy")
    np.testing.assert_array_equal(found.matrices["early"][1][np.triu_indices(12, 1)], raw)
    assert torch.equal(found.matrices["early"], found.matrices["early"].mT)
    assert found.fingerprint()["pictures"] == 12 and found.fingerprint()["subjects"] == 3


def test_rows_are_scored_beside_the_ceiling(folder):
    data = NsdRdms(folder)
    data.setup()
    row = GivenRDM(torch.from_numpy(np.load(folder / "signal.npy")), "What made the responses.")
    result = SimilarityScores().scores({"signal": row}, data, Settings(resamples=20), lambda *_: None)
    assert result.table["signal"]["rsa.ventral"].value > 0.5
    assert result.table["noise ceiling, lower"]["rsa.ventral"].value > 0.3


def test_variance_explained_beside_the_ceiling(folder):
    """The layer that made the responses is found, also by a fair search; noise adds nothing to it."""
    data = NsdRdms(folder)
    data.setup()
    signal = torch.from_numpy(np.load(folder / "signal.npy"))
    noise = rdm(torch.randn(12, 6, generator=torch.Generator().manual_seed(9)))

    class Layers(GivenRDM):
        def rdms(self, data):
            return {"noise": noise, "signal": signal, "constant": torch.full_like(noise, torch.nan)}

    rows = {
        "net": Layers(signal, "Three layers."),
        "noise": GivenRDM(noise, "Noise.", {"early": "not asked"}),
    }
    result = RDMVarianceScores(splits=4).scores(rows, data, Settings(), lambda *_: None)
    net = result.table["net"]
    pairs = upper_pairs(data.brains()["ventral"])
    assert net["r2.ventral"].value == pytest.approx(
        float(nonnegative_r2(upper_pairs(signal)[None], pairs).mean())
    )
    assert result.details["layers"]["net"] == {"early": "signal", "ventral": "signal"}
    assert net["r2_nested.ventral"].value > 0.2 > result.table["noise"]["r2_nested.ventral"].value
    assert result.table["noise ceiling, left-out subjects"]["r2.ventral"].value > 0.2
    assert result.reasons["noise", "r2.early"] == "not asked" and "r2.early" not in result.table["noise"]
    unique = result.details["unique"]["ventral"]
    assert unique["noise"]["net"]["unique"] < 0.05 < unique["net"]["noise"]["unique"]


def test_pictures_are_optional_and_counted(folder):
    data = NsdRdms(folder)
    data.setup()
    assert data.items([3]) == ["picture 3"] and list(data.batch([0, 1])) == ["group"]
    with pytest.raises(DataError, match="no folder pictures"):
        data.pictures([0])
    (folder / "pictures").mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / "pictures" / f"{k:02d}.png"), np.full((4, 5, 3), k, np.uint8))
    data.setup()
    assert data.batch([7])["pictures"].unique().tolist() == [7] and data.items([7]) == ["07.png"]
    (folder / "pictures" / "00.png").unlink()
    with pytest.raises(DataError, match="holds 11 pictures, but the matrices are of 12"):
        load(folder)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.ones((3, 4)), r"expected \[n, n\]"),
        (np.ones(5), "5 numbers are no pairs"),
        (np.arange(144.0).reshape(12, 12), "the same above and below"),
        (np.full((12, 12), np.nan), "must be finite"),
        (np.ones((12, 12)), "all dissimilarities are 1"),
        (rdm(torch.randn(5, 9)).numpy(), "is of 5 pictures, files before it of 12"),
    ],
)
def test_broken_matrices_are_refused_or_listed(folder, broken, message):
    np.save(folder / "ventral" / "subj03.npy", broken)
    with pytest.raises(DataError, match=message):
        load(folder)
    report = check("nsd_rdms", folder)
    assert len(report.skipped) == 1 and report.fingerprint["regions"] == 2


def test_a_folder_without_matrices_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks REGION/SUBJECT\.npy"):
        load(tmp_path)
