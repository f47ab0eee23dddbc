"""`gazekit score`: files and data sets in, a table and JSON out."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from gazekit.cli import main
from gazekit.metrics import functional as F

SIZE = (200, 150)


def write_csv(path, rows, columns="image,observer,x_px,y_px,duration_ms") -> None:
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three pictures with two hot spots each, four people, a model that knows the spots, maps of the spots."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    people, model = [], []
    (tmp_path / "maps").mkdir()
    for k in range(3):
        spots = draw.uniform([30, 30], [170, 120], (2, 2))
        for who in range(4):
            for xy in (spots[[0, 1, 0, 1]] + draw.normal(0, 6, (4, 2))).clip(0, [199, 149]).round(1):
                people.append((f"{k}.jpg", f"p{who}", *xy, draw.integers(100, 400)))
        for sample in range(2):
            for xy in (spots[[0, 1, 1]] + draw.normal(0, 6, (3, 2))).clip(0, [199, 149]).round(1):
                model.append((f"{k}.jpg", sample, *xy, 200))
        y, x = np.mgrid[:150, :200] + 0.5
        np.save(f"maps/{k}.npy", sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 200) for a, b in spots))
    write_csv(tmp_path / "people.csv", people)
    write_csv(tmp_path / "model.csv", model, "image,sample,x_px,y_px,duration_ms")
    return tmp_path


def run(*args, out=True):
    assert main(["score", *args, *(["--out", "out.json"] if out else []), "--resamples", "50"]) == 0
    with open("out.json") as file:
        return json.load(file)


def test_scanpaths_from_the_shell(files) -> None:
    command = "score --pred model.csv --true people.csv --metrics multimatch,scanmatch --size 200x150 --out out.json"
    done = subprocess.run([sys.executable, "-m", "gazekit", *command.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "people, leave one out" in done.stdout
    assert "multimatch.vector ↑" in done.stdout
    record = json.loads((files / "out.json").read_text())
    assert list(record["rows"]) == [
        "model",
        "people, leave one out",
        "people, split half",
        "other images",
        "chance",
    ]
    assert record["rows"]["model"]["scanmatch"]["value"] > record["rows"]["chance"]["scanmatch"]["value"]
    assert record["scanpaths"] == 12


def test_the_model_row_is_the_mean_over_all_pairs(files) -> None:
    from gazekit.scanpath_files import read_scanpaths

    people, model = read_scanpaths("people.csv"), read_scanpaths("model.csv")
    of_image: dict[str, list] = {}
    for path, image in zip(model.scanpaths, model.image, strict=True):
        of_image.setdefault(image, []).append(path)
    pairs = list(zip(people.scanpaths, people.image, strict=True))
    values = [np.mean([F.scanmatch(m, p, SIZE, bin_ms=50) for m in of_image[image]]) for p, image in pairs]
    found = run("--pred", "model.csv", "--true", "people.csv", "--metrics", "scanmatch", "--size", "200x150",
                "--set", "scanmatch.bin_ms=50")  # fmt: skip
    assert found["rows"]["model"]["scanmatch"]["value"] == pytest.approx(np.mean(values), abs=1e-12)


def test_maps(files) -> None:
    found = run(
        "--pred", "maps", "--true", "people.csv", "--metrics", "nss,auc,shuffled_auc", "--sigma-px", "6"
    )
    maps = found["rows"]["maps"]
    assert maps["nss"]["value"] > 2
    assert maps["auc"]["value"] > 0.9
    assert abs(found["rows"]["chance"]["nss"]["value"]) < 0.5


def test_facts_of_images(files) -> None:
    (files / "labels").mkdir()
    for k in range(3):
        labels = np.zeros((150, 200), np.int64)
        labels[:, 100:] = 1
        np.save(files / f"labels/{k}.npy", labels)
    names = "cross_recurrence,semantic_sequence_score,hausdorff"
    found = run("--true", "people.csv", "--metrics", names, "--size", "200x150", "--set",
                "cross_recurrence.radius_px=20", "--set", "semantic_sequence_score.label_map=labels")  # fmt: skip
    row = found["rows"]["people, leave one out"]
    assert row["cross_recurrence.recurrence"]["value"] > 20
    assert 0 < row["semantic_sequence_score"]["value"] <= 1
    assert row["hausdorff"]["value"] > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--true people.csv --metrics nosuch --size 200x150", "unknown metric 'nosuch', expected some of: "),
        ("--true people.csv --metrics nss --size 200x150", "'nss' takes maps: sigma_px"),
        ("--true people.csv --metrics scanmatch", "--size WIDTHxHEIGHT"),
        ("--true people.csv --metrics scanmatch --size big", "expected WIDTHxHEIGHT in pixels"),
        ("--true people.csv --metrics scanmatch --size 20x15", "off"),
        ("--metrics scanmatch --size 200x150", "either --true FILE or --data NAME"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch.bin=5", "scanmatch takes: grid"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set dtw.bin=5", "is not among --metrics"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch", "expected METRIC.SETTING=VALUE"),
        ("--true people.csv --metrics cross_recurrence --size 200x150", "add --set cross_recurrence.radius_px=VALUE"),
        ("--pred no.csv --true people.csv --metrics scanmatch --size 200x150", "--pred no.csv: no such file or folder"),
        ("--pred few.csv --true people.csv --metrics scanmatch --size 200x150", "no scanpath for 2 of 3 images"),
        ("--pred wrong.csv --true people.csv --metrics scanmatch --size 200x150", "rename 'x' -> 'x_px'"),
        ("--pred fewmaps --true people.csv --metrics nss --sigma-px 6", "has no map for 2 of 3 images"),
        ("--true people.csv --metrics scanmatch --size 200x150 --out no/out.json", "the folder no does not exist"),
        ("--true people.csv --metrics dtw,dtw --size 200x150", "dtw and dtw are the same metric"),
        ("--true people.csv --metrics dtw,dtw_px --size 200x150", "dtw and dtw_px are the same metric"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch.bin_ms=50 --set scanmatch.bin_ms=9",
         "--set scanmatch.bin_ms is given twice"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch.bin_ms=fifty",
         "--set scanmatch.bin_ms=fifty: expected a number or None"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch.grid=12",
         "--set scanmatch.grid=12: expected 2 numbers separated by commas"),
        ("--true people.csv --metrics scanmatch --size 200x150 --set scanmatch.variant=local",
         "--set scanmatch.variant=local: expected global or gazeparser"),
        ("--true people.csv --metrics grid_edit_distance --size 200x150 --set grid_edit_distance.normalised=1",
         "--set grid_edit_distance.normalised=1: expected True or False"),
        ("--true people.csv --metrics multimatch --size 200x150 --set multimatch.grouping=45,300",
         "--set multimatch.grouping=(45, 300): expected direction_deg,duration_ms,amplitude_px or None"),
        ("--true people.csv --metrics nss --size 200x150 --sigma-px 6 --set nss.on_outside=move",
         "--set nss.on_outside=move: expected raise or drop or clip"),
        ("--true people.csv --metrics semantic_sequence_score,semantic_edit_distance --size 200x150 "
         "--set semantic_sequence_score.label_map=one --set semantic_edit_distance.label_map=two",
         "--set semantic_edit_distance.label_map=two contradicts semantic_sequence_score.label_map=one"),
        ("--true people.csv --metrics semantic_sequence_score --size 200x150 "
         "--set semantic_sequence_score.label_map=maps",
         "a metric was given what it does not take: label_map must hold integer classes"),
        ("--pred maps --true people.csv --metrics multimatch", "maps holds maps, and none of multimatch scores maps"),
        ("--pred spoilt --true people.csv --metrics nss --sigma-px 6",
         "'spoilt': the map of image '1.jpg' holds NaN in 1 pixels, the first in row 2, column 3"),
        ("--pred untimed.csv --true people.csv --metrics scanmatch --size 200x150 --set scanmatch.bin_ms=50",
         "untimed.csv has no durations, which scanmatch with bin_ms=50 needs"),
        ("--true people.csv --metrics cross_recurrence --size 200x150 --set cross_recurrence.radius_px=abc",
         "radius_px=abc: neither a number nor a folder"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(files, capsys, args, message) -> None:
    write_csv(files / "few.csv", [("0.jpg", 1, 5, 50)], "image,sample,x_px,y_px")
    write_csv(files / "wrong.csv", [("0.jpg", 1, 5, 50)], "image,sample,x,y")
    (files / "fewmaps").mkdir()
    np.save(files / "fewmaps/0.npy", np.random.default_rng(0).random((150, 200)))
    write_csv(files / "untimed.csv", [(f"{k}.jpg", 5, 50) for k in range(3)], "image,x_px,y_px")
    (files / "spoilt").mkdir()
    for k in range(3):
        spoilt = np.ones((150, 200))
        spoilt[2, 3] = np.nan if k == 1 else 1
        np.save(files / f"spoilt/{k}.npy", spoilt)
    assert main(["score", *args.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_what_has_no_value_is_counted_by_comparisons(files, capsys) -> None:
    rows = [(f"{k}.jpg", sample, x, 10 + x, 200) for k in range(3) for sample in range(2)
            for x in (20, 60, 110)[: 3 - sample]]  # fmt: skip
    write_csv(files / "short.csv", rows, "image,sample,x_px,y_px,duration_ms")
    found = run("--pred", "short.csv", "--true", "people.csv", "--metrics", "multimatch", "--size", "200x150")
    entry = found["rows"]["short"]["multimatch.vector"]
    assert (entry["n"], entry["undefined"]) == (12, 0)
    assert found["comparisons"]["short"]["multimatch.vector"] == {"n": 24, "undefined": 12}
    assert "12 of 24 comparisons (short)" in capsys.readouterr().out


def test_notes_about_files(files, capsys) -> None:
    rows = [(f"{k}.jpg", x, x / 2) for k in range(4) for x in (20, 60, 210)]
    write_csv(files / "bare.csv", rows, "image,x_px,y_px")
    found = run("--pred", "bare.csv", "--true", "people.csv", "--metrics", "dtw", "--size", "200x150")
    assert found["notes"] == [
        "bare.csv: 1 image that people did not look at left out: 3.jpg",
        "bare.csv: 3 of 12 fixations lie off the picture (0 <= x < width, 0 <= y < height); the first is fixation 2 "
        "on image '0.jpg', at (210, 105) for a size of 200 x 150 px",
        "bare.csv: no column 'sample', so all fixations on an image are one scanpath",
    ]
    shown = capsys.readouterr().out
    assert all(note[:40] in shown for note in found["notes"])
    np.save("maps/1.npy", np.random.default_rng(0).random((300, 400)))
    found = run("--pred", "maps", "--true", "people.csv", "--metrics", "nss", "--sigma-px", "6")
    assert found["notes"] == [
        "sizes of the pictures are those of the maps: 2 of 200 x 150 px, 1 of 400 x 300 px; --size sets one for all"
    ]


def test_one_image_has_no_interval(files, capsys) -> None:
    lines = (files / "people.csv").read_text().splitlines()
    (files / "one.csv").write_text(
        "\n".join(line for line in lines if not line.startswith(("1.", "2."))) + "\n"
    )
    run("--true", "one.csv", "--metrics", "dtw", "--size", "200x150")
    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert "no intervals: they need at least two images" in shown


def test_help_lists_metrics(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    shown = capsys.readouterr().out
    assert "multimatch " in shown
    assert "--sigma-px" in shown
    assert "multimatch.grouping=45,300,100" in shown


def test_a_data_set(shared_data, files) -> None:
    found = run(
        "--data",
        "sti_amazon_books",
        "--root",
        str(shared_data / "sti_amazon_books"),
        "--metrics",
        "hausdorff",
    )
    rows = found["rows"]
    assert rows["people, leave one out"]["hausdorff"]["value"] < rows["chance"]["hausdorff"]["value"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--true off.csv --metrics scanmatch", "off.csv: 2 of 15 fixations lie off the picture"),
        ("--true off.csv --metrics nss --sigma-px 6",
         "the first is fixation 1 of 'zoe' on image '1.jpg', at (200, 10)"),
        ("--true people.csv --pred off.csv --metrics grid_edit_distance", "off.csv: 2 of 15 fixations lie off"),
    ],
)  # fmt: skip
def test_fixations_off_the_picture_are_named(files, capsys, args, message) -> None:
    rows = [(f"{k}.jpg", who, x, 10) for k in range(3) for who in ("amy", "bob") for x in (20, 30)]
    rows += [("1.jpg", "zoe", 5, 50), ("1.jpg", "zoe", 200, 10), ("1.jpg", "zoe", 5, -1)]
    write_csv(files / "off.csv", rows, "image,observer,x_px,y_px")
    assert main(["score", *args.split(), "--size", "200x150"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert ".on_outside=clip" in error
    assert "Traceback" not in error
    metric = args.split("--metrics ")[1].split()[0]
    run(*args.split(), "--size", "200x150", "--set", f"{metric}.on_outside=clip")


def test_metrics_that_take_any_place_are_not_bothered(files) -> None:
    rows = [("0.jpg", who, x, 10) for who in ("amy", "bob") for x in (20, 300, 400)]
    write_csv(files / "off.csv", rows, "image,observer,x_px,y_px")
    found = run("--true", "off.csv", "--metrics", "dtw", "--size", "200x150")
    assert found["rows"]["people, leave one out"]["dtw"]["value"] == 0


def test_grouping_from_the_shell(files) -> None:
    from gazekit.verbs.score_metrics import make_metrics

    metrics, _ = make_metrics("multimatch", ["multimatch.grouping=45,300,100.5"])
    assert metrics["multimatch"].settings["grouping"] == F.Grouping(45, 300, 100.5)
    metrics, _ = make_metrics("multimatch,scanmatch", ["multimatch.grouping=None", "scanmatch.grid=(4, 3)"])
    assert metrics["multimatch"].settings["grouping"] is None
    assert metrics["scanmatch"].settings["grid"] == (4, 3)
    command = "--true people.csv --metrics multimatch --size 200x150"
    plain, grouped = (
        run(*command.split(), *more)["rows"]["people, leave one out"]
        for more in ([], ["--set", "multimatch.grouping=90,1000,150"])
    )
    assert plain != grouped


def test_a_fact_that_two_metrics_share_is_told_once_or_equally(files) -> None:
    from gazekit.verbs.score_metrics import make_metrics

    names = ("semantic_sequence_score", "semantic_edit_distance")
    _, facts = make_metrics(",".join(names), [f"{name}.label_map=maps" for name in names])
    assert facts == {"label_map": "maps"}


def test_constructors_speak_through_the_setting(monkeypatch) -> None:
    from gazekit.verbs.score_metrics import make_metrics

    def refuse(self, *args, **settings) -> None:
        raise ValueError("k must be at least 1")

    monkeypatch.setattr("gazekit.metrics.pair_metric.PairMetric.__init__", refuse)
    with pytest.raises(ValueError, match=r"--set time_delay_embedding\.k=0: k must be at least 1"):
        make_metrics("time_delay_embedding", ["time_delay_embedding.k=0"])
