"""What looks like a recording by its name and is none is told with the reason."""

import shutil

import pytest

from gazekit.cli import main
from gazekit.errors import RecordingError
from gazekit.recordings.find import find_recordings
from gazekit.recordings.recording import Recording

HEADER = "section id,recording id,timestamp [ns],gaze y [px]\n"


@pytest.fixture
def study(tmp_path, shared_data):
    shutil.copy(shared_data / "eyelink_asc" / "cili_mono500.asc", tmp_path)
    files = {
        "empty.asc": "", "raw.edf": "SR_RESEARCH", "odd.asc": "ncols 4\n", "cloud/gaze.csv": HEADER,
        "cloud/fixations.csv": HEADER, "g3/recording.g3": "{}", "export.tsv": "Timestamp\tGaze X\tGaze Y\n1\t2\t3\n",
        "g2/segments/1/livedata.json.gz": "x", "sub-1_physio.tsv.gz": "x",
    }  # fmt: skip
    others = {
        "README": "", "LICENSE": "x", "a.png": "", "notes.txt": "", "eeg.edf": "0       X",
        "trials.csv": "recording,onset_ms,offset_ms,stimulus\n", "events.csv": "kind,eye,onset_ms,x_px,y_px\n",
    }  # fmt: skip
    for name, text in (files | others).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path, others


def test_in_a_folder_they_fail_and_other_files_are_left_alone(study, capfd):
    folder, others = study
    found = find_recordings([folder])
    assert [path.name for path, _ in found.recordings] == ["cili_mono500.asc"]
    assert sorted(path.name for path in found.others) == sorted(others)
    failed = {path.relative_to(folder).as_posix(): reason for path, reason in found.failed.items()}
    parts = {
        "empty.asc": "the file is empty", "raw.edf": "edf2asc", "odd.asc": "not EyeLink text",
        "cloud": "no column 'gaze x [px]'", "g3": "lacks gazedata.gz", "export.tsv": "columns=",
        "g2": "lacks recording.json",
        "sub-1_physio.tsv.gz": "no JSON",
    }  # fmt: skip
    assert failed.keys() == parts.keys()
    assert all(part in failed[name] for name, part in parts.items()), failed
    assert main(["recording", "info", str(folder)]) == 1
    assert "8 of 9 recordings failed" in capfd.readouterr().err


def test_opening_one_says_why_and_a_folder_names_what_it_holds(study):
    folder, _ = study
    with pytest.raises(RecordingError, match="no column 'gaze x"):
        Recording.open(folder / "cloud")
    with pytest.raises(RecordingError, match="no column 'gaze x"):
        Recording.open(folder / "cloud" / "gaze.csv")
    with pytest.raises(RecordingError, match="convert it with SR Research's edf2asc"):
        Recording.open(folder / "raw.edf")
    with pytest.raises(RecordingError, match=r"a folder of recordings, .* for instance: cili_mono500.asc"):
        Recording.open(folder)
