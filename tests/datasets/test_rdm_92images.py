"""The published matrices, and the values that the literature and our specification give for them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.brain import SimilarityScores
from gazekit.brain.similarity_scores import LOWER, UPPER
from gazekit.datasets.check import check
from gazekit.datasets.rdm_92images import Rdm92Images, load
from gazekit.errors import DataError

REFERENCE = {
    "animacy": 0.386,
    "monkey_it": 0.296,
    "categories": 0.277,
    "eva": 0.245,
    "hmax": 0.160,
    "silhouette": 0.097,
    "pixels": 0.067,
    "radon": 0.038,
    "v1_model": 0.026,
    LOWER: 0.379,
    UPPER: 0.661,
}


@pytest.fixture(scope="module")
def data(shared_data) -> Rdm92Images:
    found = Rdm92Images(shared_data / "rdm_92images")
    found.setup()
    return found


def test_reference_values(data) -> None:
    settings = Settings(resamples=20)
    found = SimilarityScores().scores(data.references(), data, settings, lambda *_: None)
    values = {name: row["rsa.human_it"].value for name, row in found.table.items()}
    assert {name: values[name] for name in REFERENCE} == pytest.approx(REFERENCE, abs=0.001)
    assert found.table["human_it_2008"]["rsa.monkey_it"].value == pytest.approx(0.439, abs=0.001)
    assert found.reasons["monkey_it", "rsa.monkey_it"] == "it is itself"
    # a model with one matrix has nothing to choose: the nested search differs by its halves alone
    for name in ("animacy", "hmax"):
        row = found.table[name]
        assert row["rsa_nested.human_it"].value == pytest.approx(row["rsa.human_it"].value, abs=0.01)


def test_check_and_batches(data, shared_data) -> None:
    report = check("rdm_92images", shared_data / "rdm_92images")
    assert report.known and report.fingerprint["pictures"] == 92 and not report.skipped
    batch = data.batch([3, 5])
    assert batch["pictures"].shape == (2, 175, 175, 3) and batch["group"].tolist() == [3, 5]
    assert data.facts()["subjects"] == ["BE", "KO", "SN", "TI"]
    assert data.items([0]) == ["1 human bodypart"]
    assert np.array_equal(data.pictures([3]), batch["pictures"][:1].numpy())
    assert torch.equal(data.brains()["human_it"], data.rdms.sessions.mean(1))


def test_errors(tmp_path, shared_data) -> None:
    with pytest.raises(FileNotFoundError, match="rdm_92images"):
        load(tmp_path)
    for path in (shared_data / "rdm_92images").glob("*.mat"):
        shutil.copy(path, tmp_path)
    (tmp_path / "92_modelRDMs.mat").chmod(0o600)
    (tmp_path / "92_modelRDMs.mat").write_bytes(b"no matrix" * 40)
    with pytest.raises(DataError, match="92_modelRDMs"):
        load(tmp_path)
