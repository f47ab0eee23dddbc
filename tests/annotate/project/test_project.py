"""What a project takes from a recording, a video or images, and what it says when these are gone or others."""

import shutil

import cv2
import numpy as np
import pytest

from gazekit.annotate.project import Project
from gazekit.annotate.project.labels import BACKGROUND as OURS
from gazekit.annotate.project.pictures import ImageFolder, image_files
from gazekit.annotate.project.store import Store
from gazekit.errors import RecordingError, StoreError
from gazekit.recordings import Recording
from gazekit.recordings.aoi import BACKGROUND
from gazekit.recordings.video import SceneVideo


@pytest.fixture
def toy(shared_data):
    return shared_data / "annotation_toy/neon_export/toy-0001"


def test_a_recording_with_its_frames_and_fixations(toy, tmp_path):
    recording = Recording.open(toy)
    with Project.create(tmp_path / "study" / "p01", toy) as project:
        assert (project.name, project.size_px, project.n_frames) == ("toy", (320, 240), 150)
        np.testing.assert_array_equal(project.frame_t_ms, recording.frame_t_ms)
        assert project.px_per_dva == recording.camera.px_per_dva and project.checkpoints.is_dir()
        columns = project.store.fixations()
        assert columns["onset_ms"] == recording.fixations()["onset_ms"].tolist()
        assert columns["frame"][:4] == [6, 17, 26, 33] and set(columns["label"]) == {None}
        with project.pictures() as video, SceneVideo(recording.video) as same:
            np.testing.assert_array_equal(video.read(77), same.read(77))
        with pytest.raises(ValueError, match="frames 0 to 149"):
            project.store.act({"op": "frame.confirm", "frame": 150}, "ada")
    with Project.open(tmp_path / "study" / "p01") as project:
        assert project.n_frames == 150 and project.is_of(toy) and not project.is_of(tmp_path)
        assert project.recording_path == toy.resolve() and project.store.events() == []
    with pytest.raises(FileExistsError, match="already holds a project"):
        Project.create(tmp_path / "study" / "p01", toy)


def test_a_video_alone(toy, tmp_path):
    with Project.create(tmp_path / "p", next(toy.glob("*.mp4")), name="walk") as project:
        assert project.name == "walk" and project.n_frames == 150 and project.recording is None
        assert project.px_per_dva is None and project.store.fixations()["id"] == []
        with project.pictures() as video:
            assert video.read(3).shape == (240, 320, 3)


def test_a_folder_of_images_in_the_order_of_their_numbers(tmp_path):
    folder = tmp_path / "desk"
    folder.mkdir()
    for name, red in (("a10.png", 10), ("a2.png", 2), ("a1.png", 1)):
        cv2.imwrite(str(folder / name), np.full((6, 8, 3), (0, 0, red), np.uint8))
    (folder / "notes.txt").write_text("no image")
    assert image_files(folder) == ["a1.png", "a2.png", "a10.png"]
    with Project.create(tmp_path / "p", folder) as project, project.pictures() as pictures:
        assert (project.size_px, len(pictures), project.name) == ((8, 6), 3, "desk")
        assert [pictures.read(i)[0, 0].tolist() for i in range(3)] == [[1, 0, 0], [2, 0, 0], [10, 0, 0]]
        with pytest.raises(IndexError, match="images 0 to 2, got -1"):
            pictures.read(-1)
        cv2.imwrite(str(folder / "a2.png"), np.zeros((7, 8, 3), np.uint8))
        with pytest.raises(RecordingError, match="8 x 7 px, but the first"):
            pictures.read(1)
        (folder / "a2.png").write_bytes(b"")
        with pytest.raises(RecordingError, match="not a readable image"):
            pictures.read(1)
        (folder / "a2.png").unlink()
        with pytest.raises(FileNotFoundError, match=r"no image .*a2\.png"):
            pictures.read(1)
    with pytest.raises(RecordingError, match="not a readable image"):
        (folder / "a1.png").write_bytes(b"broken")
        ImageFolder(folder, ["a1.png"])


def test_a_project_moves_with_its_recording_and_works_without_it(toy, tmp_path):
    shutil.copytree(toy, tmp_path / "one" / "rec")
    Project.create(tmp_path / "one" / "project", tmp_path / "one" / "rec").close()
    (tmp_path / "one").rename(tmp_path / "two")
    with Project.open(tmp_path / "two" / "project") as project:
        assert project.recording_path == (tmp_path / "two" / "rec").resolve()
        shutil.rmtree(tmp_path / "two" / "rec")
        with pytest.raises(FileNotFoundError, match="restore it, or its place relative to the project"):
            project.pictures()
        assert not project.is_of(toy)
        project.store.act({"op": "frame.confirm", "frame": 1}, "ada")  # labels are there all the same
        assert len(project.mapped_fixations()) == 14


def test_another_recording_in_its_place_is_told(toy, tmp_path):
    shutil.copytree(toy, tmp_path / "rec")
    with Project.create(tmp_path / "project", tmp_path / "rec") as project:
        path = tmp_path / "rec" / "world_timestamps.csv"
        lines = path.read_text().splitlines()
        lines[5] = lines[5][:-3] + "999"
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(RecordingError, match="not the recording that was labelled"):
            project.pictures()


def test_what_cannot_be_a_project_is_told(toy, shared_data, tmp_path):
    with pytest.raises(FileNotFoundError, match="no project in"):
        Project.open(tmp_path)
    with pytest.raises(FileNotFoundError):
        Project.create(tmp_path / "p", tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="unrecognised format"):
        Project.create(tmp_path / "p", tmp_path)
    with pytest.raises(RecordingError, match="without a scene video"):
        Project.create(
            tmp_path / "p", next((shared_data / "tobii_glasses2_demo").parent.glob("tobii_glasses2_demo"))
        )
    video = tmp_path / "cut.mp4"
    video.write_bytes(next(toy.glob("*.mp4")).read_bytes()[:5000])
    with pytest.raises(RecordingError, match=r"cut\.mp4"):
        Project.create(tmp_path / "p", video)
    assert not Project.exists(tmp_path / "p")
    Store(tmp_path / "project.sqlite").close()
    with pytest.raises(StoreError, match="creating this project was interrupted"):
        Project.open(tmp_path)


@pytest.mark.parametrize(
    "left", ["checkpoints/000003", "checkpoints/detections.safetensors", "project.sqlite-wal"]
)
def test_what_is_left_of_a_project_is_not_taken_over(toy, tmp_path, left):
    folder = tmp_path / "p"
    (folder / left).mkdir(parents=True)
    with pytest.raises(FileExistsError, match=rf"remains of a project, {left}, .* use another folder"):
        Project.create(folder, toy)
    assert not Project.exists(folder)
    (folder / left).rmdir()
    Project.create(folder, toy).close()


def test_projects_of_one_recording_know_each_other(toy, tmp_path):
    video = next(toy.glob("*.mp4"))
    shutil.copytree(toy, tmp_path / "renamed")
    made = [("a", toy), ("b", tmp_path / "renamed"), ("c", video)]
    projects = [Project.create(tmp_path / name, of) for name, of in made]
    a, b, c = (project.identity for project in projects)
    for project in projects:
        project.close()
    assert a["recording"] == b["recording"] != "" and a["frames"] == b["frames"] != c["frames"]
    assert c["recording"] == "" and a["project"] != b["project"]


def test_background_has_one_name():
    assert OURS == BACKGROUND


def test_a_project_from_before_gets_a_uuid_when_it_is_opened(toy, tmp_path):
    with Project.create(tmp_path / "p", toy) as project:
        project.store._db.execute("DELETE FROM meta WHERE key = 'uuid'")
    with Project.open(tmp_path / "p") as project:
        uuid = project.uuid
    with Project.open(tmp_path / "p") as project:
        assert len(uuid) == 36 and project.uuid == uuid
