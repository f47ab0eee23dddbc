"""Two coders of one recording: the numbers by hand, the same random sample for both, and what can't be compared."""

import math

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.annotate.project import Project
from gazekit.annotate.project.agreement import compare
from gazekit.annotate.session import AnnotationSession
from gazekit.cli import main


@pytest.fixture
def projects(shared_data, tmp_path):
    recording = shared_data / "annotation_toy" / "neon_export" / "toy-0001"
    with (
        Project.create(tmp_path / "first", recording) as first,
        Project.create(tmp_path / "second", recording) as second,
    ):
        for project, names in (
            (first, ("Book", "cup")),
            (second, ("cup", "book")),
        ):  # other ids, other capitals
            for name in names:
                project.store.act({"op": "label.add", "name": name}, "ada")
        yield first, second


def answer(project, labels):
    for fixation, label in enumerate(labels, start=1):
        if label is not None:
            project.store.act({"op": "fixation.label", "fixation": fixation, "label": label}, "ada")


def test_agreement_is_as_by_hand(projects):
    first, second = projects
    answer(
        first, ["Book", "Book", "Book", "Book", "cup", "cup", "background", "background", "cup", None, "Book"]
    )
    answer(second, ["book", "book", "book", "cup", "cup", "cup", "background", "book", "cup", "cup", None])
    found = compare(first, second)
    assert (found.fixations, found.both, found.first, found.second) == (14, 9, 10, 10)
    every = found.table.loc["all"]
    observed, chance = 7 / 9, (4 * 4 + 3 * 4 + 2 * 1) / 81
    assert every["agreement"] == pytest.approx(observed)
    assert every["kappa"] == pytest.approx((observed - chance) / (1 - chance))
    n = (8, 7, 3)  # of 18 answers
    expected = sum(a * b for i, a in enumerate(n) for j, b in enumerate(n) if i != j) / (18 * 17)
    assert every["alpha"] == pytest.approx(1 - (1 - observed) / expected)
    book = found.table.loc["book"]
    assert book[["first", "second", "both"]].tolist() == [4, 4, 3]
    assert book["agreement"] == pytest.approx(7 / 9)
    assert book["kappa"] == pytest.approx((7 / 9 - (16 + 25) / 81) / (1 - (16 + 25) / 81))
    assert found.confusion.loc["book", "cup"] == 1 and found.confusion.loc["cup", "book"] == 0
    assert found.confusion.loc["background", "book"] == 1 and found.confusion.to_numpy().sum() == 9
    assert math.isnan(found.table.loc["cannot tell", "kappa"])


def test_two_that_never_met_have_no_agreement(projects):
    answer(projects[0], ["Book"])
    answer(projects[1], [None, "book"])
    found = compare(*projects)
    assert found.both == 0 and found.table.loc["all", ["agreement", "kappa", "alpha"]].isna().all()


def test_the_shell_prints_and_writes_the_tables(projects, capsys):
    first, second = projects
    answer(first, ["Book", "cup", "Book"])
    answer(second, ["book", "cup", "cup"])
    assert main(["annotate", f"compare={first.folder}", f"project={second.folder}"]) == 0
    told = capsys.readouterr().out
    assert "3 of 14 fixations (21.4 %) were answered by both" in told and "agreement.csv" in told
    table = pd.read_csv(second.folder / "agreement.csv", index_col="label")
    assert table.loc["all", "agreement"] == pytest.approx(2 / 3, abs=1e-6)
    confusion = pd.read_csv(second.folder / "agreement_confusion.csv", index_col=0)
    assert confusion.loc["book", "cup"] == 1


def test_what_cannot_be_compared_is_told(projects, tmp_path, capsys):
    first, _ = projects
    with pytest.raises(ValueError, match="cannot be compared with itself"):
        compare(first, first)
    images = tmp_path / "images"
    images.mkdir()
    cv2.imwrite(str(images / "a.png"), np.zeros((24, 32, 3), np.uint8))
    with (
        Project.create(tmp_path / "third", images) as third,
        pytest.raises(ValueError, match="do not have the same recording"),
    ):
        compare(first, third)
    for words in (["port=3"], ["project=nowhere"]):
        assert main(["annotate", f"compare={first.folder}", *words]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_both_coders_are_given_the_same_random_sample(projects):
    orders = []
    for project, done in zip(projects, (0, 5), strict=True):
        session = AnnotationSession(project)
        whole = [item["id"] for item in session.queue("random")["items"]]
        for fixation in whole[1 : 1 + done]:
            session.act({"op": "fixation.label", "fixation": fixation, "label": 0}, "ada")
        left = [item["id"] for item in session.queue("random")["items"]]
        assert left == [fixation for fixation in whole if fixation not in whole[1 : 1 + done]]
        orders.append(whole)
        session.close()
    assert orders[0] == orders[1] != sorted(orders[0])


def test_without_fixations_there_is_nothing_to_compare(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.zeros((20, 30, 3), np.uint8))
    with Project.create(tmp_path / "a", folder) as a, Project.create(tmp_path / "b", folder) as b:
        with pytest.raises(ValueError, match="has no fixations"):
            compare(a, b)
