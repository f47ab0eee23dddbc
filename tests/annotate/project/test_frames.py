"""JPEGs of frames: the right ones, at most so many bytes, the next ones ahead."""

import threading
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.annotate.project.byte_cache import ByteCache
from gazekit.annotate.project.frames import Frames
from gazekit.errors import RecordingError


class Numbered:
    """100 frames, each as bright as its number; remembers what was decoded."""

    def __init__(self, broken=()):
        self.read_indices, self.broken, self.closed = [], broken, False

    def __len__(self):
        return 100

    def read(self, index):
        if not 0 <= index < 100:
            raise IndexError(f"frames 0 to 99, got {index}")
        if index in self.broken:
            raise RecordingError(f"frame {index} cannot be decoded")
        self.read_indices.append(index)
        return np.full((48, 64, 3), 2 * index, np.uint8)

    def close(self):
        self.closed = True


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture
def numbered():
    source = Numbered()
    frames = Frames(lambda: source, ahead=5)
    yield frames, source
    frames.close()


def test_a_frame_is_the_one_asked_for(numbered):
    frames, _ = numbered
    for index in (3, 99, 0, 50, 50):
        assert abs(int(decoded(frames.jpeg(index))[0, 0, 0]) - 2 * index) <= 2
    assert decoded(frames.jpeg(3, 32)).shape == (24, 32, 3)
    assert decoded(frames.jpeg(3, 640)).shape == (48, 64, 3)  # never larger than it is


def test_colours_are_kept():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255  # RGB
    source = Numbered()
    source.read = lambda index: red
    frames = Frames(lambda: source)
    assert decoded(frames.jpeg(0))[8, 8].tolist()[2] > 200  # OpenCV's BGR
    frames.close()


def test_a_frame_is_decoded_once(numbered):
    frames, source = numbered
    first = frames.jpeg(40)
    assert frames.jpeg(40) == first
    frames.jpeg(40, 32)
    assert source.read_indices == [40]


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_steps_are_decoded_ahead_in_their_direction(numbered):
    frames, source = numbered
    frames.jpeg(50)
    frames.jpeg(51)
    wait_for(lambda: source.read_indices[-5:] == [52, 53, 54, 55, 56])
    source.read_indices.clear()
    frames.jpeg(80)  # a jump
    frames.jpeg(79)
    wait_for(lambda: source.read_indices == [80, 79, 74, 75, 76, 77, 78])


def test_the_end_and_damage_stop_what_is_decoded_ahead():
    source = Numbered(broken=(60,))
    frames = Frames(lambda: source, ahead=5)
    frames.jpeg(98)
    frames.jpeg(99)
    frames.jpeg(58)
    frames.jpeg(59)
    with pytest.raises(RecordingError, match="frame 60 cannot"):
        frames.jpeg(60)
    frames.jpeg(61)
    with pytest.raises(IndexError):
        frames.jpeg(100)
    frames.close()


def test_a_missing_video_is_told_when_a_frame_is_asked_for():
    def opener():
        raise FileNotFoundError("no video scene.mp4")

    frames = Frames(opener)
    with pytest.raises(FileNotFoundError, match=r"scene\.mp4"):
        frames.jpeg(0)
    frames.close()


def test_memory_is_bounded():
    size = 48 * 64 * 3
    source = Numbered()
    frames = Frames(lambda: source, jpeg_bytes=20_000, picture_bytes=10 * size, ahead=0)
    for index in [*range(100)] * 2:
        frames.jpeg(index)
    assert frames.bytes_kept <= 20_000 + 10 * size
    frames.close()


def test_many_at_once_get_their_own_frame(numbered):
    frames, _ = numbered
    wrong = []

    def steps(start):
        for index in range(start, start + 30):
            if abs(int(decoded(frames.jpeg(index))[0, 0, 0]) - 2 * index) > 2:
                wrong.append(index)

    threads = [threading.Thread(target=steps, args=(start,)) for start in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 8), st.binary(max_size=12)), max_size=40), st.integers(0, 30))
def test_cache_holds_the_newest_that_fit(puts, limit):
    cache, held = ByteCache(limit), []
    for key, value in puts:
        cache.put(key, value)
        held = [(k, v) for k, v in held if k != key] + [(key, value)]
        while sum(len(v) for _, v in held) > limit:
            held.pop(0)
    assert {key: cache.get(key) for key in range(9) if key in cache} == dict(held)
    assert cache.used == sum(len(v) for _, v in held)
