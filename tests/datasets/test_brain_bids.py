import sys

import cv2
import numpy as np
import pytest

from gazekit.datasets.bids_names import find_files
from gazekit.datasets.brain_bids import BrainBIDS, load
from gazekit.datasets.check import check
from gazekit.errors import DataError

nibabel = pytest.importorskip("nibabel")

SHAPE = (3, 4, 2)
AFFINE = np.diag([2.0, 2, 2, 1]) + np.array([[0, 0, 0, -1.0], [0] * 4, [0] * 4, [0] * 4])  # x: -1, 1, 3 mm
DRAW = np.random.default_rng(0)
ORDER = {1: ["b.png", "a.png", "n/a", "c.png"], 2: ["a.png", "d.png", "n/a", "b.png"]}
BETAS = {run: DRAW.normal(size=(*SHAPE, 3)).astype(np.float32) for run in ORDER}
MASK = np.ones(SHAPE, bool)
MASK[0, 0, 0] = False


def save(path, values, affine=AFFINE, step_s=2.0):
    image = nibabel.Nifti1Image(np.asarray(values, np.float32), affine)
    if image.ndim == 4:
        image.header.set_zooms((2, 2, 2, step_s))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


@pytest.fixture
def folders(tmp_path):
    """Derivatives and a raw set of one subject with two runs."""
    out, raw = tmp_path / "derivatives", tmp_path / "raw"
    for run, names in ORDER.items():
        save(out / "sub-01" / "func" / f"sub-01_task-see_run-{run}_space-T1w_betas.nii.gz", BETAS[run])
        events = raw / "sub-01" / "func" / f"sub-01_task-see_run-{run}_events.tsv"
        events.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{4 * k}\t2\t{name}" for k, name in enumerate(names)]
        events.write_text("onset\tduration\tstim_file\n" + "\n".join(reversed(rows)) + "\n")  # in any order
    (raw / "stimuli").mkdir()
    for k, name in enumerate("abcd"):
        cv2.imwrite(str(raw / "stimuli" / f"{name}.png"), np.full((20, 20, 3), 40 * k, np.uint8))
    anat = out / "sub-01" / "anat"
    save(anat / "sub-01_space-T1w_desc-brain_mask.nii.gz", MASK)
    save(anat / "sub-01_space-MNI_desc-brain_mask.nii.gz", np.ones((5, 5, 5)))
    v1 = np.zeros(SHAPE)
    v1[1, 1] = 1
    save(anat / "sub-01_space-T1w_label-V1_mask.nii.gz", v1)
    atlas = np.zeros(SHAPE)
    atlas[2] = 7
    save(anat / "sub-01_space-T1w_desc-lobes_dseg.nii.gz", atlas)
    (anat / "sub-01_space-T1w_desc-lobes_dseg.tsv").write_text("index\tname\n7\toccipital\n8\tfrontal\n")
    return out, raw


def test_betas_belong_to_the_pictures_of_events(folders):
    records = load(folders[0], raw=folders[1], standardise=False)
    assert records.items == ["a.png", "b.png", "c.png", "d.png"] and records.subjects == ["sub-01"]
    one, two = (BETAS[run][MASK].T for run in (1, 2))
    expected = np.stack([(one[1] + two[0]) / 2, (one[0] + two[2]) / 2, one[2], two[1]])
    np.testing.assert_allclose(records.mean(np.arange(4)), expected, rtol=1e-5, atol=1e-6)
    assert records.repeats(np.array([0])).shape == (2, 1, MASK.sum())
    standard = load(folders[0], raw=folders[1]).repeats(np.arange(4))
    np.testing.assert_allclose(np.nanmean(np.nansum(standard, (0, 1))), 0, atol=1e-5)


def test_regions_and_hemispheres_are_of_the_mask(folders):
    records = load(folders[0], raw=folders[1])
    voxels = np.argwhere(MASK)
    assert voxels[records.regions["V1"]].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert (voxels[records.regions["occipital"]][:, 0] == 2).all() and len(records.regions["occipital"]) == 8
    np.testing.assert_array_equal(records.hemisphere_of, voxels[:, 0] > 0)
    assert set(records.regions) == {"V1", "occipital"}


def test_data_of_a_folder(folders):
    look = {"backbone": "squeezenet1_0", "weights": "random", "layers": ["fire2"], "size_px": [32, 32]}
    data = BrainBIDS(folders[0], folders[1], fractions=(0.5, 0.25, 0.25), **look)
    data.setup()
    assert data.batch([0, 1])["features"]["fire2"].shape == (2, 128, 6, 6)
    grid = data.grids["sub-01"]
    volume = grid.volume(np.arange(MASK.sum()))
    assert np.isnan(volume[0, 0, 0]) and volume[2, 3, 1] == MASK.sum() - 1 and volume.shape == SHAPE
    np.testing.assert_array_equal(grid.affine, AFFINE)


def test_without_a_mask_voxels_that_change_are_read(folders):
    (folders[0] / "sub-01" / "anat" / "sub-01_space-T1w_desc-brain_mask.nii.gz").unlink()
    still = BETAS[1].copy()
    still[2, 2, :] = 5
    save(folders[0] / "sub-01" / "func" / "sub-01_task-see_run-1_space-T1w_betas.nii.gz", still)
    assert load(folders[0], raw=folders[1]).voxels == 24 - 2


def test_time_courses_are_averaged_in_a_window(folders):
    out, raw = folders
    series = DRAW.normal(size=(*SHAPE, 10)).astype(np.float32)  # of 2 s, so middles are at 1, 3, 5, ... s
    for run in ORDER:
        save(out / "sub-01" / "func" / f"sub-01_task-see_run-{run}_desc-preproc_bold.nii.gz", series)
        save(out / "sub-01" / "func" / f"sub-01_task-see_run-{run}_desc-smooth_bold.nii.gz", series)
    records = load(out, raw=raw, kind="bold", standardise=False)
    inside = series.min(3) < series.max(3)
    one = series[inside].T
    repeats = records.repeats(np.arange(4))
    np.testing.assert_allclose(
        repeats[0, 1], one[[2, 3]].mean(0), rtol=1e-5, atol=1e-6
    )  # b at 0 s: 5 and 7 s
    np.testing.assert_allclose(
        repeats[0, 2], one[[8, 9]].mean(0), rtol=1e-5, atol=1e-6
    )  # c at 12 s: 17 and 19 s
    assert records.notes == ["responses are means of the signal in a window, not betas"]
    late = load(out, raw=raw, kind="bold", standardise=False, window_s=(20, 24))
    assert np.isnan(late.mean(np.arange(4))[2]).all()


def test_a_copy_is_checked(folders):
    out, raw = folders
    for path in raw.iterdir():
        path.rename(out / path.name) if path.name == "stimuli" else None
    for path in (raw / "sub-01" / "func").iterdir():
        path.rename(out / "sub-01" / "func" / path.name)
    assert check("brain_bids", out).fingerprint["presentations"] == 6


def test_what_does_not_fit_is_named(folders):
    out, raw = folders
    func = out / "sub-01" / "func"
    first = func / "sub-01_task-see_run-1_space-T1w_betas.nii.gz"
    events = raw / "sub-01" / "func" / "sub-01_task-see_run-1_events.tsv"
    text = events.read_text()

    def fails(error, message, repair):
        with pytest.raises(error, match=message):
            load(out, raw=raw)
        repair()

    save(first, BETAS[1][..., :2])
    fails(DataError, "2 volumes, but the events have 3", lambda: save(first, BETAS[1]))
    events.write_text(text.replace("0\t2", "soon\t2"))
    fails(DataError, "onset must be seconds", lambda: events.write_text(text))
    events.write_text(text.replace("c.png", "e.png"))
    fails(FileNotFoundError, r"e\.png does not exist, one of 1 pictures", lambda: events.write_text(text))
    events.write_text(text.replace("stim_file", "picture"))
    fails(
        DataError, "has no column stim_file, found: onset, duration, picture", lambda: events.write_text(text)
    )
    copy = events.with_name("sub-01_task-see_run-1_desc-two_events.tsv")
    copy.write_text(text)
    fails(DataError, "2 files with events of sub-01_task-see_run-1", copy.unlink)
    events.unlink()
    fails(FileNotFoundError, "no events of sub-01_task-see_run-1", lambda: events.write_text(text))
    first.write_bytes(first.read_bytes()[:200])
    fails(DataError, "no NIfTI file that can be read", lambda: save(first, BETAS[1]))
    save(first, BETAS[1][..., 0])
    fails(DataError, r"must be \[X, Y, Z, presentations\]", lambda: save(first, BETAS[1]))
    mask = out / "sub-01" / "anat" / "sub-01_space-T1w_label-V1_mask.nii.gz"
    save(mask, np.ones((3, 4, 3)))
    fails(DataError, "on another grid", lambda: None)
    save(mask, MASK, AFFINE + np.eye(4))
    fails(DataError, "elsewhere in space: resample it", mask.unlink)
    names = out / "sub-01" / "anat" / "sub-01_space-T1w_desc-lobes_dseg.tsv"
    names.write_text("index\tname\n8\tfrontal\n")
    fails(DataError, r"has region 7, which its \.tsv does not name", lambda: None)
    brain = out / "sub-01" / "anat" / "sub-01_space-T1w_desc-brain_mask.nii.gz"
    save(brain, np.zeros(SHAPE))
    fails(DataError, "has no voxel inside", lambda: None)
    with pytest.raises(FileNotFoundError, match=r"no files sub-\*_beta\.nii\.gz: set data\.kind"):
        load(out, kind="beta")


def test_without_the_extra_it_says_how_to_get_it(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"pip install 'gazekit-attention\[brain\]'"):
        load(folders[0], raw=folders[1])


def test_names_are_taken_apart(tmp_path):
    for name in (
        "sub-01_task-see_run-1_betas.nii.gz",
        "sub-02_betas.nii.gz",
        "betas.nii.gz",
        "sub-01_xbetas.nii.gz",
    ):
        (tmp_path / name).touch()
    found = find_files(tmp_path, "betas", ".nii.gz")
    assert [file.entities for file in found] == [{"sub": "01", "task": "see", "run": "1"}, {"sub": "02"}]
