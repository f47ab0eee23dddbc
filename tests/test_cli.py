"""The command line as people use it, end to end, on tiny settings."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from shell import run_here

from gazekit.metrics import FAMILIES, INFO
from gazekit.verbs.lists import facts, lines

TINY = (
    "data.options.n_scenes=24",
    "data.options.n_observers=2",
    "model.width=24",
    "model.hidden=24",
    "model.encoder_layers=1",
    "model.decoder_layers=1",
    "model.relation_bias=8",
    "metrics.baselines.pairwise.steps=2",
    "metrics.samples=2",
    "metrics.resamples=50",
)


def gazekit(*args, cwd, check=True):
    done = subprocess.run(
        [sys.executable, "-m", "gazekit", *map(str, args)], cwd=cwd, capture_output=True, text=True
    )
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture
def here():
    return run_here


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished tiny run, made in a folder other than the repository."""
    folder = tmp_path_factory.mktemp("run")
    trainer = ("trainer.max_steps=4", "trainer.val_check_interval=2")
    done = gazekit("fit", "+experiment=oat", *TINY, *trainer, "run_dir=here", cwd=folder)
    return folder / "here", done


def test_fit_writes_its_folder(run):
    folder, done = run
    names = {str(p.relative_to(folder)) for p in folder.rglob("*")}
    figures = {f"figures/{n}.png" for n in ("scores", "scores_2", "behaviour", "training", "scanpaths_1")}
    assert {
        "config.yaml",
        "best.ckpt",
        "last.ckpt",
        "metrics.json",
        "report.md",
        "gazekit.log",
        *figures,
    } <= names
    assert "| observer " in done.stdout
    assert "run folder" in done.stdout
    report = (folder / "report.md").read_text()
    assert "| pairwise" in report
    assert "](figures/scores.png)" in report


PEOPLE = ["people, leave one out", "people, split half", "other images", "chance"]


def test_metrics_json_follows_the_schema(run):
    record = json.loads((run[0] / "metrics.json").read_text())
    assert {"title", "data", "seed", "versions", "headline", "higher_is_better", "reasons", "rows"} <= set(
        record
    )
    assert list(record["rows"]) == ["oat", "pairwise", "marginal", "uniform", "observer", *PEOPLE]
    for name, row in record["rows"].items():
        if name not in PEOPLE:
            assert {"information_gain_bits", "sequence_score", "edit_distance", "behaviour_delta"} <= set(row)
        for entry in row.values():
            assert set(entry) == {"value", "low", "high", "n", "undefined"}
    assert record["rows"]["uniform"]["information_gain_bits"]["value"] == pytest.approx(0, abs=1e-6)
    assert record["higher_is_better"]["edit_distance"] is False


def test_evaluate_repeats_the_numbers_of_fit(run, tmp_path):
    """To the last digit, so in a process of its own, as the fit: other tests may leave settings of torch behind."""
    settings = ("run_dir=scores", "metrics.samples=2", "metrics.resamples=50")
    gazekit("evaluate", f"ckpt={run[0] / 'best.ckpt'}", *settings, cwd=tmp_path)
    fitted, again = (
        json.loads((f / "metrics.json").read_text())["rows"] for f in (run[0], tmp_path / "scores")
    )
    assert again == fitted


def test_positions_stand_beside_people_and_chance(run):
    rows = json.loads((run[0] / "metrics.json").read_text())["rows"]
    found = {row: scores["scanmatch"]["value"] for row, scores in rows.items()}
    assert found["people, leave one out"] > found["chance"]
    assert found["observer"] > found["uniform"]
    assert "| multimatch.position " in (run[0] / "report.md").read_text()
    assert "| multimatch.position " in run[1].stdout


def test_metrics_are_chosen_by_group(run, tmp_path, here):
    settings = ("metrics=saliency", "metrics.samples=3", "metrics.resamples=20", "run_dir=maps")
    here("evaluate", f"ckpt={run[0] / 'best.ckpt'}", *settings, cwd=tmp_path)
    rows = json.loads((tmp_path / "maps" / "metrics.json").read_text())["rows"]
    assert {"nss", "auc"} <= set(rows["oat"])
    assert "multimatch.position" not in rows["oat"]
    assert abs(rows["chance"]["auc"]["value"] - 0.5) < 0.1
    here("evaluate", f"ckpt={run[0] / 'best.ckpt'}", "metrics=objects", "metrics.samples=1", "metrics.resamples=20",
            "run_dir=objects", cwd=tmp_path)  # fmt: skip
    assert "chance" not in json.loads((tmp_path / "objects" / "metrics.json").read_text())["rows"]


def test_evaluate_says_what_was_trained_on(run, tmp_path, here):
    done = here("evaluate", f"ckpt={run[0] / 'best.ckpt'}", "data.split=all", "run_dir=all", "metrics.samples=1",
                   "metrics.resamples=20", cwd=tmp_path)  # fmt: skip
    assert "of 48 scored scanpaths: the checkpoint was trained or chosen with their image" in done.stdout


def test_resume_refuses_another_split(run, tmp_path):
    done = gazekit("fit", "+experiment=oat", *TINY, "data.split_seed=5", f"ckpt={run[0] / 'last.ckpt'}", "run_dir=more",
                   cwd=tmp_path, check=False)  # fmt: skip
    assert done.returncode == 2
    assert "ckpt was trained on other data (max_fixations, assigned differ)" in done.stderr


def test_evaluate_takes_another_data_set(run, tmp_path, here):
    done = here(
        "evaluate",
        f"ckpt={run[0] / 'best.ckpt'}",
        "data=osie",
        "data.root=nowhere",
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_resume_goes_on_where_it_stopped(run, tmp_path):
    gazekit(
        "fit", "+experiment=oat", *TINY, "trainer.max_steps=6", "trainer.val_check_interval=2",
        f"ckpt={run[0] / 'last.ckpt'}", "run_dir=more", cwd=tmp_path,
    )  # fmt: skip
    with (tmp_path / "more" / "log" / "metrics.csv").open() as file:
        steps = [int(line["step"]) for line in csv.DictReader(file)]
    assert steps
    assert min(steps) >= 4


@pytest.fixture
def picture(tmp_path):
    image = np.full((300, 400, 3), 230, np.uint8)
    boxes = [(20 + 90 * k, 40 + 100 * row, 60 + 90 * k, 80 + 100 * row) for row in range(2) for k in range(4)]
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        cv2.rectangle(image, (x0, y0), (x1, y1), (30 * k, 200 - 20 * k, 60), -1)
    cv2.imwrite(str(tmp_path / "shelf.png"), image)
    lines = ["x_min,y_min,x_max,y_max", *(",".join(map(str, box)) for box in boxes)]
    (tmp_path / "shelf.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_predict_writes_what_data_check_reads(run, picture, here):
    args = (
        f"ckpt={run[0] / 'best.ckpt'}",
        "input=shelf.png",
        "boxes=shelf.csv",
        "target=3",
        "samples=4",
        "run_dir=out",
    )
    here("predict", *args, cwd=picture)
    record = json.loads((picture / "out" / "shelf_scanpaths.json").read_text())
    assert len(record["scenes"][0]["scanpaths"]) == 4
    assert record["scenes"][0]["target"] == 3
    drawn = cv2.imread(str(picture / "out" / "shelf_scanpaths.png"))
    assert drawn.shape[0] > 200
    done = here("data", "check", "out/shelf_scanpaths.json", cwd=picture)
    assert "scanpaths   4" in done.stdout


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("target=8", "target=8 is unknown"),
        ("input=none.png", "input=none.png does not exist"),
        ("input=shelf.csv", "is not a picture"),
        ("boxes=broken.csv", "lacks the columns y_max"),
        ("boxes=outside.csv", "lies outside the 400 x 300 px picture"),
        ("ckpt=shelf.csv", "is not a checkpoint of gazekit"),
        ("ckpt=none.ckpt", "does not exist"),
    ],
)
def test_predict_tells_what_is_wrong(run, picture, override, message, here):
    (picture / "broken.csv").write_text("x_min,y_min,x_max\n1,2,3\n")
    (picture / "outside.csv").write_text("x_min,y_min,x_max,y_max\n1,2,3,4\n10,10,500,40\n")
    given = {"ckpt": run[0] / "best.ckpt", "input": "shelf.png", "boxes": "shelf.csv", "target": "0"}
    given |= dict([override.split("=")])
    done = here("predict", *(f"{k}={v}" for k, v in given.items()), cwd=picture, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_keeps_a_checkpoint_and_reports(tmp_path):
    args = ("fit", "+experiment=oat", *TINY, "trainer.max_steps=100000", "trainer.val_check_interval=2", "run_dir=run",
            "callbacks.early_stopping.patience=100000")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "gazekit", *args],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "best.ckpt").exists():
        assert process.poll() is None, process.stderr.read()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    assert "Interrupted" in out + err
    assert (tmp_path / "run" / "last.ckpt").exists()
    assert (tmp_path / "run" / "report.md").exists()


@pytest.mark.slow
def test_two_processes_give_the_validation_of_one(tmp_path):
    still = (
        "data.mirror=false",
        "model.dropout=0",
        "optimizer.lr=0",
        "scheduler=null",
        "model.val_samples=0",
    )
    steps = (
        "trainer.accelerator=cpu",
        "trainer.max_steps=2",
        "trainer.val_check_interval=1",
        "data.batch_size=3",
    )
    base = ("fit", "+experiment=oat", *TINY, *still, *steps, "+logger.flush_logs_every_n_steps=1")
    gazekit(*base, "run_dir=one", cwd=tmp_path)
    gazekit(*base, "trainer=ddp", "trainer.devices=2", "run_dir=two", cwd=tmp_path)
    values = []
    for name in ("one", "two"):
        with (tmp_path / name / "log" / "metrics.csv").open() as file:
            lines = [line["val/information_gain_bits"] for line in csv.DictReader(file)]
        values.append([float(x) for x in lines if x])
    assert values[0][-1] == pytest.approx(values[1][-1], abs=1e-6)


@pytest.mark.slow
def test_sweep_makes_a_folder_a_job(tmp_path):
    args = (
        *TINY,
        "trainer.max_steps=1",
        "trainer.val_check_interval=1",
        "-m",
        "seed=1,2",
        "hydra.sweep.dir=sweep",
    )
    gazekit("fit", "+experiment=oat", *args, cwd=tmp_path)
    assert all((tmp_path / "sweep" / k / "metrics.json").exists() for k in "01")


def test_own_config_folder(tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "small.yaml").write_text(
        "# @package _global_\nname: small\nseed: 7\n"
    )
    done = gazekit("fit", "--config-dir", "mine", "+experiment=small", "--cfg", "job", cwd=tmp_path)
    assert "name: small" in done.stdout
    assert "seed: 7" in done.stdout


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict", "export", "report", "data", "list", "bench"])
def test_help_shows_examples(verb, tmp_path, here):
    assert f"gazekit {verb}" in here(verb, "--help", cwd=tmp_path).stdout


def test_unknown_verb(tmp_path, here):
    done = here("train", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "unknown verb 'train', expected one of: fit, evaluate" in done.stderr


@pytest.mark.parametrize("what", ["models", "datasets", "metrics", "experiments", "backbones", "kernels"])
def test_list(what, tmp_path, here):
    first = {
        "models": "oat ",
        "datasets": "synthetic_search",
        "metrics": "sequence_score",
        "experiments": "oat ",
        "backbones": "squeezenet",
        "kernels": "object_attention",
    }
    assert first[what] in here("list", what, cwd=tmp_path).stdout


def test_list_groups_metrics_by_family():
    expected = []
    for family, entries in FAMILIES.items():
        expected += [family, *("  " + entry.name for entry in entries)]
    first_words = [line[: len(line) - len(line.lstrip())] + line.split()[0] for line in lines("metrics")]
    assert first_words == expected


@pytest.mark.parametrize("name", INFO)
def test_list_one_metric_shows_all_its_facts(name):
    entry, text = INFO[name], "\n".join(facts(name))
    shown = (entry.chance, entry.undefined, entry.unit, entry.reference, entry.class_name, *entry.variants)
    assert all(fact in text for fact in shown)
    assert f"{entry.range[0]:g} to {entry.range[1]:g}" in text
    page = Path(__file__).parents[1] / facts(name)[-1].split()[-1]
    assert name in page.read_text()


def test_list_one_metric(tmp_path, here):
    out = here("list", "metrics", "multimatch", cwd=tmp_path).stdout
    assert out.startswith("multimatch\n  range      0 to 1\n  direction  higher is better\n")
    assert "fewer than three fixations" in out


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("hausdorff", "hausdorff_px"),
        ("dtw", "dtw_px"),  # its unit goes on after "px"
        ("log_likelihood", "log_likelihood_nats"),
        ("information_gain", "information_gain_bits"),
        ("map_information_gain", "map_information_gain_bits"),
        ("MultiMatch", "multimatch"),
        ("cc", "correlation_coefficient"),
        ("NSS", "nss"),
    ],
)
def test_list_takes_short_names_and_class_names(typed, name):
    assert facts(typed) == facts(name)
    assert facts(typed)[0] == name


def test_no_two_metrics_share_a_name():
    names = [{n.lower() for n in (e.name, e.short_name, e.class_name)} for e in INFO.values()]
    assert sum(map(len, names)) == len(set().union(*names))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("metrics", "multimach"), "unknown metric 'multimach'; did you mean multimatch"),
        (("metrics", "zzz"), "unknown metric 'zzz'; python -m gazekit list metrics shows them all"),
        (("models", "oat"), "a name goes with metrics only, got models oat"),
    ],
)
def test_list_tells_what_is_wrong(args, told, tmp_path, here):
    done = here("list", *args, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_data_is_told_without_a_traceback(tmp_path, here):
    done = here(
        "fit", "+experiment=oat", "data=hsem_hybrid_search", "data.root=none", cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert "data.root" in done.stderr
    assert "trials_properties.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_fit_on_real_scanpaths(shared_data, tmp_path):
    args = [a for a in TINY if not a.startswith("data.")]
    gazekit(
        "fit", "+experiment=oat", *args, "data=hsem_hybrid_search", f"data.root={shared_data / 'hsem_hybrid_search'}",
        "trainer.max_steps=2", "trainer.val_check_interval=1", "run_dir=run", cwd=tmp_path,
    )  # fmt: skip
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]
    assert rows["people, leave one out"]["information_gain_bits"]["value"] is None
    assert 0.2 < rows["people, leave one out"]["sequence_score"]["value"] < 0.5
    assert 0 < rows["people, split half"]["behaviour_delta"]["value"] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["osie", "eyecrowd", "sti_amazon_books"])
def test_fit_on_every_kind_of_set(shared_data, tmp_path, name):
    """Free viewing over a grid, free viewing over faces with empty scanpaths, search without crops or categories."""
    args = [a for a in TINY if not a.startswith("data.")]
    gazekit(
        "fit", "+experiment=oat", *args, f"data={name}", f"data.root={shared_data / name}", "data.batch_size=16",
        "trainer.max_steps=1", "trainer.val_check_interval=1", "+trainer.limit_val_batches=2", "data.split=val",
        "run_dir=run", cwd=tmp_path,
    )  # fmt: skip
    rows = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]
    assert rows["oat"]["sequence_score"]["value"] is not None
    assert (rows["people, leave one out"]["search_behaviour.found"]["value"] is None) == (
        name != "sti_amazon_books"
    )


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["oat_hidden", "oat_paper"])
def test_other_experiments_run(tmp_path, experiment):
    args = [a for a in TINY if not a.startswith("model.")]
    gazekit("fit", f"+experiment={experiment}", *args, "trainer.max_steps=1", "trainer.val_check_interval=1",
            "run_dir=run", cwd=tmp_path)  # fmt: skip
    assert (tmp_path / "run" / "report.md").exists()


@pytest.mark.parametrize("args", [("predict",), ("predict", "input=b"), ("export",)])
def test_a_forgotten_key_is_named(args, tmp_path, here):
    done = here(*args, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "ckpt=... is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_own_scenes_are_scored_with_crops_of_their_pictures(run, picture, here):
    """What predict wrote is a data set like any other."""
    here(
        "predict",
        f"ckpt={run[0] / 'best.ckpt'}",
        "input=shelf.png",
        "boxes=shelf.csv",
        "target=3",
        "samples=4",
        "run_dir=out",
        cwd=picture,
    )
    here("evaluate", f"ckpt={run[0] / 'best.ckpt'}", "data=scenes_json", "data.root=out/shelf_scanpaths.json",
            "data.split=all", "metrics.samples=2", "metrics.resamples=20", "run_dir=scores", cwd=picture)  # fmt: skip
    rows = json.loads((picture / "scores" / "metrics.json").read_text())["rows"]
    assert rows["oat"]["information_gain_bits"]["n"] > 0
    assert rows["people, leave one out"]["sequence_score"]["n"] == 4
