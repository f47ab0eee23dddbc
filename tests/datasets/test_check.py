import json

import pytest

from gazekit.datasets.check import check
from gazekit.datasets.scenes_json import save
from gazekit.errors import DataError
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial


@pytest.fixture
def file(tmp_path):
    trial = Trial(0, Scanpath([[1, 1]], observer="p"), [0])
    return save([Scene("a", (10, 10), [[0, 0, 5, 5]])], tmp_path / "scenes.json", [trial])


@pytest.mark.parametrize("way", ["file", "text", "folder", "name"])
def test_file_folder_or_name(file, way):
    arguments = {
        "file": (file,),
        "text": (str(file),),
        "folder": (file.parent,),
        "name": ("scenes_json", file),
    }
    report = check(*arguments[way])
    assert report.name == "scenes_json"
    assert report.fingerprint["scanpaths"] == 1
    assert report.known is None and report.skipped == ()
    lines = report.lines()
    assert lines[0] == "scenes_json"
    assert "  mean_x_px   1.000" in lines
    assert not any("digest: not an error" in line for line in lines)  # a file of the user has no known copies
    assert lines[-1] == "  broken      none"


def test_broken_records_are_listed(file):
    content = json.loads(file.read_text())
    content["scenes"][0]["scanpaths"].append({"xy_px": [[99, 1]]})
    file.write_text(json.dumps(content))
    report = check(file)
    assert report.fingerprint["scanpaths"] == 1
    assert report.lines()[-2] == "  broken      1 records"
    assert "scene 'a', scanpath 1: fixation 0 at [99.0, 1.0] lies outside" in report.lines()[-1]


def test_nothing_to_check(tmp_path):
    with pytest.raises(ValueError, match=r"'oise' is neither a file nor a data set, expected one of: .*osie"):
        check("oise")
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere.json"):
        check(tmp_path / "nowhere.json")
    with pytest.raises(FileNotFoundError, match=r"osie: the folder .* lacks fixations.mat"):
        check("osie", tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DataError, match=r"x.json: not a readable JSON file"):
        check(tmp_path / "x.json")


def test_known_copy(shared_data):
    report = check("sti_amazon_books", shared_data / "sti_amazon_books")
    assert report.known.startswith("subset of 80 of the 100 images")
    assert "  filtered    12 scanpaths: length beyond mean +- 3 sd" in report.lines()
    assert any(line.startswith("  copy        subset of 80") for line in report.lines())
