"""The report of a system: its rows, their order, and what is said about them."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_toys import Eight, Error, Says, Spread, exactly, one_off
from torch import nn

from gazekit.base import System
from gazekit.base.scores import Settings
from gazekit.report.write import write_report


class Model(System):
    """Says one more."""

    def __init__(self):
        super().__init__()
        self.baselines = nn.ModuleDict({"exact": Says(exactly, about="Knows.")})

    def predict(self, batch, generator, samples=1):
        return one_off(batch, generator)

    def notes(self):
        return ["a note of the system"]

    def figures(self, data, table):
        assert "model" in table
        figure = Figure()
        figure.add_subplot().plot([0, 1])
        return {"own": figure}


class Known(Eight):
    """Brings a row along."""

    def __init__(self, name: str = "people") -> None:
        super().__init__()
        self.name = name

    def references(self):
        return {self.name: Says(exactly)}

    def about(self):
        return super().about() | {"notes": ["a note of the data"]}


def written(folder, data=None, headline=None, training=({}, None)):
    metrics = {"error": Error(), "spread": Spread()}
    settings = Settings(samples=2, resamples=20, seed=4)
    system = Model().eval()
    table = write_report(
        folder, "model", system, data or Known(), metrics, settings, headline, ["first"], training
    )
    return table, json.loads((folder / "metrics.json").read_text()), (folder / "report.md").read_text()


def test_rows_are_the_system_its_baselines_and_what_the_data_know(tmp_path, capsys):
    table, record, text = written(tmp_path)
    assert list(table) == list(record["rows"]) == ["model", "exact", "people"]
    assert table["model"]["error"].value == 1
    assert table["exact"]["error"].value == 0
    assert record["title"] == "model on Known, part test"
    assert (record["seed"], record["samples"]) == (4, 2)
    assert record["data"] == {"name": "Known", "split": "test", "items": 5}
    assert record["notes"] == ["first", "a note of the system", "a note of the data"]
    assert "- model: Says one more." in text
    assert "- exact: Knows." in text
    assert (tmp_path / "figures" / "own.png").is_file()
    assert not (tmp_path / "figures" / "training.png").exists()
    printed = capsys.readouterr().out
    assert "| model " in printed
    assert "a note of the data" in printed
    assert f"run folder: {tmp_path}" in printed


@pytest.mark.parametrize(
    ("headline", "shown"),
    [
        (None, ["error", "spread", "spread.double"]),
        (["spread"], ["spread"]),
        (["unheard of", "spread"], ["spread"]),
        (["unheard of"], ["error", "spread", "spread.double"]),
    ],
)
def test_the_main_table_has_the_columns_that_were_asked_for(tmp_path, headline, shown):
    _, record, text = written(tmp_path, headline=headline)
    assert record["headline"] == shown
    head = next(line for line in text.splitlines() if line.startswith("| row"))
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == shown


@pytest.mark.parametrize("name", ["model", "exact"])
def test_a_row_is_not_overwritten_by_one_of_the_data(tmp_path, name):
    with pytest.raises(ValueError, match=f"two rows of the report are named '{name}': rename the model"):
        written(tmp_path, Known(name))


def test_a_system_is_not_overwritten_by_a_baseline(tmp_path):
    settings = Settings(resamples=20)
    with pytest.raises(ValueError, match="two rows of the report are named 'exact'"):
        write_report(tmp_path, "exact", Model().eval(), Known(), {"error": Error()}, settings)


def test_curves_of_the_training_are_drawn(tmp_path):
    curves = {"train/loss": [(k, float(np.exp(-k))) for k in range(5)], "val/loss": [(2, 0.5), (4, 0.25)]}
    written(tmp_path, training=(curves, 4))
    assert (tmp_path / "figures" / "training.png").stat().st_size > 3000
