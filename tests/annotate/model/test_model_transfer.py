"""A model of another project begins a new one: labels by name, predictions from the first frame, nothing believed."""

import json
import shutil
import zipfile

import pytest

from gazekit.annotate.model import checkpoints, model_transfer
from gazekit.annotate.model.model import Model
from gazekit.annotate.project import Project
from gazekit.annotate.session import AnnotationSession, project_setup
from gazekit.models.impn import Learner
from gazekit.models.impn.detector import TinyDetector

COLOURS = {"cup-left": "#112233", "book": "#445566", "cup-right": "#778899"}


@pytest.fixture
def recording(shared_data):
    return shared_data / "annotation_toy" / "neon_export" / "toy-0001"


@pytest.fixture
def old(recording, tmp_path):
    """A project with a model of four columns, of which the third has been merged away."""
    with Project.create(tmp_path / "old", recording) as project:
        for name in ("cup-left", "cup-right", "mistake", "book"):
            colour = {"colour": COLOURS[name]} if name in COLOURS else {}
            project.store.act({"op": "label.add", "name": name} | colour, "ada")
        project.store.act({"op": "label.merge", "label": "mistake", "into": "book"}, "ada")
        session = AnnotationSession(
            project, TinyDetector([f"label {k}" for k in range(1, 5)]), Learner(4, 128, [[0, 1]])
        )
        session.loop.model.labels = [label for label in project.store.labels() if label["id"] > 0]
        session.loop.model.learner.held_out.meet(range(20))
        session.loop.model.version = 3
        session.loop.model.save()
        session.close()
    return tmp_path / "old"


@pytest.fixture
def elsewhere(recording, tmp_path):
    """Another recording of as many frames: the first one's video alone."""
    return next(recording.glob("*.mp4"))


def exported(old, folder):
    with Project.open(old) as project:
        session = AnnotationSession(project)
        folder.mkdir()
        path = session.export("model", folder)
        session.close()
    return path


@pytest.mark.parametrize("kind", ["project", "checkpoint", "export"])
def test_labels_and_model_come_along(old, elsewhere, tmp_path, kind):
    source = {"project": old, "checkpoint": old / "checkpoints" / "000003"}.get(kind)
    source = exported(old, tmp_path / "out") if source is None else source
    taken = model_transfer.read_model(source)
    with Project.create(tmp_path / "new", elsewhere) as project:
        model_transfer.start_with(taken, project)
        labels = {label["name"]: label for label in project.store.labels() if label["id"] > 0}
        assert {name: label["colour"] for name, label in labels.items()} == COLOURS
        assert {name: label["id"] for name, label in labels.items()} == {
            "cup-left": 1,
            "cup-right": 2,
            "book": 4,
        }
        assert labels["cup-left"]["group"] == labels["cup-right"]["group"] == "cup"
        session = AnnotationSession(project)
        assert session.model_status()["version"] == 1 and session.loop.model.ready
        assert session.loop.model.learner.exclusive == ((0, 1),)
        assert not session.loop.model.learner.held_out.known  # frames of another recording
        assert session.frame(0)["predictions"] is not None and session.loop.predictions[0].version == 1
        session.act({"op": "label.add", "name": "new"}, "ada")
        assert {label["name"]: label["id"] for label in project.store.labels()}["new"] == 5
        session.close()


def test_a_renamed_label_comes_by_its_name_of_today(old):
    with Project.open(old) as project:
        project.store.act({"op": "label.update", "label": "book", "name": "magazine"}, "ada")
    assert {label["name"] for label in model_transfer.read_model(old).labels.values()} == {
        "cup-left",
        "cup-right",
        "magazine",
    }


def began(source, recording, folder):
    project_setup.create_project(str(folder), str(recording), str(source)).close()
    return folder, checkpoints.read(folder / "checkpoints" / "000001")


def test_frames_of_the_same_recording_stay_held_out(old, recording, tmp_path):
    about = old / "checkpoints" / "000003" / "about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"origins": [[20, 15], [15, 15]]}))
    out = exported(old, tmp_path / "out")
    for source in (old, out):
        folder, (_, learner, about) = began(source, recording, tmp_path / f"again {source.name}")
        assert learner.held_out.kept_out == {4, 9, 14, 19} and list(learner.held_out.known) == list(range(20))
        assert about["origins"] == [[20, 15], [15, 15]] and about["of"]["before"] == []
        with Project.open(folder) as project:
            assert about["of"] == project.identity
            model = Model(project.checkpoints, identity=project.identity)
        assert model._held_out.kept_out == {4, 9, 14, 19} and model._origins == {20: 15, 15: 15}


def test_a_recording_that_was_learnt_longer_ago_is_refused(old, recording, elsewhere, tmp_path):
    between, (_, learner, about) = began(old, elsewhere, tmp_path / "between")
    assert not learner.held_out.known and len(about["of"]["before"]) == 1
    again, (_, _, about) = began(between, elsewhere, tmp_path / "again")
    assert len(about["of"]["before"]) == 1
    with pytest.raises(ValueError, match="was trained on this recording before"):
        project_setup.create_project(str(tmp_path / "third"), str(recording), str(again))


def test_other_frames_of_the_same_recording_are_refused(old, recording, tmp_path):
    with Project.open(old) as project:
        identity = project.identity
    about = old / "checkpoints" / "000003" / "about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"of": identity | {"frames": "others"}}))
    with pytest.raises(ValueError, match="use a model of other recordings, or start without"):
        project_setup.create_project(str(tmp_path / "third"), str(recording), str(old))


@pytest.mark.parametrize(
    "told", [{"of": ["x"]}, {"of": {"frames": 3}}, {"origins": 7}, {"origins": [[1]]},
             {"of": {"frames": "a", "recording": "b", "before": [7]}}]
)  # fmt: skip
def test_what_an_export_says_of_its_recording_is_checked(old, tmp_path, told):
    folder = tmp_path / "checkpoint"
    shutil.copytree(old / "checkpoints" / "000003", folder)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | told))
    with pytest.raises(ValueError, match=r"about\.json must have of"):
        model_transfer.read_model(folder)


def test_a_label_that_came_after_the_last_update_stays_behind(old, elsewhere, tmp_path):
    with Project.open(old) as project:
        project.store.act({"op": "label.add", "name": "new one"}, "ada")
    with project_setup.create_project(str(tmp_path / "new"), str(elsewhere), str(old)) as project:
        assert {label["name"] for label in project.store.labels() if label["id"] > 0} == set(COLOURS)


def test_only_a_new_project_begins_with_it(old, recording, tmp_path):
    taken = model_transfer.read_model(old)
    with Project.create(tmp_path / "new", recording) as project:
        project.store.act({"op": "label.add", "name": "mine"}, "ada")
        with pytest.raises(ValueError, match="is for a new project"):
            model_transfer.start_with(taken, project)


def test_options_of_the_shell(old, recording, tmp_path):
    words = (str(tmp_path / "new"), str(recording), str(old))
    assert project_setup.existing_project(*words) is None
    project_setup.create_project(*words).close()
    with project_setup.existing_project(*words) as project:  # the same words again open it
        assert {label["name"] for label in project.store.labels()} > set(COLOURS)
        assert checkpoints.latest(project.checkpoints).name == "000001"
    with pytest.raises(ValueError, match="model= is for a new project"):
        project_setup.existing_project(str(old), *words[1:])
    with pytest.raises(FileNotFoundError, match="no such project, checkpoint or export"):
        project_setup.create_project(str(tmp_path / "third"), str(recording), str(tmp_path / "gone"))
    assert not (tmp_path / "third").exists()  # nothing is made before the model could be read


@pytest.mark.parametrize("there", [False, True])
def test_what_fails_leaves_no_half_project(old, elsewhere, tmp_path, monkeypatch, there):
    folder = tmp_path / "new"
    if there:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")

    def full(*told):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write", full)
        with pytest.raises(OSError, match="no space left"):
            project_setup.create_project(str(folder), str(elsewhere), str(old))
    assert [path.name for path in tmp_path.glob("new/*")] == [
        "notes.txt"
    ] * there and folder.exists() == there
    project_setup.create_project(str(folder), str(elsewhere), str(old)).close()


def test_what_holds_no_model_is_refused(recording, tmp_path):
    Project.create(tmp_path / "empty", recording).close()
    with pytest.raises(ValueError, match="has no model yet"):
        model_transfer.read_model(tmp_path / "empty")
    with pytest.raises(ValueError, match="cannot be used"):
        model_transfer.read_model(recording)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match=r"not a readable \.zip"):
        model_transfer.read_model(tmp_path / "text.zip")


def members(old):
    folder = old / "checkpoints" / "000003"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def packed(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_hostile_exports_are_refused(old, tmp_path):
    good = members(old)
    assert model_transfer.read_model(packed(tmp_path / "good.zip", good)).labels
    for number, (change, said) in enumerate(
        (
            ({"../evil.txt": b"x"}, "expected the files about.json"),
            ({"/etc/evil": b"x"}, "expected the files about.json"),
            ({"sub/about.json": b"{}"}, "expected the files about.json"),
            ({"about.json": b" " * ((1 << 20) + 1)}, r"about\.json has 1048577 bytes, the limit is 1048576"),
            ({"about.json": b"[]"}, "lacks trained_on"),
            ({"about.json": b"\xff\xfe"}, "cannot be used"),
            ({"about.json": b"[" * 200_000}, "nested too deeply"),
            ({"learner.safetensors": good["learner.safetensors"][:-9]}, "damaged"),
            ({"detector.safetensors": b""}, "cannot be used"),
        )
    ):
        path = packed(tmp_path / f"{number}.zip", good | change)
        with pytest.raises(ValueError, match=said):
            model_transfer.read_model(path)
    assert not list(tmp_path.rglob("evil*"))
    whole = (tmp_path / "good.zip").read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cannot be used"):
            model_transfer.read_model(tmp_path / "cut.zip")


def test_an_export_packed_otherwise_and_damaged_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", dict.fromkeys(model_transfer.MEMBERS, b"x" * 500), zipfile.ZIP_LZMA)
    whole = path.read_bytes()
    for at in range(30, 80):  # what the first member is packed with
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with pytest.raises(ValueError, match="cannot be used"):
            model_transfer.read_model(path)


@pytest.mark.parametrize(
    "labels",
    [
        None,
        [],
        [{"id": 9, "name": "cup", "colour": "#112233", "group": ""}],
        [{"id": 1, "name": 7, "colour": "#112233", "group": ""}],
        [{"id": 1, "name": "cup", "colour": "red", "group": ""}],
        [{"id": k, "name": "cup", "colour": "#112233", "group": ""} for k in (1, 2)],
        [{"id": 1, "name": name, "colour": "#112233", "group": ""} for name in ("cup", "pen")],
        [{"id": 1, "name": "Background", "colour": "#112233", "group": ""}],
        [{"id": k, "name": name, "colour": "#112233", "group": ""} for k, name in ((1, "cup"), (2, "Cup "))],
        ["cup"],
    ],
)
def test_labels_of_an_export_are_checked(old, tmp_path, labels):
    folder = tmp_path / "checkpoint"
    shutil.copytree(old / "checkpoints" / "000003", folder)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps(about | {"labels": labels}))
    with pytest.raises(ValueError, match="labels"):
        model_transfer.read_model(folder)


def test_detector_and_learner_must_belong_together(old, tmp_path):
    Learner(4, 8).save(old / "checkpoints" / "000003" / "learner.safetensors")
    with pytest.raises(ValueError, match="do not match"):
        model_transfer.read_model(old)
