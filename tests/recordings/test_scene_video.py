"""Frames of a video by index are the frames that sequential decoding gives, whatever the order and the frame rate."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.video import SceneVideo, frame_at


@pytest.fixture(scope="module")
def toy(shared_data: Path) -> Path:
    return shared_data / "annotation_toy/neon_export/toy-0001"


def toy_times(toy: Path) -> np.ndarray:
    ns = pd.read_csv(toy / "world_timestamps.csv")["timestamp [ns]"].to_numpy(np.int64)
    return (ns - ns[0]) / 1e6


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def b_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames of noise at odd times, key frames every 12, up to three B-frames between references."""
    path = tmp_path_factory.mktemp("video") / "b.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 12, 3
        stream.options = {"x264-params": "b-adapt=0:open-gop=1:scenecut=0"}
        times = np.cumsum(rng.integers(1000, 6000, 60))
        for index, pts in enumerate(times):
            picture = np.full((48, 64, 3), 4 * index, np.uint8)
            picture[: index % 48] = 255 - 4 * index
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(pts), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def orders(count: int) -> list[int]:
    shuffled = np.random.default_rng(1).permutation(count)[:60].tolist()
    return [*range(count), *shuffled, *range(20)[::-1], count - 1, count - 1, 0]


def check_every_frame(path: Path) -> None:
    expected = decoded(path)
    assert len({frame.tobytes() for frame in expected}) > 0.9 * len(expected)  # a wrong frame can be told
    with SceneVideo(path) as video:
        assert len(video) == len(expected)
        for index in orders(len(video)):
            np.testing.assert_array_equal(video.read(index), expected[index], err_msg=f"frame {index}")


def test_variable_frame_rate_every_frame(toy: Path):
    check_every_frame(next(toy.glob("*.mp4")))


def test_pupil_player_video_every_frame(shared_data: Path):
    check_every_frame(shared_data / "pupil_player_export/export/world.mp4")


def test_b_frames_and_open_groups_every_frame(b_frames: Path):
    with av.open(str(b_frames)) as container:
        packets = [(p.pts, p.dts) for p in container.demux(video=0) if p.size]
    assert any(a[0] > b[0] for a, b in pairwise(packets))  # it has B-frames
    check_every_frame(b_frames)


def test_times_of_the_toy_match_its_world_timestamps(toy: Path):
    with SceneVideo(next(toy.glob("*.mp4"))) as video:
        assert len(video) == 150 and video.size_px == (320, 240)
        assert np.abs(video.t_ms - toy_times(toy)).max() < 0.006
        assert np.diff(video.t_ms).max() > 90  # the gap after frame 70: no constant rate
        assert np.diff(video.t_ms).argmax() == 70


def test_times_of_pupil_player_are_its_pts(shared_data: Path):
    folder = shared_data / "pupil_player_export/export"
    pts = pd.read_csv(folder / "world_timestamps.csv")["pts"].to_numpy()
    with SceneVideo(folder / "world.mp4") as video:
        np.testing.assert_allclose(video.t_ms, pts / 65535 * 1000, rtol=0, atol=1e-9)


def test_frame_at_is_the_last_frame_not_later(toy: Path):
    times = toy_times(toy)
    with SceneVideo(next(toy.glob("*.mp4")), times) as video:
        np.testing.assert_array_equal(video.frame_at(times), np.arange(150))
        np.testing.assert_array_equal(video.frame_at(np.nextafter(times, -1)), np.arange(-1, 149))
        assert video.frame_at(times[70] + 80) == 70  # in the gap
        assert video.frame_at(times[-1] + 1e9) == 149


def test_frame_at_without_a_time_is_none():
    np.testing.assert_array_equal(frame_at(np.arange(3.0), [[np.nan, -0.1], [0, 2.5]]), [[-1, -1], [0, 2]])
    assert frame_at(np.empty(0), 3.0) == -1


def test_frames_reads_in_the_order_asked(toy: Path):
    path = next(toy.glob("*.mp4"))
    expected = decoded(path)
    with SceneVideo(path) as video:
        for index, frame in zip([3, 3, 99, 4], video.frames([3, 3, 99, 4]), strict=True):
            np.testing.assert_array_equal(frame, expected[index])


def test_a_picture_that_is_changed_changes_no_later_one(toy: Path):
    with SceneVideo(next(toy.glob("*.mp4"))) as video:
        first = video.read(5)
        kept = first.copy()
        first[:] = 0
        np.testing.assert_array_equal(video.read(5), kept)


def test_reading_in_order_does_not_seek(toy: Path, monkeypatch: pytest.MonkeyPatch):
    with SceneVideo(next(toy.glob("*.mp4"))) as video:
        seeks = []
        container = video._container

        class Spy:
            def seek(self, *args, **kwargs):
                seeks.append(args)
                return container.seek(*args, **kwargs)

            def __getattr__(self, name):
                return getattr(container, name)

        video._container = Spy()
        for _ in video.frames(range(150)):
            pass
        assert len(seeks) <= len(video._keys)


@pytest.mark.parametrize("index", [-1, 150])
def test_there_is_no_frame_outside(toy: Path, index: int):
    with SceneVideo(next(toy.glob("*.mp4"))) as video, pytest.raises(IndexError, match="frames 0 to 149"):
        video.read(index)


def test_another_number_of_times_is_an_error(toy: Path):
    with pytest.raises(RecordingError, match=r"150 frames.*149 frame times"):
        SceneVideo(next(toy.glob("*.mp4")), toy_times(toy)[:-1])


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_times_that_do_not_increase_are_an_error(toy: Path, bad: float):
    times = toy_times(toy)
    times[7] = bad
    with pytest.raises(RecordingError, match="do not increase"):
        SceneVideo(next(toy.glob("*.mp4")), times)


def test_what_is_no_video_is_told(tmp_path: Path, toy: Path):
    with pytest.raises(FileNotFoundError, match="no video"):
        SceneVideo(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(RecordingError, match="not a readable video"):
        SceneVideo(tmp_path / "empty.mp4")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(RecordingError, match="no video stream"):
        SceneVideo(tmp_path / "sound.wav")
    content = next(toy.glob("*.mp4")).read_bytes()
    (tmp_path / "strange.mp4").write_bytes(
        re.sub(b"stsd(.{12})(avc1|mp4v)", rb"stsd\1zzzz", content, flags=re.S)
    )
    with pytest.raises(RecordingError, match="codec is unknown"):
        SceneVideo(tmp_path / "strange.mp4")


def test_cut_anywhere_is_an_error_unless_only_remarks_behind_the_frames_are_lost(tmp_path: Path, toy: Path):
    source = next(toy.glob("*.mp4"))
    content = source.read_bytes()
    remarks = content.rindex(b"udta")
    last = decoded(source)[-1]
    for size in range(0, len(content), len(content) // 60):
        (tmp_path / "cut.mp4").write_bytes(content[:size])
        if size < remarks:
            with pytest.raises(RecordingError):
                SceneVideo(tmp_path / "cut.mp4")
        else:
            with SceneVideo(tmp_path / "cut.mp4") as video:
                np.testing.assert_array_equal(video.read(149), last)


def test_cut_with_its_index_in_front_is_an_error(tmp_path: Path, b_frames: Path):
    fast = tmp_path / "fast.mp4"
    with av.open(str(b_frames)) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    check_every_frame(fast)
    content = fast.read_bytes()
    for size in range(len(content) // 2, len(content) - 1, 101):
        (tmp_path / "cut.mp4").write_bytes(content[:size])
        with pytest.raises(RecordingError):
            SceneVideo(tmp_path / "cut.mp4").close()


def test_what_is_left_of_a_damaged_video_can_be_kept(tmp_path: Path, b_frames: Path):
    fast = tmp_path / "fast.mp4"
    with av.open(str(b_frames)) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with SceneVideo(fast, on_damage="keep") as video:
        whole = list(video.frames(range(len(video))))
        assert video.damage == ""
    (tmp_path / "cut.mp4").write_bytes(fast.read_bytes()[: fast.stat().st_size * 3 // 4])
    with SceneVideo(tmp_path / "cut.mp4", on_damage="keep") as video:
        assert "is damaged" in video.damage or "cut off" in video.damage
        assert 15 < len(video) < len(whole)
        good = 0
        for index in range(len(video)):
            try:
                np.testing.assert_array_equal(video.read(index), whole[index])
                good += 1
            except RecordingError as error:
                assert f"frame {index} cannot be decoded" in str(error)
        assert good > 15
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(RecordingError, match="not a readable video"):
        SceneVideo(tmp_path / "empty.mp4", on_damage="keep")


def test_damaged_pictures_are_told_or_are_those_that_decoding_gives(tmp_path: Path, toy: Path):
    source = next(toy.glob("*.mp4"))
    content = bytearray(source.read_bytes())
    at = content.index(b"mdat") + 20000
    content[at : at + 3000] = np.random.default_rng(0).bytes(3000)
    shutil.copy(source, tmp_path / "damaged.mp4")
    (tmp_path / "damaged.mp4").write_bytes(content)
    with (
        SceneVideo(tmp_path / "damaged.mp4") as video,
        pytest.raises(RecordingError, match="cannot be decoded"),
    ):
        list(video.frames(range(len(video))))
