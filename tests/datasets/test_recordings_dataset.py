"""A small study is written as a lab would have it, and read, checked and fitted; its fixations are known."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from gazekit.datasets import load
from gazekit.datasets.check import check
from gazekit.errors import DataError

SCREEN, SIZE, CORNER = (1024, 768), (640, 480), (192, 144)  # pictures are at the centre of the screen
BOXES = {
    "cup": (40, 40, 200, 160),
    "book": (260, 60, 420, 220),
    "lamp": (440, 240, 600, 440),
    "key": (60, 300, 260, 440),
}
SETTINGS = {
    "recordings": "data/*.asc",
    "start": r"^TRIALID \d+ (?P<stimulus>\S+)",
    "end": "^TRIAL_RESULT",
    "picture_px": "centred",
    "screen": {"width_px": 1024, "height_px": 768, "width_cm": 38, "distance_cm": 60},
}


def asc(trials):
    """EyeLink text at 250 Hz. Trials are (stimulus, [(x, y, ms), ...]) on the screen; saccades take 20 ms.

    The stimulus comes on with the second fixation, after the one on the cross.
    """
    t, lines = (
        100_000,
        ["** CONVERTED FROM s.edf using edfapi 3.1", "**", "", "MSG\t99950 DISPLAY_COORDS 0 0 1023 767"],
    )

    def sample(x, y):
        nonlocal t
        lines.append(f"{t}\t{x:7.1f}\t{y:7.1f}\t 1200.0\t    0.0\t...")
        t += 4

    for number, (stimulus, fixations) in enumerate(trials, 1):
        rate = "GAZE\tLEFT\tRATE\t250.00\tTRACKING\tCR\tFILTER\t2"
        lines += [f"START\t{t} \tLEFT\tSAMPLES\tEVENTS", "PRESCALER\t1", "VPRESCALER\t1", "PUPIL\tAREA"]
        lines += [f"EVENTS\t{rate}", f"SAMPLES\t{rate}\tINPUT"]
        for k, (x, y, duration) in enumerate(fixations):
            if k:
                x0, y0, start = *fixations[k - 1][:2], t
                lines.append(f"SSACC L  {t}")
                for i in range(5):
                    sample(x0 + (x - x0) * (i + 0.5) / 5, y0 + (y - y0) * (i + 0.5) / 5)
                places = "\t".join(f"{v:7.1f}" for v in (x0, y0, x, y))
                lines.append(f"ESACC L  {start}\t{t - 4}\t{t - start}\t{places}\t   5.00\t    300")
            if k == 1:
                lines.append(f"MSG\t{t} TRIALID {number} {stimulus}")
            start = t
            lines.append(f"SFIX L   {t}")
            for _ in range(duration // 4):
                sample(x, y)
            lines.append(f"EFIX L   {start}\t{t - 4}\t{t - start}\t{x:7.1f}\t{y:7.1f}\t   1200")
        lines += [f"MSG\t{t} TRIAL_RESULT 0", f"END\t{t} \tSAMPLES\tEVENTS\tRES\t  26.66\t  26.77"]
        t += 2000
    return "\n".join(lines) + "\n"


def write_study(root, pictures=8, observers=3, seed=0):
    """The folder, and {(picture, observer): (objects, [T, 2] pixels of the picture, durations)}."""
    rng = np.random.default_rng(seed)
    (root / "stimuli").mkdir(parents=True)
    (root / "data").mkdir()
    rows = []
    for n in range(pictures):
        image = np.full((SIZE[1], SIZE[0], 3), 220, np.uint8)
        for k, (label, box) in enumerate(BOXES.items()):
            cv2.rectangle(image, box[:2], box[2:], (40 * k, 20 * n, 120), -1)
            rows.append((f"p{n}.png", label, *box))
        cv2.imwrite(str(root / "stimuli" / f"p{n}.png"), image)
    names = ("stimulus", "label", "x_min", "y_min", "x_max", "y_max")
    pd.DataFrame(rows, columns=names).to_csv(root / "objects.csv", index=False)
    truth = {}
    for observer in range(1, observers + 1):
        trials = []
        for n in rng.permutation(pictures):
            objects = rng.integers(4, size=rng.integers(3, 7))
            low, high = np.array(list(BOXES.values()))[objects].reshape(-1, 2, 2).transpose(1, 0, 2)
            xy, duration = rng.integers(low + 9, high - 9), rng.integers(30, 90, len(objects)) * 4
            truth[f"p{n}.png", f"s{observer}"] = objects, xy, duration
            trials.append((f"p{n}", [(512, 384, 400), *zip(*(xy + CORNER).T, duration, strict=True)]))
        (root / "data" / f"s{observer}.asc").write_text(asc(trials))
    (root / "study.json").write_text(json.dumps(SETTINGS))
    return root, truth


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", pictures=3, observers=2)


def settings_of(root, **changes):
    (root / "study.json").write_text(
        json.dumps({k: v for k, v in (SETTINGS | changes).items() if v is not None})
    )


def by_names(dataset):
    return {(dataset.scenes[t.scene].name, t.scanpath.observer): t for t in dataset.trials}


@pytest.mark.parametrize("fixations", ["tracker", "ivt"])
def test_scanpaths_are_those_that_were_made(study, fixations):
    root, truth = study
    dataset = load("recordings", root, fixations=fixations)
    found = by_names(dataset)
    assert found.keys() == truth.keys()
    for key, (objects, xy, duration) in truth.items():
        assert found[key].objects.tolist() == objects.tolist()
        np.testing.assert_allclose(found[key].scanpath.xy_px, xy, atol=1.0 if fixations == "tracker" else 8)
        np.testing.assert_allclose(
            found[key].scanpath.duration_ms, duration, atol=0 if fixations == "tracker" else 24
        )
    scene = dataset.scenes[0]
    assert scene.categories == tuple(BOXES)
    assert scene.boxes_px.tolist() == [list(box) for box in BOXES.values()]
    assert scene.size_px == SIZE
    assert scene.image_path.name == "p0.png"
    assert not dataset.skipped and not dataset.filtered


def test_a_table_of_trials_gives_the_same(study):
    """Times are the tracker's, as EyeLink messages have them."""
    root, _ = study
    rows = []
    for path in sorted((root / "data").glob("*.asc")):
        lines = [line.split() for line in path.read_text().splitlines() if line.startswith("MSG")]
        begins = [(int(f[1]), f[4]) for f in lines if f[2] == "TRIALID"]
        ends = [int(f[1]) for f in lines if f[2] == "TRIAL_RESULT"]
        rows += [(f"data/{path.name}", a, b, name) for (a, name), b in zip(begins, ends, strict=True)]
    table = pd.DataFrame(rows, columns=["recording", "onset_ms", "offset_ms", "stimulus"])
    expected = load("recordings", root).fingerprint()
    table.to_csv(root / "trials.csv", index=False)
    with pytest.raises(DataError, match=r"study.json: trials are defined both by start"):
        load("recordings", root)
    settings_of(root, start=None, end=None, recordings=None)
    assert load("recordings", root).fingerprint() == expected
    table.assign(observer="p" + table.index.astype(str), target="lamp").to_csv(
        root / "trials.csv", index=False
    )
    dataset = load("recordings", root)
    assert dataset.observers == ("p0", "p1", "p2", "p3", "p4", "p5")
    assert [s.name for s in dataset.scenes] == [f"p{n}.png, target lamp" for n in range(3)]
    assert {s.target for s in dataset.scenes} == {2}
    assert {s.attributes["image"] for s in dataset.scenes} == {"p0.png", "p1.png", "p2.png"}
    (root / "study.json").unlink()
    with pytest.raises(
        DataError, match=r"a picture of 640 x 480 px on a screen of 1024 x 768 px: give its position in study"
    ):
        load("recordings", root)


def test_settings_may_be_yaml_and_objects_coco(study):
    root, _ = study
    expected = load("recordings", root).fingerprint()
    (root / "study.json").unlink()
    (root / "study.yaml").write_text(yaml.safe_dump(SETTINGS))
    images = [{"id": n, "file_name": f"pictures/p{n}.png"} for n in range(3)]
    categories = [{"id": k, "name": label} for k, label in enumerate(BOXES)]
    boxes = [{"image_id": n, "category_id": k, "bbox": [x0, y0, x1 - x0, y1 - y0]}
             for n in range(3) for k, (x0, y0, x1, y1) in enumerate(BOXES.values())]  # fmt: skip
    (root / "objects.csv").unlink()
    (root / "objects.json").write_text(
        json.dumps({"images": images, "categories": categories, "annotations": boxes})
    )
    assert load("recordings", root).fingerprint() == expected


def test_pictures_may_have_been_enlarged_and_moved(study):
    root, truth = study
    settings_of(root, picture_px=[0, 0, 1024, 768])
    found = by_names(load("recordings", root, grid=(2, 2)))
    for key, (_, xy, _) in truth.items():
        np.testing.assert_allclose(found[key].scanpath.xy_px, (xy + CORNER) * 640 / 1024, atol=1)


def test_a_grid_stands_for_objects(study):
    root, _ = study
    (root / "objects.csv").unlink()
    with pytest.raises(DataError, match=r"no objects.csv and no objects.json, .*data.options.grid=\[6,8\]"):
        load("recordings", root)
    assert {len(scene) for scene in load("recordings", root, grid=(2, 3)).scenes} == {6}


def test_fixations_off_the_picture_are_counted(study):
    root, _ = study
    text = asc([("p0", [(512, 384, 400), (300, 300, 200), (10, 10, 200), (900, 700, 200), (400, 400, 200)])])
    (root / "data" / "s3.asc").write_text(text)
    dataset = load("recordings", root)
    assert dataset.filtered == {"without 2 fixations off the picture": 1}
    np.testing.assert_allclose(
        by_names(dataset)["p0.png", "s3"].scanpath.xy_px, [(108, 156), (208, 256)], atol=0.1
    )
    assert "filtered" in "".join(check("recordings", root).lines())


def test_recordings_of_one_name_in_two_folders_are_two_people(study):
    root, _ = study
    for n in (1, 2):
        (root / "data" / f"sub{n}").mkdir()
        (root / "data" / f"s{n}.asc").rename(root / "data" / f"sub{n}" / "gaze.asc")
    settings_of(root, recordings="data/*/gaze.asc")
    assert load("recordings", root).observers == ("data/sub1/gaze", "data/sub2/gaze")


def test_what_is_broken_is_told_or_skipped_and_counted(study):
    root, _ = study
    whole = (root / "data" / "s1.asc").read_text()
    (root / "data" / "s2.asc").write_text(whole[:3000])
    (root / "stimuli" / "p1.png").write_bytes(b"no picture")
    (root / "data" / "s1.asc").write_text(whole.replace("TRIALID 1 p", "TRIALID 1 q"))
    with pytest.raises(DataError, match=r"recording 'data/s1.asc', trial 1: .*data.on_bad_record=skip"):
        load("recordings", root)
    dataset = load("recordings", root, "skip")
    assert (
        len(dataset.trials) + len(dataset.skipped) == 4
    )  # 3 trials of one recording, and the other recording
    text = "\n".join(dataset.skipped)
    assert "matches 0 of 3 files" in text
    assert "recording 'data/s2.asc': " in text and "cut" in text
    broken = [line for line in dataset.skipped if "is not a readable picture" in line]
    assert all(line.endswith("(1 scanpath of this scene left out with it)") for line in broken)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("study.json", "{", "not a readable JSON file"),
        ("study.json", "[]", "expected a JSON object, got list"),
        ("study.json", '{"begin": 1}', "expected an object with the keys recordings, start, .*got also begin"),
        ("study.json", json.dumps(SETTINGS | {"recordings": "*.edf"}), r"no file matches '\*.edf' \(key recordings"),
        ("study.json", json.dumps(SETTINGS | {"recordings": "../*"}), "recordings must be a pattern for files below"),
        ("study.json", json.dumps(SETTINGS | {"start": "("}), "study.json: start: .* is not a valid regular"),
        ("study.json", json.dumps(SETTINGS | {"start": "a"}), "no group"),
        ("study.json", json.dumps(SETTINGS | {"start": "^NEVER (?P<stimulus>.)"}), "no message matches start '.NEVER"),
        ("study.json", json.dumps(SETTINGS | {"screen": {"width": 3}}), "study.json: .*width"),
        ("study.json", json.dumps(SETTINGS | {"screen": [3]}), "study.json: .*"),
        ("study.json", json.dumps(SETTINGS | {"picture_px": [1, 2, 1, 4]}), 'picture_px must be "centred" or'),
        ("study.json", json.dumps(SETTINGS | {"picture_px": "left"}), "study.json: .*left"),
        ("study.json", json.dumps(SETTINGS | {"picture_px": None}), "give its position in study.json"),
        ("objects.json", "{}", "both objects.csv and objects.json, expected one of them"),
        ("study.yaml", "a: 1", "has study.json and study.yaml, expected one"),
        ("trials.csv", "", "expected a header line"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus\n", ": no trials"),
        ("trials.csv", "recording,onset_ms,stimulus\na,1,b\n", "no column 'offset_ms'"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus\nx.asc,1,2,p0\n", "x.asc' .1 trials.: no recording at"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus\n../s1.asc,1,2,p0\n", "row 1: .* a path below"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus\ndata/s1.asc,1,,p0\n", "trial 1: .*has no end"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus\ndata/s1.asc,1,x,p0\n", "'offset_ms', row 1: expected a"),
        ("trials.csv", "recording,onset_ms,offset_ms,stimulus,target\ndata/s1.asc,1e5,2e5,p0,hat\n", "'hat' matches 0"),
        ("objects.csv", "stimulus,label,x_min,y_min,x_max\n", "no column 'y_max'"),
        ("objects.csv", "stimulus,label,x_min,y_min,x_max,y_max\np9,a,0,0,1,1\n", "stimulus 'p9' matches 0 of 3"),
        ("objects.csv", "stimulus,label,x_min,y_min,x_max,y_max\np0,a,0,0,1,1\n", "no object for 'p[12].png'"),
        ("objects.csv", "stimulus,label,x_min,y_min,x_max,y_max\np0,a,0,0,9999,1\np1,a,0,0,1,1\np2,a,0,0,1,1\n",
         "outside the 640 x 480 px picture"),
    ],
)  # fmt: skip
def test_broken_studies_are_told(study, name, content, told):
    root, _ = study
    if name == "trials.csv":
        settings_of(root, start=None)
    (root / name).write_text(content)
    with pytest.raises(DataError, match=told):
        load("recordings", root)


@pytest.mark.parametrize("name", ["study.json", "objects.csv", "trials.csv"])
def test_cut_files_are_told(study, name):
    """A table that ends within its last value looks complete: a warning says so. One cut after a line is complete."""
    root, _ = study
    if name == "trials.csv":
        settings_of(root, start=None)
        rows = [f"data/s1.asc,{a},{a + 900},p{a % 3}" for a in range(100_000, 100_005)]
        (root / name).write_text("\n".join(["recording,onset_ms,offset_ms,stimulus", *rows]) + "\n")
    content = (root / name).read_bytes().rstrip()
    for size in (n for n in range(0, len(content), 7) if not content[:n].endswith(b"\n")):
        (root / name).write_bytes(content[:size])
        with pytest.raises(
            (DataError, UserWarning), match=r"cut|complete|expected|no column|header|match|no object|no trial"
        ):
            load("recordings", root)


def test_absent_things_are_told(study, tmp_path):
    root, _ = study
    with pytest.raises(FileNotFoundError, match=r"recordings needs data.root=FOLDER"):
        load("recordings")
    with pytest.raises(FileNotFoundError, match=r"\(config key data.root\) does not exist"):
        load("recordings", tmp_path / "none")
    with pytest.raises(ValueError, match="fixations must be 'tracker' or 'ivt'"):
        load("recordings", root, fixations="idt")
    settings_of(root, screen=None)
    with pytest.raises(DataError, match=r'fixations=ivt needs degrees: give "screen" in study.json'):
        load("recordings", root, fixations="ivt")
    (root / "study.json").unlink()
    with pytest.raises(DataError, match=r"neither trials.csv nor study.json"):
        load("recordings", root)


def test_batches_with_crops_of_the_pictures(tmp_path):
    """What `fit` makes of the config, without the network."""
    root, truth = write_study(tmp_path / "study", pictures=7, observers=2)
    with initialize_config_module("gazekit.conf", version_base="1.3"):
        changes = ["data=recordings", f"data.root={root}", "data.crop_size=[16,24]", "run_dir=unused"]
        module = instantiate(compose("fit", changes).data, _convert_="all")
    module.setup()
    assert {part: len(rows) for part, rows in module.parts.items()} == {
        "train": 10,
        "val": 2,
        "test": 2,
        "all": 14,
    }
    assert module.categories == tuple(sorted(BOXES))
    (batch,) = module.batches("all")
    assert batch.scenes.crops.shape == (7, 4, 3, 16, 24)
    objects = {tuple(objects.tolist()) for objects, _, _ in truth.values()}
    assert {tuple(row[mask].tolist()) for row, mask in zip(batch.objects, batch.mask, strict=True)} == objects


@pytest.mark.slow
def test_a_lab_fits_a_model_on_its_own_recordings(tmp_path):
    root, _ = write_study(tmp_path / "study", pictures=7, observers=2)
    net = [
        f"model.{k}"
        for k in ("width=24", "hidden=24", "encoder_layers=1", "decoder_layers=1", "relation_bias=8")
    ]
    steps = ["metrics.baselines.pairwise.steps=2", "trainer.max_steps=2", "trainer.val_check_interval=1"]
    data = ["data=recordings", f"data.root={root}", "data.options.fixations=ivt", "data.crop_size=[32,32]"]
    scores = ["metrics=objects", "metrics.samples=1", "metrics.resamples=20"]
    args = ["+experiment=oat", *data, *net, *steps, *scores, "run_dir=run"]
    done = subprocess.run(
        [sys.executable, "-m", "gazekit", "fit", *args], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert record["rows"]["oat"]["sequence_score"]["n"] > 0
    assert (tmp_path / "run" / "report.md").exists()


def test_trials_outside_of_the_recording_are_broken_and_empty_ones_are_told(study, caplog):
    root, _ = study
    settings_of(root, start=None, end=None, recordings=None)

    def read(*rows):
        table = pd.DataFrame(rows, columns=["onset_ms", "offset_ms", "stimulus"])
        table.assign(recording="data/s1.asc").to_csv(root / "trials.csv", index=False)
        return load("recordings", root)

    with pytest.raises(
        DataError, match=r"trial 1: from 0 to 3000 ms, but .* are from 100000 to .* 100000 ms added"
    ):
        read((0, 3000, "p0"))
    with pytest.raises(DataError, match=r"none of 1 trials has a fixation on its picture"):
        read((100_004, 100_005, "p1"))
    dataset = read((100_000, 103_000, "p0"), (100_004, 100_005, "p1"))
    assert sorted(len(trial.scanpath) > 0 for trial in dataset.trials) == [False, True]
    assert "1 of 2 trials have no fixation on their picture; the first: p1.png, observer s1" in caplog.text


def test_a_single_backslash_in_json_is_explained(study):
    root, _ = study
    (root / "study.json").write_text((root / "study.json").read_text().replace("\\\\", "\\"))
    with pytest.raises(DataError, match=r"JSON needs two backslashes for one"):
        load("recordings", root)
