"""Displays on disk: written whole, read back exactly, and every broken folder is one clear error."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from shell import run_here

from gazekit.datasets.search_data import SearchData
from gazekit.datasets.search_displays import draw_display
from gazekit.datasets.search_files import DisplayFolder, read_displays, write_displays
from gazekit.datasets.search_images import png_bytes
from gazekit.datasets.search_tasks import CONDITIONS, task_of
from gazekit.errors import DataError


@pytest.fixture
def displays():
    found = [draw_display(c, min(4, task_of(c).cells), seed=5) for c in CONDITIONS]
    return [
        *found,
        draw_display("cross", 0),
        draw_display("cross", 1),
        draw_display("feature", 3, target_present=False),
    ]


@pytest.fixture
def folder(tmp_path, displays):
    return write_displays(tmp_path / "stimuli", displays)


def same(one, two):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(two, name), err_msg=name)
            assert value.dtype == getattr(two, name).dtype and value.shape == getattr(two, name).shape
        else:
            assert value == getattr(two, name), name


def test_read_back_exactly(folder, displays):
    for one, two in zip(displays, read_displays(folder), strict=True):
        same(one, two)


def test_trials_for_psychopy(folder, displays):
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(displays)
    assert all(name.isidentifier() for name in rows[0])
    for row, display in zip(rows, displays, strict=True):
        assert None not in row and all(row.values())
        np.testing.assert_array_equal(cv2.imread(str(folder / row["picture"]))[..., ::-1], display.picture)
        np.testing.assert_array_equal(
            cv2.imread(str(folder / row["target_picture"]))[..., ::-1], display.target_picture
        )
        present = display.target_item is not None
        assert (row["target_present"], row["correct_answer"], row["correct_key"]) == (
            ("1", "present", "j") if present else ("0", "absent", "f")
        )
        assert float(row["width_dva"]) == pytest.approx(display.picture.shape[1] / 30, abs=1e-4)
        assert (row["condition"], int(row["set_size"])) == (display.condition, display.set_size)


def test_the_same_again_completes_a_folder(folder, displays):
    (folder / "displays.json").unlink()
    (folder / "cross_04_000.png").unlink()
    (folder / ".DS_Store").write_text("x")
    write_displays(folder, displays)
    assert len(read_displays(folder)) == len(displays)


def test_other_files_are_not_overwritten(folder, displays, tmp_path):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    for fewer in (displays[:2], [draw_display("cross", 3, seed=6)]):
        with pytest.raises(FileExistsError, match=r"stimuli holds something else \(.*\.png\): give an empty"):
            write_displays(folder, fewer)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file, expected a folder"):
        write_displays(tmp_path / "file", displays)
    with pytest.raises(ValueError, match="two displays are named cross_04_000"):
        write_displays(tmp_path / "twice", [draw_display("cross", 4), draw_display("cross", 4, seed=9)])
    with pytest.raises(ValueError, match="no displays to write"):
        write_displays(tmp_path / "none", [])


def test_displays_on_other_backgrounds_come_in_other_batches(tmp_path):
    one, two = (draw_display("cross", n) for n in (3, 6))
    two = replace(two, background=(200, 200, 200))
    data = SearchData(folder=write_displays(tmp_path / "mixed", [one, two]))
    data.setup()
    backgrounds = [batch["background"].tolist() for batch in data.batches("test")]
    assert sorted(backgrounds) == [[[200] * 3], [[255] * 3]]


def test_models_search_the_pictures_of_a_folder(folder, displays):
    data = SearchData(folder=folder, batch_size=2)
    data.setup()
    batches = list(data.batches("test"))
    assert sum(len(b["group"]) for b in batches) == len(displays) - 2
    for batch in batches:
        for k, i in enumerate(batch["group"].tolist()):
            np.testing.assert_array_equal(batch["picture"][k].numpy(), data.display(i).picture)
            assert batch["target_cell"][k] == data.display(i).target_cell >= 0
    assert len(data.tasks) == 9
    assert data.about()["notes"] == ["2 displays of the folder left out: other tasks or target_present"]
    data = SearchData(folder=folder, target_present=False, tasks=["feature"])
    data.setup()
    assert [b["target_cell"].tolist() for b in data.batches("test")] == [[-1]]
    with pytest.raises(ValueError, match=r"none of 18 displays is of t_l with data.target_present=False"):
        SearchData(folder=folder, target_present=False, tasks=["t_l"]).setup()
    with pytest.raises(ValueError, match=r"data.split=train: the displays of a folder are the part test"):
        SearchData(folder=folder, split="train").setup()


def test_a_folder_has_the_displays_of_the_generated_data(tmp_path):
    run_here(
        "data", "write", "search_classics", "--root", "out", "--displays", "1", "--seed", "3", cwd=tmp_path
    )
    made = SearchData(tasks=["feature", "conjunction", "spatial_configuration"], displays=1, display_seed=3)
    read = SearchData(folder=tmp_path / "out")
    for data in (made, read):
        data.setup()
    for i, k in zip(made.parts["test"], read.parts["test"], strict=True):
        same(made.display(i), read.display(k))


def change(folder, record_name, facts):
    content = json.loads((folder / "displays.json").read_text())
    record = next(r for r in content["displays"] if r["name"] == record_name)
    for key, value in facts.items():
        if value is KeyError:
            del record[key]
        else:
            record[key] = value
    (folder / "displays.json").write_text(json.dumps(content))


def test_pictures_of_other_sizes(folder, displays):
    """A wide picture of another size, in a batch of its own."""
    wide = np.full((300, 700, 3), 255, np.uint8)
    (folder / "cross_04_000.png").write_bytes(png_bytes(wide))
    boxes = {"cell_boxes_px": [[0, 0, 350, 300], [350, 0, 700, 300]], "item_boxes_px": [[360, 10, 400, 50]]}
    change(folder, "cross_04_000", {"set_size": 1, "target_item": 0, "item_cells": [1]} | boxes)
    data = SearchData(folder=folder, tasks=["intersection"])
    data.setup()
    shapes = [tuple(b["picture"].shape[1:3]) for b in data.batches("test")]
    assert sorted(shapes) == [(300, 700), (615, 615)]
    assert sum(len(b["group"]) for b in data.batches("test")) == 3


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"condition": "plus"}, "unknown condition 'plus'"),
        ({"condition": KeyError}, "'condition' is missing"),
        ({"task": "t_l"}, "condition cross is of task intersection, not 't_l'"),
        ({"set_size": 5}, "set_size is 5, but there are 4 items"),
        ({"set_size": 4.5}, "set_size must be whole numbers"),
        ({"set_size": True}, "set_size must be whole numbers"),
        ({"target_item": 4}, "target_item must be null or an item, 0 to 3, got 4"),
        ({"target_item": "0"}, "target_item must be null or an item"),
        ({"item_cells": [0, 0, 1, 2]}, "item_cells must be different ones of the cells 0 to 8"),
        ({"item_cells": [0, 1, 2, 9]}, "item_cells must be different ones"),
        ({"item_cells": [0, 1]}, r"item_cells must be whole numbers of shape \[4\]"),
        ({"item_boxes_px": [[0, 0, 9, 9]] * 4}, "item . lies outside its cell"),
        ({"item_boxes_px": [[0, 0, 9], [1, 2]]}, ""),
        ({"item_boxes_px": None}, ""),
        (
            {"cell_boxes_px": [[0, 0, 616, 9]]},
            r"box 0 of cell_boxes_px, \[0, 0, 616, 9\], is not inside .* 615 x 615",
        ),
        ({"background": [0, 0, 256]}, "background must be red, green and blue"),
        ({"picture": "none.png"}, "the picture .*none.png does not exist"),
        ({"picture": 3}, ""),
        ({"picture": "x" * 5000}, ""),
        ({"name": ""}, "name must be a text, got ''"),
        ({"name": "t_in_ls_04_000"}, "two displays are named 't_in_ls_04_000'"),
    ],
)
def test_broken_facts(folder, facts, message):
    change(folder, "cross_04_000", facts)
    with pytest.raises(DataError, match=rf"displays.json(, display 5 \(.*\))?: .*{message}"):
        SearchData(folder=folder).setup()


def test_broken_pictures(folder):
    path = folder / "cross_04_000.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    folder_of = DisplayFolder(folder)
    with pytest.raises(
        DataError, match=r"displays.json, display cross_04_000: .* is not a readable picture .* complete"
    ):
        folder_of[5]
    path.write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"display 5 \(cross_04_000\): .*cross_04_000.png is not a readable picture"
    ):
        DisplayFolder(folder)
    cv2.imwrite(str(path), np.zeros((615, 615), np.uint16))
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        read_displays(folder)
    cv2.imwrite(str(path), np.zeros((615, 615, 4), np.uint8))
    with pytest.raises(DataError, match="transparent in places"):
        read_displays(folder)
    cv2.imwrite(str(path), np.full((615, 615), 7, np.uint8))
    assert (read_displays(folder)[5].picture == 7).all()


def test_broken_folders(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"displays.json does not exist; make a folder of displays with"
    ):
        DisplayFolder(tmp_path)
    for text, message in (("[1", "not a readable JSON"), ("[]", "expected a JSON object"), ("{}", "a list 'displays'"),
                          ('{"displays": [3]}', "display 0: expected a JSON object, got int")):  # fmt: skip
        (tmp_path / "displays.json").write_text(text)
        with pytest.raises(DataError, match=message):
            DisplayFolder(tmp_path)


def test_data_write_and_check(tmp_path):
    write = ("data", "write", "search_asymmetry", "--root", "out", "--displays", "1", "--target", "both")
    assert "written to out" in run_here(*write, cwd=tmp_path).stdout
    assert run_here(*write, cwd=tmp_path).returncode == 0
    done = run_here(*write, "--seed", "2", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "out holds something else" in done.stderr
    out = run_here("data", "check", "search_asymmetry", "--root", "out", cwd=tmp_path).stdout
    assert "displays    80" in out and "conditions  12" in out and "absent      40" in out and "none" in out
    (tmp_path / "out" / "cross_03_000.png").write_bytes(b"")
    done = run_here("data", "check", "search_asymmetry", "--root", "out", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "broken      1 records" in done.stdout and "(cross_03_000)" in done.stdout
    done = run_here("data", "write", "osie", cwd=tmp_path, check=False)
    assert (
        "osie is not a generated set that can be written, expected one of: search_asymmetry, search_cl"
        in done.stderr
    )
    done = run_here("data", "write", "search_classics", "--displays", "0", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "displays must be at least 1, got 0" in done.stderr
    assert "data write search_asymmetry" in run_here("data", "--help", cwd=tmp_path).stdout
