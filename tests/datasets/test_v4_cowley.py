"""V4 sessions: folders as they are published, folds by picture, clear errors."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from shell import run_here

from gazekit.datasets.v4_cowley import V4Cowley, fold_parts, picture_folds, read_session
from gazekit.errors import DataError


def make_session(root, pictures=20, neurons=3, repeats=None, name="000001"):
    """A session of small random pictures; returns the responses."""
    root.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    with zipfile.ZipFile(root / f"images_{name}.zip", "w") as archive:
        archive.writestr(f"images_{name}/", "")
        for k in random.permutation(pictures) + 1:  # in any order
            file = io.BytesIO()
            Image.new("RGB", (16, 16), (int(10 * k), 0, 0)).save(file, "JPEG", quality=95)
            archive.writestr(f"images_{name}/image{k:04d}.jpg", file.getvalue())
    if repeats is None:
        values = random.normal(size=(neurons, pictures))
        np.save(root / f"responses_{name}.npy", values)
    else:
        values = random.normal(size=(neurons, pictures, repeats))
        values[:, ::2, -1] = np.nan
        np.save(root / f"responses_raw_{name}.npy", values)
    return values


def data_of(root, **options):
    data = V4Cowley(root, backbone="squeezenet1_0", weights="random", layers=["fire2"], grid=2, **options)
    data.setup()
    return data


def test_a_session_is_read_in_the_order_of_its_numbers(tmp_path):
    values = make_session(tmp_path)
    records = read_session(tmp_path)
    assert records.items[:2] == ["image0001", "image0002"]
    reds = [int(records.pictures[k][..., 0].mean()) for k in range(20)]
    assert np.allclose(reds, 10 * np.arange(1, 21), atol=4)
    assert np.allclose(records.mean(np.array([3, 1])), values[:, [3, 1]].T, atol=1e-6)
    assert records.repeats(np.arange(20)) is None


def test_missing_repeats_are_left_out_of_means(tmp_path):
    values = make_session(tmp_path, repeats=4)
    records = read_session(tmp_path)
    assert np.allclose(records.mean(np.arange(20)), np.nanmean(values, 2).T, atol=1e-6)
    repeats = records.repeats(np.arange(20))
    assert repeats.shape == (4, 20, 3)
    assert np.isnan(repeats[-1, ::2]).all() and not np.isnan(repeats[:, 1::2]).any()


def test_folds_are_the_published_ones_and_share_no_picture():
    order = np.random.default_rng(0).permutation(1200)
    assert all(np.array_equal(fold, order[k::5]) for k, fold in enumerate(picture_folds(1200)))
    for k in range(5):
        parts = fold_parts(1200, k, 5)
        assert [len(parts[part]) for part in ("train", "val", "test")] == [768, 192, 240]
        assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1200))


def test_all_pictures_and_single_folds(tmp_path):
    make_session(tmp_path)
    data = data_of(tmp_path, split="all")
    assert data.facts()["layers"] == {"fire2": [128, 2, 2]}
    assert len(data.parts["all"]) == 20
    tested = [data.in_fold(k).parts["test"] for k in range(5)]
    assert np.array_equal(np.sort(np.concatenate(tested)), np.arange(20))
    batch = next(iter(data.in_fold(2).batches("test")))
    assert batch["group"].tolist() == tested[2].tolist()
    assert data.parts["test"].tolist() == tested[0].tolist()


def test_the_experiment_predicts_every_picture_of_a_session(tmp_path):
    """All folds, from the command line; repeats give a ceiling and normalised scores."""
    make_session(tmp_path / "session", pictures=30, repeats=3)
    rows = [f"metrics.baselines.{row}" for row in ("control", "factorised", "gaussian")]
    sizes = [f"{row}.{size}" for row in ["model", *rows] for size in ("grid=2", "members=2", "steps=2")]
    grids = [size if size.startswith("model") else f"+{size}" if ".grid" in size else size for size in sizes]
    run_here(
        "evaluate",
        "+experiment=brain_v4",
        f"data.root={tmp_path / 'session'}",
        *(
            "data.backbone=squeezenet1_0",
            "data.weights=random",
            "data.layers=[fire2]",
            "data.size_px=[32,32]",
        ),
        *("data.grid=2", "data.folds=2", "data.features_root=null", "metrics.resamples=20"),
        *("+metrics.baselines.ridge.grid=2", "+metrics.baselines.ridge.alphas=[1,3,3]", *grids),
        "run_dir=run",
        cwd=tmp_path,
    )
    table = json.loads((tmp_path / "run" / "metrics.json").read_text())
    text = json.dumps(table)
    assert all(row in text for row in ("attention - factorised", "factorised - ridge", "noise ceiling"))
    assert "nested cross-validation: 2 folds" in (tmp_path / "run" / "report.md").read_text()


def test_what_is_wrong_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data.root.*images_SESSION.zip"):
        read_session(tmp_path)
    make_session(tmp_path / "one")
    np.save(tmp_path / "one" / "responses_000001.npy", np.zeros((3, 19)))
    with pytest.raises(DataError, match=r"responses to 19 pictures, .* has 20"):
        read_session(tmp_path / "one")
    np.save(tmp_path / "one" / "responses_000001.npy", np.zeros(20))
    with pytest.raises(DataError, match="neurons, pictures"):
        read_session(tmp_path / "one")
    (tmp_path / "one" / "responses_000001.npy").unlink()
    with pytest.raises(FileNotFoundError, match="no responses of session 000001"):
        read_session(tmp_path / "one")
    (tmp_path / "one" / "images_2.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="2 sessions"):
        read_session(tmp_path / "one")
    (tmp_path / "one" / "images_000001.zip").unlink()
    (tmp_path / "one" / "responses_2.npy").touch()
    with pytest.raises(DataError, match="no zip file"):
        read_session(tmp_path / "one")
    with pytest.raises(ValueError, match=r"data\.fold must be from 0"):
        V4Cowley(tmp_path, fold=5)


@pytest.mark.parametrize(
    "folder, counts, first",
    [("v4_cowley_gpl3", (1200, 33), 5.5789475), ("v4_cowley_raw", (640, 50), 3.7142856)],
)
def test_the_real_sessions(shared_data, folder, counts, first):
    records = read_session(shared_data / folder)
    assert (len(records.items), records.voxels) == counts
    assert records.pictures[0].shape == (112, 112, 3)
    assert float(records.mean(np.array([0]))[0, 0]) == pytest.approx(first, rel=1e-6)
    if folder == "v4_cowley_raw":  # 6 (36), 7 (261), 8 (294), 9 (45), 10 (4)
        repeats = records.repeats(np.arange(640))
        shown = (~np.isnan(repeats[..., 0])).sum(0)
        assert np.bincount(shown)[6:].tolist() == [36, 261, 294, 45, 4]
