"""BIDS derivatives: NIfTI files with responses to single presentations, and events that say what was presented.

    DERIVATIVES/sub-01/[ses-1/]func/sub-01_ses-1_task-see_run-1_space-T1w_betas.nii.gz     [X, Y, Z, presentations]
    DERIVATIVES/sub-01/.../sub-01_space-T1w_desc-brain_mask.nii.gz                          voxels that are read
    DERIVATIVES/sub-01/.../sub-01_space-T1w_label-V1_mask.nii.gz                            a region, for each mask
    DERIVATIVES/sub-01/.../sub-01_space-T1w_desc-NAME_dseg.nii.gz, .tsv (index, name)       an atlas: several regions
    RAW/sub-01/[ses-1/]func/sub-01_ses-1_task-see_run-1_events.tsv                          onset, ..., stim_file
    RAW/stimuli/...                                                                         the pictures

Betas may be those of GLMsingle or of any model of single presentations: volume t belongs to the t-th event (by onset)
that has a picture. With `kind="bold"` preprocessed time courses (`desc-preproc_bold`, as of fMRIPrep) are read instead:
the response to a presentation is then the mean signal in `window_s` after its onset, which is no model of
responses that overlap; single-presentation betas are better.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.datasets.bids_names import BidsFile, find_files, one_of
from gazekit.datasets.bids_volumes import NIFTI, Grid, grid_of, regions_of, responses_of
from gazekit.datasets.brain_arrays import brain_extra, read_table
from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_folder import random_parts
from gazekit.datasets.brain_layout import rows_of
from gazekit.datasets.brain_pictures import PictureFiles
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.datasets.records import DatasetInfo, OnBadRecord, find_root
from gazekit.errors import DataError

__all__ = ["INFO", "BrainBIDS", "load"]

INFO = DatasetInfo(
    name="brain_bids",
    title="Your own BIDS derivatives: NIfTI files of responses to single presentations, masks and atlases",
    licence="that of the data",
    citation="that of the data",
    source="your own recordings",
    files=("sub-*",),
    how_to_get="put the derivatives of your analysis there, as docs/brain_data.md says",
)

_NOTHING = ("", "n/a")


def load(
    root: str | Path | None = None,
    on_bad_record: OnBadRecord = "raise",
    raw: str | Path | None = None,
    kind: str = "betas",
    column: str = "stim_file",
    standardise: bool = True,
    window_s: Sequence[float] = (4.0, 8.0),
) -> BrainRecords:
    """The records; see `BrainBIDS` for the arguments.

    Args:
        on_bad_record: without effect: a file that does not fit the others makes all responses doubtful.
    """
    return read(find_root(root, INFO), raw, kind, column, standardise, window_s)[0]


def read(
    root: Path, raw: str | Path | None, kind: str, column: str, standardise: bool, window_s: Sequence[float]
) -> tuple[BrainRecords, dict[str, Grid]]:
    """The records, and the grid of each subject.

    Raises:
        FileNotFoundError: a file is not there. DataError: files that do not fit each other.
        ImportError: without the extra "brain".
    """
    brain_extra("nibabel")
    raw = root if raw is None else Path(raw).expanduser()
    found = [
        f for f in find_files(root, kind, NIFTI) if kind != "bold" or f.entities.get("desc") == "preproc"
    ]
    if not found:
        raise FileNotFoundError(f"{root} has no files sub-*_{kind}{NIFTI}: set data.kind to their suffix")
    runs: dict[str, list[BidsFile]] = {}
    for file in found:
        runs.setdefault(f"sub-{file.entities['sub']}", []).append(file)
    all_events = find_files(raw, "events", ".tsv")
    told = {
        file.path: _events(one_of(all_events, file.entities, "events", raw).path, column) for file in found
    }
    items = sorted({name for events in told.values() for name in events["picture"]})
    number = {name: i for i, name in enumerate(items)}
    blocks, subject_of, sides, grids = [], [], [], {}
    regions: dict[str, list[int]] = {}
    for who, (subject, files) in enumerate(runs.items()):
        grid = grid_of(root, subject, files[0])
        start = sum(map(len, subject_of))
        for region, voxels in regions_of(root, subject, grid).items():
            regions.setdefault(region, []).extend((start + voxels).tolist())
        parts = [responses_of(file, grid, told[file.path], standardise, window_s) for file in files]
        shown = np.array([number[name] for file in files for name in told[file.path]["picture"]], int)
        blocks.append(Block(np.concatenate(parts), rows_of(shown, len(items))))
        sides.append(grid.hemisphere())
        subject_of.append(np.full(blocks[-1].response.shape[1], who))
        grids[subject] = grid
    records = BrainRecords(
        name=root.resolve().name,
        items=items,
        blocks=blocks,
        subjects=list(runs),
        subject_of=np.concatenate(subject_of),
        regions=regions,
        hemisphere_of=np.concatenate(sides),
        pictures=_pictures(raw / "stimuli", items),
        notes=["responses are means of the signal in a window, not betas"] if kind == "bold" else (),
    )
    return records, grids


def _events(path: Path, column: str) -> Any:
    """Onsets (s) and pictures of the events that have one, in the order of onsets."""
    table = read_table(path, ("onset", column))
    table = table[~table[column].isin(_NOTHING)]
    try:
        onset = table["onset"].astype(float)
    except ValueError as error:
        raise DataError(f"{path}: onset must be seconds ({error})") from error
    table = table.assign(onset=onset, picture=table[column]).sort_values("onset", kind="stable")
    return table[["onset", "picture"]].reset_index(drop=True)


def _pictures(folder: Path, items: list[str]) -> PictureFiles:
    paths = [folder / name for name in items]
    if absent := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"{absent[0]} does not exist, one of {len(absent)} pictures that events name")
    return PictureFiles(paths)


class BrainBIDS(BrainData):
    """Derivatives of a BIDS set, see the module. Needs `pip install 'gazekit-attention[brain]'`.

    Args:
        root: folder of the derivatives.
        raw: folder of the raw set, with events and stimuli; None: they are in `root`, too.
        kind: suffix of the files with responses; "bold" for preprocessed time courses.
        column: of the events, which names the picture below `stimuli`; events with "n/a" there are left out.
        standardise: each voxel to mean 0 and sd 1 within each file.
        window_s: see the module; for "bold".
        fractions, split_seed: of the pictures in train, val and test, see `brain_folder.random_parts`.
        backbone, ...: see `BrainData`.

    Attributes:
        grids: subject to `Grid`, set by `setup`.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        raw: str | Path | None = None,
        kind: str = "betas",
        column: str = "stim_file",
        standardise: bool = True,
        window_s: Sequence[float] = (4.0, 8.0),
        fractions: Sequence[float] = (0.8, 0.1, 0.1),
        split_seed: int = 0,
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        grid: int | None = None,
        features_root: str | Path | None = None,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, layers, weights, size_px, grid, features_root, batch_size, split, seed)
        self.root, self.reading = root, (raw, kind, column, standardise, window_s)
        self.fractions, self.split_seed = fractions, split_seed

    def setup(self, stage: str | None = None) -> None:
        """Read the folders and look at the pictures; raises as `read` does."""
        if self.records is None:
            records, self.grids = read(find_root(self.root, INFO), *self.reading)
            self.use(records, random_parts(len(records.items), self.fractions, self.split_seed))
