"""Checkpoints that are damaged: what is whole is used, and what is not is told."""

import pytest

from gazekit.annotate.model import checkpoints
from gazekit.annotate.model.model import Model
from gazekit.models.impn import Learner
from gazekit.models.impn.detector import TinyDetector


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints, each of a detector with one label more."""
    for number in (1, 2, 3):
        detector = TinyDetector([f"label {k}" for k in range(number)])
        about = {"trained_on": 8, "known": [0]}
        checkpoints.write(tmp_path / f"{number:06d}", detector, Learner(number, detector.feature_size), about)
    return tmp_path


def spoil(folder, *numbers):
    for number in numbers:
        file = folder / f"{number:06d}" / "detector.safetensors"
        file.write_bytes(file.read_bytes()[:1000])


def test_the_newest_whole_one_is_used(folder):
    spoil(folder, 2, 3)
    model = Model(folder)
    assert model.ready and model.detector.labels == ("label 0",)
    assert model.problem.startswith(
        "The model version 000003, 000002 cannot be read, version 000001 is used: "
    )
    model.version += 1
    model.save()  # it comes after those that are damaged
    assert (folder / "000004" / "learner.safetensors").is_file()
    again = Model(folder)
    assert again.ready and again.version == 4 and not again.problem


def test_without_a_whole_one_a_new_model_is_learnt(folder):
    spoil(folder, 1, 2, 3)
    model = Model(folder)
    assert not model.ready and model.version == 3 and "a new one will be trained" in model.problem


def test_a_whole_one_is_used_without_a_word(folder):
    model = Model(folder)
    assert model.ready and model.version == 3 and model.problem == ""
