import cv2
import numpy as np
import pytest
from gaze_folders import annotator_line, gazefollow_folder, train_line, write_picture

from gazekit.datasets import load
from gazekit.datasets.check import check
from gazekit.datasets.gaze_files import GazeTargets
from gazekit.datasets.gaze_tables import BEYOND
from gazekit.datasets.gazefollow import SWAPPED, TEST_COLUMNS, TRAIN_COLUMNS, parse_annotations
from gazekit.errors import DataError


@pytest.fixture
def file(tmp_path):
    """Writes lines as a file."""

    def write(*lines, end="\n", encoding="utf-8"):
        path = tmp_path / "some.txt"
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write


def test_the_layouts_have_the_published_number_of_columns():
    assert (len(TRAIN_COLUMNS), len(TEST_COLUMNS)) == (17, 16)
    assert list(TRAIN_COLUMNS)[14] == "inout"


def test_whole_relabelled_file(shared_data):
    found = parse_annotations(shared_data / "gazefollow_val_relabelled_nc" / "val_annotations_new.txt")
    print_ = found.fingerprint()
    assert (print_["rows"], print_["people"], print_["pictures"]) == (4499, 4499, 4486)
    assert print_["inside"] == 4499 and print_["outside"] == 0
    assert print_["centre_l2"] == pytest.approx(0.268, abs=5e-4)
    assert print_["eye_to_gaze"] == pytest.approx(0.344, abs=5e-4)
    assert (print_["mean_gaze_x"], print_["mean_gaze_y"]) == pytest.approx((0.490, 0.497), abs=5e-4)
    assert found.rows["source"].value_counts()["places_top"] == 3383
    assert not found.skipped and not found.filtered and not found.repaired


def test_check_knows_the_relabelled_file(shared_data):
    report = check(shared_data / "gazefollow_val_relabelled_nc" / "val_annotations_new.txt")
    assert report.known.startswith("relabelled validation file")
    assert any("were not compared" in line for line in report.lines())


def test_byte_order_mark_and_line_ends_change_nothing(file):
    lines = [train_line("a.jpg", k, gaze=(k / 10, 0.5)) for k in range(5)]
    digests = {
        parse_annotations(file(*lines, end=end, encoding=encoding)).fingerprint()["digest"]
        for end in ("\n", "\r\n")
        for encoding in ("utf-8", "utf-8-sig")
    }
    assert len(digests) == 1
    assert digests != {parse_annotations(file(*lines[1:])).fingerprint()["digest"]}


def test_rules_are_counted(file):
    lines = [
        train_line("a.jpg", 1),
        train_line("a.jpg", 1),
        train_line("a.jpg", 2, inout=-1),
        train_line("a.jpg", 3, inout=0),
        train_line("a.jpg", 4, head=(30, 8, 10, 28)),
    ]
    found = parse_annotations(file(*lines))
    assert found.filtered == {"in/out flag -1 (invalid)": 1, "line repeated word for word": 1}
    assert found.repaired == {SWAPPED: 1}
    assert found.rows[["head_x_min", "head_x_max"]].iloc[-1].tolist() == [10, 30]
    assert (found.fingerprint()["inside"], found.fingerprint()["outside"]) == (2, 1)


def test_gaze_beyond_the_picture_is_set_to_its_border_and_counted(file, tmp_path):
    lines = [train_line("a.jpg", 1, gaze=(1.001, -0.2)), train_line("a.jpg", 2, gaze=(1.2, 5), inout=0)]
    lines += [train_line("a.jpg", 3, gaze=(-1, 0.5)), train_line("a.jpg", 4, gaze=(0, 1))]
    found = parse_annotations(file(*lines))
    assert found.repaired == {BEYOND: 2}
    assert found.rows[["gaze_x", "gaze_y"]].to_numpy().tolist() == [[1, 0], [1.2, 5], [0, 0.5], [0, 1]]
    test = [annotator_line("test2/0/a.jpg", gaze) for gaze in ((0.2, 0.5), (1.001, 0.5), (0.4, -0.1))]
    dataset = load("gazefollow", gazefollow_folder(tmp_path, test=test))
    (person,) = dataset.parts["test"][0].people
    assert person.points_norm.tolist() == [[0.2, 0.5], [1, 0.5], [0.4, 0]]
    assert dataset.repaired == {BEYOND: 2} and not dataset.skipped


def test_annotators_of_a_test_person_are_joined_and_padding_is_left_out(file):
    lines = [annotator_line("a.jpg", (k / 10, 0.5)) for k in range(3)]
    lines += [annotator_line("a.jpg", (-1, -1))] * 2
    lines += [annotator_line("a.jpg", (0.5, 0.5), eye=(0.9, 0.4)), annotator_line("b.jpg", (0.5, 0.5))]
    found = parse_annotations(file(*lines))
    assert found.filtered == {"gaze -1, -1 in the test file (padding)": 2}
    assert found.rows["person"].tolist() == [0, 0, 0, 1, 2]
    assert found.fingerprint()["people"] == 3 and found.fingerprint()["rows"] == 5


GOOD = train_line("a.jpg")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            GOOD.rsplit(",", 2)[0],
            r"some.txt, line 2: 15 columns, expected 17: path, id, .*is the file complete",
        ),
        (GOOD[:40], r"line 2: \d+ columns, expected 17.*this is the last line"),
        (GOOD.replace("0.25", "left"), r"line 2: column 10 \(gaze_y\): expected a number, got 'left'"),
        (GOOD.replace("0.25", "nan"), r"column 10 \(gaze_y\): expected a number, got 'nan'"),
        (GOOD.replace("jpg,1,", "jpg,one,"), r"column 2 \(id\): expected a whole number, got 'one'"),
        (train_line("a.jpg", inout=2), r"line 2: column 15 \(inout\): expected 1, 0 or -1, got 2"),
        (train_line(""), r"line 2: column 1 \(path\) is empty"),
    ],
)
def test_broken_lines_are_named(file, line, message):
    path = file(GOOD, line)
    with pytest.raises(DataError, match=message):
        parse_annotations(path)
    found = parse_annotations(path, "skip")
    assert len(found.rows) == 1 and len(found.skipped) == 1


def test_files_of_another_kind(file, tmp_path):
    with pytest.raises(
        DataError, match=r"line 1: 15 columns, expected 17 in a training file .* or 16 in a test"
    ):
        parse_annotations(file(GOOD.rsplit(",", 2)[0], GOOD))
    with pytest.raises(DataError, match="the file is empty"):
        parse_annotations(file(""))
    with pytest.raises(DataError, match="expected text in UTF-8"):
        parse_annotations(file(train_line("\xe9.jpg"), encoding="latin-1"))
    with pytest.raises(FileNotFoundError, match="no file"):
        parse_annotations(tmp_path / "absent.txt")
    with pytest.raises(DataError, match="no usable line"):
        parse_annotations(file(train_line("a.jpg", inout=-1)))


def test_whole_folder(tmp_path):
    root = gazefollow_folder(tmp_path)
    dataset = load("gazefollow", root)
    assert {part: len(pictures) for part, pictures in dataset.parts.items()} == {
        "train": 5,
        "val": 1,
        "test": 1,
    }
    assert not {p.name for p in dataset.parts["train"]} & {p.name for p in dataset.parts["val"]}
    first, second = dataset.parts["test"][0].people
    assert len(first.points_norm) == 3 and len(second.points_norm) == 2
    assert first.eye_norm.tolist() == [0.3, 0.4] and second.head_px.tolist() == [40, 8, 55, 28]
    two = next(p for part in ("train", "val") for p in dataset.parts[part] if p.name.endswith("00000.jpg"))
    assert two.size_px == (64, 48) and [person.inside for person in two.people] == [True, False]
    image = two.read()
    assert image.shape == (48, 64, 3) and np.abs(image[0, 0].astype(int) - (200, 30, 30)).max() < 10
    again = load("gazefollow", root)
    assert dataset.fingerprint() == again.fingerprint()
    assert load("gazefollow", root, split_seed=3).fingerprint() != dataset.fingerprint()
    none = load("gazefollow", root, val_fraction=0.0)
    assert len(none.parts["train"]) == 6 and not none.parts["val"]
    for fraction in (1.0, 0.95, -0.1):
        with pytest.raises(ValueError, match="val_fraction"):
            load("gazefollow", root, val_fraction=fraction)


def test_relabelled_validation_file(tmp_path):
    root = gazefollow_folder(tmp_path)
    (root / "val.txt").write_text(train_line("train/00000000/00000.jpg", head=(1, 1, 9, 9)) + "\n")
    dataset = load("gazefollow", root, val="val.txt")
    assert {part: len(pictures) for part, pictures in dataset.parts.items()} == {
        "train": 5,
        "val": 1,
        "test": 1,
    }
    assert dataset.parts["val"][0].people[0].head_px.tolist() == [1, 1, 9, 9]
    assert dataset.filtered == {"in a picture of the validation file": 2}


def test_boxes_over_the_border_stay_and_those_beyond_it_are_broken(tmp_path):
    name = "train/0/a.jpg"
    lines = [train_line(name, 1, head=(-5, -5, 20, 20)), train_line(name, 2, head=(70, 5, 90, 20))]
    lines += [train_line(name, 3, gaze=(-1, -1)), train_line("train/0/b.jpg")]
    root = gazefollow_folder(tmp_path, train=lines)
    with pytest.raises(
        DataError, match=r"train_annotations_release.txt, line 2: head box .* outside the 64 x 48"
    ):
        load("gazefollow", root, val_fraction=0.0)
    dataset = load("gazefollow", root, "skip", val_fraction=0.0)
    assert len(dataset.skipped) == 2 and "line 3: gaze points must lie in [0, 1]" in dataset.skipped[1]
    kept = next(p for p in dataset.parts["train"] if p.name == name)
    assert [person.head_px.tolist() for person in kept.people] == [[-5, -5, 20, 20]]


def test_missing_and_broken_pictures(tmp_path):
    root = gazefollow_folder(tmp_path)
    (root / "train/00000001/00001.jpg").unlink()
    (root / "train/00000002/00002.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"00001.jpg is missing\. To leave such records out"):
        load("gazefollow", root, val_fraction=0.0)
    dataset = load("gazefollow", root, "skip", val_fraction=0.0)
    assert len(dataset.parts["train"]) == 4
    assert any(
        "1 of 6 pictures are missing, with 1 people; the first is train/00000001" in m
        for m in dataset.skipped
    )
    assert any("00002.jpg is not a readable picture" in m for m in dataset.skipped)
    write_picture(root / "train/00000002/00002.jpg", size_px=(300, 200))
    path = root / "train/00000002/00002.jpg"
    dataset = load("gazefollow", root, "skip", val_fraction=0.0)
    cut_off = next(p for p in dataset.parts["train"] if p.name.endswith("00002.jpg"))
    whole = path.read_bytes()
    for left in (200, len(whole) // 2, len(whole) - 100):  # OpenCV fills up all but the first with grey
        path.write_bytes(whole[:left])
        with pytest.raises(DataError, match=r"00002.jpg is not a readable picture"):
            cut_off.read()


def test_a_picture_is_read_as_it_is_stored(tmp_path):
    """A note in the file says that it lies on its side; the annotations do not know."""
    from PIL import Image

    root = gazefollow_folder(tmp_path)
    path = root / "train/00000003/00003.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48), (10, 200, 10)).save(path, exif=exif)
    assert cv2.imread(str(path)).shape == (64, 48, 3)
    dataset = load("gazefollow", root, val_fraction=0.0)
    picture = next(p for p in dataset.parts["train"] if p.name.endswith("00003.jpg"))
    assert picture.size_px == (64, 48) and picture.read().shape == (48, 64, 3)


def test_check_with_pictures_without_and_with_some(tmp_path):
    root = gazefollow_folder(tmp_path / "whole")
    report = check("gazefollow", root)
    assert report.fingerprint["people"] == 9 and report.fingerprint["train_pictures"] == 5
    assert report.lines()[-1].split() == ["broken", "none"]
    bare = gazefollow_folder(tmp_path / "bare", pictures=False)
    report = check("gazefollow", bare)
    assert report.fingerprint["people"] == 9 and report.fingerprint["rows"] == 12
    assert any("head boxes were not compared" in line for line in report.lines())
    (root / "test2/0/a.jpg").unlink()
    assert "1 of 1 pictures are missing" in check("gazefollow", root).lines()[-1]
    with pytest.raises(FileNotFoundError, match=r"gazefollow: the folder .* does not exist"):
        check("gazefollow", tmp_path / "absent")


def test_batches(tmp_path):
    root = gazefollow_folder(tmp_path)
    data = GazeTargets("gazefollow", root, size_px=(24, 32), batch_size=3, expand_heads=0.1)
    data.setup()
    (batch,) = data.batches("test")
    assert batch["image"].shape == (1, 3, 24, 32) and [len(p) for p in batch["points_norm"]] == [3, 2]
    assert batch["head_norm"][0].tolist() == pytest.approx([8 / 64, 6 / 48, 32 / 64, 30 / 48])
    assert list(data.references()) == ["one annotator"]
    about = data.about()
    assert (about["people"], about["inside"], about["points"]) == (2, 2, 5)
    assert data.facts() == {
        "dataset": "gazefollow",
        "size_px": [24, 32],
        "options": {},
        "expand_heads": 0.1,
    }
    for step in range(6):
        assert data.training_batch(step)["image"].shape[1:] == (3, 24, 32)
    with pytest.raises(ValueError, match="expand_heads must be 0 or more"):
        GazeTargets("gazefollow", root, expand_heads=-1)


def test_only_sets_of_gaze_targets():
    with pytest.raises(ValueError, match=r"data\.name=synthetic_search has no people with gaze targets"):
        GazeTargets("synthetic_search", options={"n_scenes": 3}).setup()


def test_expanded_boxes_end_at_the_border(tmp_path):
    root = gazefollow_folder(tmp_path, test=[annotator_line("test2/0/a.jpg", head=(-4, 2, 60, 46))])
    data = GazeTargets("gazefollow", root, expand_heads=0.1)
    data.setup()
    assert data.pictures[-1].people[0].head_px.tolist() == [0, 0, 64, 48]


def test_a_trained_model_keeps_its_split(tmp_path):
    root = gazefollow_folder(tmp_path)
    names = {}
    for seed in range(3):
        data = GazeTargets("gazefollow", root, options={"split_seed": seed}, split="val")
        data.setup()
        names[seed] = data.items(data.parts["val"].tolist())
        other = GazeTargets("gazefollow", root, options={"split_seed": seed + 1}, split="val")
        other.trained_with = data.facts()
        other.setup()
        assert other.items(other.parts["val"].tolist()) == names[seed]
    assert len({tuple(part) for part in names.values()}) > 1


def test_the_human_row_of_a_report(tmp_path):
    """Metrics take the remaining annotators as the truth, and count people with one annotator as undefined."""
    from gazekit.base.scores import Settings
    from gazekit.metrics import DistanceToMean, GazeFollowAUC, MeanDistance, MinDistance
    from gazekit.report.score import score

    pair = [annotator_line("test2/0/a.jpg", gaze) for gaze in ((0.3, 0.5), (0.5, 0.5))]
    alone = [annotator_line("test2/0/b.jpg", (0.1, 0.2))]
    data = GazeTargets("gazefollow", gazefollow_folder(tmp_path, test=pair + alone))
    data.setup()
    metrics = {"avg": DistanceToMean(), "min": MinDistance(), "mean": MeanDistance(), "auc": GazeFollowAUC()}
    table = score(data.references(), data, metrics, Settings(resamples=20)).table["one annotator"]
    for name in ("avg", "min", "mean"):
        assert table[name].value == pytest.approx(0.2, abs=1e-6)
        assert (table[name].n, table[name].undefined) == (1, 1)
    assert 0.5 < table["auc"].value < 1 and table["auc"].undefined == 1
