import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gazekit.backbones import load_backbone
from gazekit.errors import DataError
from gazekit.features import BackboneExtractor, Features, data_fingerprint, extract, features_folder


class Mean:
    """Mean and number of values of "x"; counts its calls and fails in the call that it is told."""

    def __init__(self, fails_in=None, **more):
        self.recipe = {"extractor": "mean", **more}
        self.calls, self.fails_in = [], fails_in

    def __call__(self, rows):
        self.calls.append(list(rows["key"]))
        if len(self.calls) == self.fails_in:
            raise KeyboardInterrupt
        return {
            "mean": np.array([x.mean(0) for x in rows["x"]], np.float32),
            "count": np.array([len(x) for x in rows["x"]]),
        }


def rows_of(count=11, seed=0):
    draw = np.random.default_rng(seed)
    return [{"key": f"row{i}", "x": draw.random((1 + i % 3, 4))} for i in range(count)]


def run(extractor, rows, folder, **more):
    settings = {"shard_rows": 4, "batch_size": 3, "progress": False} | more
    return extract(extractor, rows, folder, **settings)


def files_of(features):
    return {path.name: path.read_bytes() for path in features.folder.iterdir()}


def test_features_are_those_of_the_rows(tmp_path):
    rows = rows_of()
    features = run(Mean(), rows, tmp_path)
    assert len(features) == 11 and features.keys == [row["key"] for row in rows]
    for i, row in enumerate(rows):
        np.testing.assert_allclose(features[i]["mean"], row["x"].mean(0), rtol=1e-6)
        assert features[row["key"]]["count"] == len(row["x"])
    assert features.read("mean").shape == (11, 4)
    np.testing.assert_array_equal(features.read("count", ["row4", -1]), [2, 2])
    assert len(list(features)) == 11


def test_batches_end_with_their_shard(tmp_path):
    mean = Mean()
    run(mean, rows_of(), tmp_path)
    assert [len(keys) for keys in mean.calls] == [3, 1, 3, 1, 3]


@pytest.mark.parametrize("call", [1, 2, 3, 5])
def test_a_broken_run_goes_on_with_the_same_bytes(tmp_path, call):
    whole = run(Mean(), rows_of(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Mean(fails_in=call), rows_of(), tmp_path / "broken")
    again = Mean()
    features = run(again, rows_of(), tmp_path / "broken")
    assert files_of(features) == files_of(whole)
    assert len(again.calls) == 5 - 2 * ((call - 1) // 2)  # whole shards were not made again


def test_finished_features_are_not_computed_again(tmp_path):
    first = run(Mean(), rows_of(), tmp_path)
    again = Mean()
    assert run(again, rows_of(), tmp_path, shard_rows=5).folder == first.folder
    assert again.calls == []


def test_other_recipe_or_data_is_another_folder(tmp_path):
    first = run(Mean(), rows_of(), tmp_path)
    others = [run(Mean(power=2), rows_of(), tmp_path), run(Mean(), rows_of(seed=1), tmp_path)]
    changed = rows_of()
    changed[5] = changed[5] | {"x": changed[5]["x"] + 1e-9}
    others.append(run(Mean(), changed, tmp_path))
    assert len({features.folder for features in [first, *others]}) == 4
    assert first.folder == features_folder(tmp_path, Mean().recipe, data_fingerprint(rows_of()))


def test_an_unfinished_run_keeps_its_sizes(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Mean(fails_in=3), rows_of(), tmp_path)
    with pytest.raises(
        DataError, match=r"was begun with shard_rows=4, batch_size=3: go on with that, or delete"
    ):
        run(Mean(), rows_of(), tmp_path, shard_rows=5, batch_size=2)
    unfinished = features_folder(tmp_path, Mean().recipe, data_fingerprint(rows_of()))
    with pytest.raises(FileNotFoundError, match="holds no finished features"):
        Features(unfinished)


def test_any_iterable_with_a_fingerprint(tmp_path):
    expected = run(Mean(), rows_of(), tmp_path / "a", data="mine")
    with pytest.raises(KeyboardInterrupt):
        run(Mean(fails_in=4), iter(rows_of()), tmp_path / "b", data="mine")
    assert files_of(run(Mean(), iter(rows_of()), tmp_path / "b", data="mine")) == files_of(expected)
    with pytest.raises(ValueError, match="rows that are no sequence need data="):
        run(Mean(), iter(rows_of()), tmp_path)


def test_no_rows(tmp_path):
    features = run(Mean(), [], tmp_path)
    assert len(features) == 0 and features.keys == []


def test_errors(tmp_path):
    twice = [*rows_of(3), rows_of(1)[0]]
    with pytest.raises(ValueError, match="two rows have the key 'row0'"):
        run(Mean(), twice, tmp_path)
    with pytest.raises(ValueError, match="engine must be local or ray"):
        run(Mean(), rows_of(), tmp_path, engine="dask")
    features = run(Mean(), rows_of(), tmp_path)
    with pytest.raises(KeyError, match="no row 'other'"):
        features["other"]
    with pytest.raises(IndexError, match="row 11 of 11"):
        features[11]
    with pytest.raises(TypeError, match="column 'x' holds Python objects"):
        data_fingerprint([{"key": "a", "x": [None]}])


def test_features_must_fit_the_rows(tmp_path):
    class Ragged(Mean):
        def __call__(self, rows):
            return {"x": np.zeros((len(rows["key"]), len(self.calls))), **super().__call__(rows)}

    with pytest.raises(
        ValueError, match=r"feature 'x' of the 1 rows from 'row3' on has shape \[1, 1\], expected \[1, 0\]"
    ):
        run(Ragged(), rows_of(), tmp_path)


def test_a_full_disk_leaves_nothing_broken(tmp_path, monkeypatch):
    from gazekit.features import shards

    def full(path, tensors, metadata):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(shards, "save_tensors", full)
        with pytest.raises(OSError, match="no space left"):
            run(Mean(), rows_of(), tmp_path)
    assert len(run(Mean(), rows_of(), tmp_path)) == 11


def test_backbone_features_of_pictures_of_any_size(tmp_path):
    backbone = load_backbone("squeezenet1_0", "random", ["fire2", "logits"], size_px=(40, 50))
    draw = np.random.default_rng(0)
    rows = [
        {"key": str(i), "image": draw.integers(0, 256, (30 + i, 60, 3), dtype=np.uint8)} for i in range(5)
    ]
    extractor = BackboneExtractor(backbone, "float16")
    features = run(extractor, rows, tmp_path)
    expected = backbone(backbone.preprocess([rows[2]["image"]]))
    assert features[2]["fire2"].shape == (128, 8, 11) and features[2]["fire2"].dtype == np.float16
    np.testing.assert_allclose(features["2"]["logits"], expected["logits"][0], atol=2e-3)
    assert json.loads((features.folder / "plan.json").read_text())["recipe"] == extractor.recipe


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_ray_gives_the_same_bytes(tmp_path):
    pytest.importorskip("ray")
    backbone = load_backbone("squeezenet1_0", "random", ["fire5"], size_px=(64, 64))
    draw = np.random.default_rng(0)
    rows = [{"key": str(i), "image": draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)} for i in range(40)]
    extractor = BackboneExtractor(backbone)
    local = run(extractor, rows, tmp_path / "local", shard_rows=8, batch_size=5)
    by_ray = run(extractor, rows, tmp_path / "ray", shard_rows=8, batch_size=5, engine="ray")
    assert files_of(by_ray) == files_of(local)


def command(folder, weights, count):
    script = Path(__file__).with_name("features_run.py")
    return [sys.executable, str(script), str(folder), str(weights), str(count)]


@pytest.mark.slow
def test_ten_thousand_pictures_killed_twice(tmp_path, shared_data):
    weights = shared_data / "squeezenet_imagenet"
    peak_mb = {
        count: float(subprocess.check_output(command(tmp_path / str(count), weights, count)))
        for count in (2_000, 10_000)
    }
    draw = random.Random(0)
    for least in (draw.randint(1, 12), draw.randint(14, 30)):
        process = subprocess.Popen(command(tmp_path / "killed", weights, 10_000))
        while len(list((tmp_path / "killed").glob("*/0*.safetensors"))) < least:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(draw.random())
        process.kill()
        process.wait()
        assert not list((tmp_path / "killed").glob("*/whole.json"))
    subprocess.check_output(command(tmp_path / "killed", weights, 10_000))
    (broken,), (whole,) = ([Features(f) for f in (tmp_path / name).iterdir()] for name in ("killed", "10000"))
    assert files_of(broken) == files_of(whole)
    assert len(broken) == 10_000 and len(files_of(broken)) == 42
    assert peak_mb[10_000] < peak_mb[2_000] + 30, peak_mb
