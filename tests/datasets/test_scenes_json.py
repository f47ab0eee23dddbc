import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scenes_json import load, save
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial

BOXES = [[0, 0, 50, 100], [50, 0, 100, 100]]


def scene(**changes):
    return {"name": "a", "size_px": [100, 100], "boxes_px": BOXES} | changes


def path(**changes):
    return {"observer": "p1", "xy_px": [[10, 10], [60.25, 20]]} | changes


def write(folder, *scenes, **changes):
    file = folder / "scenes.json"
    file.write_text(json.dumps({"format": "gazekit-scenes/1", "scenes": list(scenes)} | changes))
    return file


def test_least_that_is_needed(tmp_path):
    write(tmp_path, scene(scanpaths=[{"xy_px": [[60, 1]]}]))
    dataset = load(tmp_path)
    assert dataset.scenes[0].target is None and dataset.scenes[0].categories is None
    assert dataset.trials[0].objects.tolist() == [1]
    assert dataset.trials[0].scanpath.duration_ms is None
    assert load(tmp_path / "scenes.json").fingerprint() == dataset.fingerprint()


def test_order_of_the_file_is_kept(tmp_path):
    paths = [path(observer="z"), path(observer="a"), path(observer="z")]
    dataset = load(write(tmp_path, scene(name="b", scanpaths=paths), scene(name="a")))
    assert [s.name for s in dataset.scenes] == ["b", "a"]
    assert [t.scanpath.observer for t in dataset.trials] == ["z", "a", "z"]


def test_given_objects_are_kept(tmp_path):
    dataset = load(write(tmp_path, scene(scanpaths=[path(objects=[1, 1])])))
    assert dataset.trials[0].objects.tolist() == [1, 1]


def test_round_trip_of_every_field(tmp_path):
    full = Scene(
        name="Ä 1",
        size_px=(100, 80),
        boxes_px=np.array([[0.1, 0, 50, 80], [50, 0, 100, 1 / 3]]),
        target=1,
        categories=("x", "y"),
        image_path=tmp_path / "pictures" / "a.jpg",
        start_xy_px=(1 / 7, 40.0),
        attributes={"rows": 1, "memory": ["x"], "deep": {"a": None}},
    )
    trials = (
        Trial(0, Scanpath([[1 / 3, 2]], [212.5], "p1"), np.array([1])),
        Trial(0, Scanpath([], observer="p2"), np.zeros(0, int)),
    )
    file = save((full, Scene("b", (9, 9), [])), tmp_path / "out" / "scenes.json", trials)
    assert json.loads(file.read_text(encoding="utf-8"))["scenes"][0]["image_path"] == "../pictures/a.jpg"
    back = load(file)
    first = back.scenes[0]
    for name in ("name", "size_px", "target", "categories", "image_path", "start_xy_px", "attributes"):
        assert getattr(first, name) == getattr(full, name)
    assert np.array_equal(first.boxes_px, full.boxes_px)
    assert back.scenes[1].name == "b" and len(back.scenes[1]) == 0
    for new, old in zip(back.trials, trials, strict=True):
        assert new.scene == old.scene and new.scanpath.observer == old.scanpath.observer
        assert np.array_equal(new.scanpath.xy_px, old.scanpath.xy_px)
        assert np.array_equal(new.objects, old.objects)
    assert back.trials[0].scanpath.duration_ms.tolist() == [212.5]
    assert back.trials[1].scanpath.duration_ms is None
    again = save(back, tmp_path / "out" / "again.json")
    assert again.read_bytes() == file.read_bytes()
    assert sorted(p.name for p in file.parent.iterdir()) == ["again.json", "scenes.json"]


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.integers(0, 1)), max_size=5), max_size=4
    )
)
def test_round_trip_of_any_scanpaths(tmp_path_factory, paths):
    trials = tuple(
        Trial(
            0, Scanpath([f[:2] for f in fixations], observer=str(i)), np.array([f[2] for f in fixations], int)
        )
        for i, fixations in enumerate(paths)
    )
    dataset = ScanpathDataset("any", (Scene("a", (100, 100), BOXES),), trials)
    back = load(save(dataset, tmp_path_factory.mktemp("any") / "x.json"))
    for new, old in zip(back.trials, trials, strict=True):
        assert np.array_equal(new.scanpath.xy_px, old.scanpath.xy_px)
        assert np.array_equal(new.objects, old.objects)


BROKEN_SCENES = {
    "unknown target": (scene(name="b", target=2), "scene 'b': target 2 is unknown, expected an object index"),
    "text target": (scene(name="b", target="x"), "target must be an object index or null, got 'x'"),
    "box outside": (
        scene(name="b", boxes_px=[[0, 0, 1, 101]]),
        "box 0 .* lies outside the 100 x 100 px picture",
    ),
    "box nan": (scene(name="b", boxes_px=[[0, 0, 1, None]]), "box 0 has a value that is not finite"),
    "box shape": (scene(name="b", boxes_px=[[0, 0, 1]]), r"boxes must have shape \[N, 4\], got \[1, 3\]"),
    "size": (
        scene(name="b", size_px=[100]),
        r"size_px must be \[width, height\] in whole pixels, got \[100\]",
    ),
    "categories": (scene(name="b", categories=["x"]), "1 categories for 2 boxes"),
    "start": (scene(name="b", start_xy_px=[1]), r"start_xy_px must be \[x, y\], got \[1\]"),
    "attributes": (scene(name="b", attributes=[]), "attributes must be an object"),
    "scanpaths": (scene(name="b", scanpaths={}), "scanpaths must be a list"),
    "misspelt": (
        scene(name="b", catgories=["x", "y"]),
        "unknown field 'catgories', expected only attributes, ",
    ),
    "missing": ({"name": "b", "size_px": [1, 1]}, "field 'boxes_px' is missing"),
    "no name": ({"size_px": [1, 1]}, "scene 1: field 'name' is missing"),
    "no object": (3, "scene 1: expected an object, got int"),
    "twice": (scene(), "scene 'a' occurs twice"),
}


@pytest.mark.parametrize("case", BROKEN_SCENES)
def test_broken_scene(tmp_path, case):
    broken, message = BROKEN_SCENES[case]
    file = write(tmp_path, scene(scanpaths=[path()]), broken)
    with pytest.raises(DataError, match=f"scenes.json, .*{message}"):
        load(file)
    dataset = load(file, on_bad_record="skip")
    assert len(dataset.scenes) == len(dataset.trials) == len(dataset.skipped) == 1


def test_broken_scene_takes_its_scanpaths_with_it(tmp_path):
    file = write(tmp_path, scene(scanpaths=[path()]), scene(name="b", target=9, scanpaths=[path(), path()]))
    dataset = load(file, on_bad_record="skip")
    assert len(dataset.trials) == 1
    assert dataset.skipped[0].endswith("(2 scanpaths of this scene left out with it)")


BROKEN_PATHS = {
    "nan": (path(xy_px=[[1, None]]), "fixation 0 has a position that is not finite"),
    "outside": (
        path(xy_px=[[101, 3]]),
        r"fixation 0 at \[101.0, 3.0\] lies outside the 100 x 100 px picture",
    ),
    "object range": (path(objects=[0, 2]), r"objects must be integers from 0 to 1, got \[0, 2\]"),
    "object count": (path(objects=[0]), "objects must have one index for each of 2 fixations"),
    "durations": (path(duration_ms=[1]), "duration_ms has 1 values for 2 fixations"),
    "missing": ({"observer": "p"}, "field 'xy_px' is missing"),
    "misspelt": (path(durations=[1, 2]), "unknown field 'durations', expected only duration_ms, "),
    "no object": ([1, 2], "expected an object, got list"),
}


@pytest.mark.parametrize("case", BROKEN_PATHS)
def test_broken_scanpath(tmp_path, case):
    broken, message = BROKEN_PATHS[case]
    file = write(tmp_path, scene(scanpaths=[path(), broken]))
    with pytest.raises(DataError, match=f"scenes.json, scene 'a', scanpath 1: {message}"):
        load(file)
    dataset = load(file, on_bad_record="skip")
    assert len(dataset.trials) == len(dataset.skipped) == 1


def test_broken_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"scenes_json needs data.root=FOLDER"):
        load()
    with pytest.raises(FileNotFoundError, match=r"lacks scenes.json"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file .*mine.json \(config key data.root\)"):
        load(tmp_path / "mine.json")
    with pytest.raises(DataError, match='expected "format": "gazekit-scenes/1", got \'gazekit-scenes/9\''):
        load(write(tmp_path, format="gazekit-scenes/9"))
    with pytest.raises(DataError, match='expected a list "scenes"'):
        load(write(tmp_path, scenes=3))
    with pytest.raises(DataError, match="found no usable scene"):
        load(write(tmp_path))
    file = write(tmp_path, scene())
    file.write_text(file.read_text()[:-3])
    with pytest.raises(DataError, match=r"scenes.json: not a readable JSON file"):
        load(file, on_bad_record="skip")


def test_save_refuses_what_it_could_not_read_back(tmp_path):
    one = Scene("a", (100, 100), BOXES)
    file = save([one], tmp_path / "x.json")
    before = file.read_bytes()
    with pytest.raises(ValueError, match="two scenes are called 'a'"):
        save([one, one], file)
    with pytest.raises(ValueError, match="a trial has scene 1, expected 0 to 0"):
        save([one], file, [Trial(1, Scanpath([]), np.zeros(0))])
    with pytest.raises(ValueError, match="scene 'b' cannot be written as JSON"):
        save([Scene("b", (9, 9), [], attributes={"a": float("nan")})], file)
    with pytest.raises(ValueError, match="trials must be empty if scenes is a data set"):
        save(ScanpathDataset("t", (one,), ()), file, [Trial(0, Scanpath([]), np.zeros(0))])
    assert file.read_bytes() == before


def test_real_data_survives(shared_data, tmp_path):
    from gazekit.datasets.sti_amazon_books import load as load_books

    dataset = load_books(shared_data / "sti_amazon_books")
    back = load(save(dataset, tmp_path / "books.json"))
    assert back.fingerprint() == dataset.fingerprint()
    assert all(np.array_equal(a.objects, b.objects) for a, b in zip(back.trials, dataset.trials, strict=True))
