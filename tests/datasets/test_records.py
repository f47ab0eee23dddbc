import numpy as np
import pytest

from gazekit.datasets import NAMES, info, load
from gazekit.datasets.files import clip_boxes, grid_boxes, join_xy, read_json, read_mat
from gazekit.datasets.records import (
    BadRecords,
    DataError,
    DatasetBuilder,
    DatasetInfo,
    ScanpathDataset,
    find_root,
    natural_key,
)
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial

HALVES = [[0, 0, 5, 10], [5, 0, 10, 10]]


def scene(name="a"):
    return Scene(name, (10, 10), HALVES)


def builder_with(*names, on_bad_record="raise", **options):
    builder = DatasetBuilder("test", on_bad_record, **options)
    for name in names:
        with builder.scene(name, f"file, {name}"):
            builder.add_scene(scene(name))
    return builder


def test_natural_key_counts():
    assert sorted(["10.jpg", "2.jpg", "a", "1.jpg", "01.jpg"], key=natural_key) == [
        "01.jpg",
        "1.jpg",
        "2.jpg",
        "10.jpg",
        "a",
    ]


def test_result_is_sorted_whatever_the_order_of_the_files():
    builder = builder_with("10", "9")
    for name, observer in (("10", "b"), ("9", "s10"), ("9", "s9"), ("10", "a")):
        builder.add_scanpath(name, Scanpath([[1, 1], [6, 1]], observer=observer))
    dataset = builder.build()
    assert [s.name for s in dataset.scenes] == ["9", "10"]
    assert [(t.scene, t.scanpath.observer) for t in dataset.trials] == [
        (0, "s9"),
        (0, "s10"),
        (1, "a"),
        (1, "b"),
    ]
    assert all(t.objects.tolist() == [0, 1] for t in dataset.trials)


def test_given_objects_and_open_ones_stay_apart():
    builder = builder_with("a", keep_order=True)
    builder.add_scanpath("a", Scanpath([[1, 1]]), objects=[1])
    builder.add_scanpath("a", Scanpath([[1, 1], [9, 9], [1, 1]]))
    builder.add_scanpath("a", Scanpath(np.zeros((0, 2))))
    builder.add_scanpath("a", Scanpath([[9, 9]]))
    assert [t.objects.tolist() for t in builder.build().trials] == [[1], [0, 1, 0], [], [1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda b: b.add_scanpath("b", Scanpath([[1, 1]])),
            "image 'b' has no layout, expected one of the 1 known",
        ),
        (
            lambda b: b.add_scanpath("a", Scanpath([[1, 1], [10.5, 3]])),
            r"fixation 1 at \[10.5, 3.0\] lies outside the 10 x 10 px picture",
        ),
        (lambda b: b.add_scanpath("a", Scanpath([[-1, 3]])), "lies outside"),
        (lambda b: b.add_scanpath("a", Scanpath([[1, 1]]), [2]), r"integers from 0 to 1, got \[2\]"),
        (lambda b: b.add_scanpath("a", Scanpath([[1, 1]]), [-1]), "integers from 0 to 1"),
        (lambda b: b.add_scanpath("a", Scanpath([[1, 1]]), [0.5]), "must be integers"),
        (lambda b: b.add_scanpath("a", Scanpath([[1, 1]]), [0, 1]), r"each of 1 fixations, got shape \[2\]"),
    ],
    ids=["layout", "right", "left", "range", "negative", "fraction", "length"],
)
def test_scanpath_that_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(builder_with("a"))


def test_right_and_lower_edges_belong_to_the_picture():
    builder = builder_with("a")
    builder.add_scanpath("a", Scanpath([[10, 10], [0, 0]]))
    assert builder.build().trials[0].objects.tolist() == [1, 0]


def test_scene_without_objects():
    builder = DatasetBuilder("test", "raise")
    builder.add_scene(Scene("a", (10, 10), []))
    builder.add_scanpath("a", Scanpath([]))
    with pytest.raises(ValueError, match="scene 'a' has no objects"):
        builder.add_scanpath("a", Scanpath([[1, 1]]))


def test_bad_scene_takes_its_scanpaths_with_it():
    builder = builder_with("a", on_bad_record="skip")
    with builder.scene("b", "file, b"):
        raise ValueError("broken")
    for name in "abb":
        with builder.scanpath(f"file, path of {name}"):
            builder.add_scanpath(name, Scanpath([[1, 1]]))
    dataset = builder.build()
    assert len(dataset.scenes) == len(dataset.trials) == 1
    assert dataset.skipped == ("file, b: broken (2 scanpaths of this scene left out with it)",)


def test_scene_that_occurs_twice():
    with pytest.raises(DataError, match="file, a: scene 'a' occurs twice, expected one record per scene"):
        builder_with("a", "a")
    assert len(builder_with("a", "a", on_bad_record="skip").build().skipped) == 1


def test_raise_names_the_record_and_the_way_out():
    builder = builder_with("a")
    with pytest.raises(DataError, match=r"file, record 3: field 'X' is missing.*data.on_bad_record=skip"):
        with builder.scanpath("file, record 3"):
            _ = {}["X"]


def test_nothing_left():
    with pytest.raises(DataError, match=r"test: found no usable scene$"):
        DatasetBuilder("test", "skip").build()
    builder = builder_with("a", on_bad_record="skip")
    with builder.scanpath("file, record 0"):
        raise ValueError("broken")
    with pytest.raises(DataError, match=r"found no usable scanpath; the first of 1 skipped .* 0: broken"):
        builder.build()


def test_scenes_alone_are_a_data_set():
    assert builder_with("a").build().trials == ()


def test_on_bad_record_is_checked():
    with pytest.raises(ValueError, match="on_bad_record must be 'raise' or 'skip', got 'ignore'"):
        BadRecords("ignore")


@pytest.mark.parametrize("change", ["drop", "shift", "observer", "name"])
def test_fingerprint_changes_with_the_data(change):
    def dataset(name="a", observer="p", xy=((1, 1), (2, 2))):
        return ScanpathDataset(
            "t", (scene(name),), (Trial(0, Scanpath(xy, observer=observer), [0] * len(xy)),)
        )

    changed = {
        "drop": {"xy": ((1, 1),)},
        "shift": {"xy": ((1, 1), (2, 2.01))},
        "observer": {"observer": "q"},
        "name": {"name": "b"},
    }[change]
    assert dataset().fingerprint() == dataset().fingerprint()
    assert dataset().fingerprint()["digest"] != dataset(**changed).fingerprint()["digest"]


def test_fingerprint_of_scenes_alone_has_no_means():
    assert np.isnan(ScanpathDataset("t", (scene(),), ()).fingerprint()["mean_x_px"])


def test_find_root(tmp_path):
    card = DatasetInfo("osie", "", "", "", "", files=("fixations.mat",))
    with pytest.raises(FileNotFoundError, match=r"osie needs data.root=FOLDER with:\n    fixations.mat"):
        find_root(None, card)
    with pytest.raises(FileNotFoundError, match=r"nowhere \(config key data.root\) does not exist"):
        find_root(tmp_path / "nowhere", card)
    with pytest.raises(FileNotFoundError, match=r"lacks fixations.mat.*\n.*\n.*gazekit data fetch osie"):
        find_root(tmp_path, card)
    (tmp_path / "fixations.mat").touch()
    assert find_root(str(tmp_path), card) == tmp_path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": [1, 2', "not a readable JSON file, is it complete"),
        ("", "not a readable JSON file"),
        ("\udcff", "not a readable JSON file"),
        ('{"a": 1, "a": 2}', "key 'a' occurs twice"),
        ("[1]", "expected a JSON object, got list"),
    ],
    ids=["cut", "empty", "bytes", "twice", "kind"],
)
def test_read_json_tells_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=f"broken.json: .*{message}"):
        read_json(path, dict)


def test_read_mat_tells_what_is_wrong(tmp_path):
    from scipy.io import savemat

    path = tmp_path / "some.mat"
    savemat(path, {"labels": {"img": "a"}, "number": 3.0}, do_compression=True)
    assert read_mat(path, "labels") == [{"img": "a"}]
    with pytest.raises(DataError, match=r"some.mat: expected a variable 'fixations', found labels, number"):
        read_mat(path, "fixations")
    with pytest.raises(DataError, match="expected 'number' to be a struct array"):
        read_mat(path, "number")
    whole = path.read_bytes()
    for content in (b"", whole[:50], whole[:127], whole[:140], whole[:-7], b"no matlab " * 50):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"some.mat: not a readable MATLAB file, is it complete"):
            read_mat(path, "labels")


def test_grid_boxes_tile_the_picture_row_by_row():
    boxes = grid_boxes((12, 4), rows=2, columns=3)
    assert boxes.tolist() == [
        [0, 0, 4, 2],
        [4, 0, 8, 2],
        [8, 0, 12, 2],
        [0, 2, 4, 4],
        [4, 2, 8, 4],
        [8, 2, 12, 4],
    ]
    with pytest.raises(ValueError, match="at least one row and one column, got 0 x 3"):
        grid_boxes((12, 4), 0, 3)


def test_clip_boxes_counts_what_it_cuts():
    boxes, cut = clip_boxes([[-1, 0, 5, 5], [1, 1, 10, 10], [8, 8, 12, 9]], (10, 10))
    assert cut == 2
    assert boxes.tolist() == [[0, 0, 5, 5], [1, 1, 10, 10], [8, 8, 10, 9]]


def test_join_xy():
    assert join_xy(3, 4).tolist() == [[3, 4]]
    assert join_xy([], []).shape == (0, 2)
    with pytest.raises(ValueError, match="x has 2 values but y has 1"):
        join_xy([1, 2], [3])


def test_unknown_data_set():
    with pytest.raises(ValueError, match=r"unknown data set 'mit1003', expected one of: .*osie"):
        load("mit1003")


@pytest.mark.parametrize("name", [n for n in NAMES if n != "synthetic_search"])
def test_cards_are_complete(name, repo_root):
    card = info(name)
    assert card.name == name
    assert card.title and card.licence and card.source and card.files
    assert card.downloads or card.how_to_get
    assert all(d.url.startswith("https://") for d in card.downloads.values())
    assert all(d.sha256 for d in card.downloads.values()) or card.counts
    text = (repo_root / "data" / "cards" / f"{name}.md").read_text(encoding="utf-8")
    assert card.licence.split(";")[0] in text
    assert all(digest in text for digest in card.known)
