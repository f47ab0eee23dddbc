"""An hour at 30 frames per second on the page: the timeline and the queue stay smooth, a step is quick."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from browser_page import until
from selenium_keys import RIGHT

FRAMES, FPS = 108_000, 30
SIZE = (96, 72)

pytestmark = pytest.mark.slow

# Scrolls by one step before every repaint; how many repaints a second, and the longest time between two.
SCROLL = """
const [step, n, done] = arguments;
const move = new Function("k", step);
const times = [];
requestAnimationFrame(function next(now) {
  times.push(now);
  if (times.length > n) {
    const gaps = times.slice(1).map((t, k) => t - times[k]).sort((a, b) => a - b);
    return done([1000 * n / (times[n] - times[0]), gaps[Math.floor(n * 0.99)]]);
  }
  move(times.length);
  requestAnimationFrame(next);
});
"""


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    """A Pupil Cloud folder of one hour: a small video, and 9,000 fixations."""
    folder = tmp_path_factory.mktemp("hour") / "hour-1"
    folder.mkdir()
    with av.open(str(folder / "0_0-3600.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "35", "g": "30"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        grey = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
        for k in range(FRAMES):
            grey[: SIZE[1]] = k // FPS % 200 + 20
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "yuv420p")))
        out.mux(stream.encode())
    ns = (np.arange(FRAMES) * 1_000_000_000) // FPS
    ids = {"section id": "s", "recording id": "r"}
    pd.DataFrame({**ids, "timestamp [ns]": ns}).to_csv(folder / "world_timestamps.csv", index=False)
    t = np.arange(0, 3_600_000_000_000, 20_000_000)
    x, y = 48 + 30 * np.sin(t / 3e9), 36 + 20 * np.cos(t / 5e9)
    gaze = {**ids, "timestamp [ns]": t, "gaze x [px]": x.round(2), "gaze y [px]": y.round(2), "worn": 1.0}
    empty = {"fixation id": "", "blink id": "", "azimuth [deg]": 0.0, "elevation [deg]": 0.0}
    pd.DataFrame({**gaze, **empty}).to_csv(folder / "gaze.csv", index=False)
    start = np.arange(9000) * 400_000_000
    fixations = {
        "fixation id": np.arange(1, 9001), "start timestamp [ns]": start, "end timestamp [ns]": start + 300_000_000,
        "duration [ms]": 300, "fixation x [px]": 48.0, "fixation y [px]": 36.0,
        "azimuth [deg]": 0.0, "elevation [deg]": 0.0,
    }  # fmt: skip
    pd.DataFrame({**ids, **fixations}).to_csv(folder / "fixations.csv", index=False)
    camera = {"camera_matrix": [[80, 0, 48], [0, 80, 36], [0, 0, 1]], "distortion_coefficients": [0] * 8}
    (folder / "scene_camera.json").write_text(json.dumps(camera))
    (folder / "info.json").write_text(
        json.dumps({"recording_id": "r", "start_time": 0, "duration": int(ns[-1])})
    )
    return folder


@pytest.fixture(scope="module")
def server(hour, served):
    """The hour, with five tracks of a box in every frame."""
    from gazekit.annotate.project import Project

    project = Project.create(hour.parent / "project", hour)
    for name in ("cup", "plate", "fork", "knife", "spoon"):
        project.store.act({"op": "label.add", "name": name, "frame": None}, "ada")
    for label in range(1, 6):
        boxes = [
            {"frame": f, "label": label, "track": label, "box": [10 * label, 10, 10 * label + 8, 20]}
            for f in range(0, FRAMES, 3)
        ]
        project.store.act({"op": "boxes.put", "source": "propagated", "frame": 0, "boxes": boxes}, "ada")
    project.store.act({"op": "fixation.label", "fixation": 1, "label": 1}, "ada")
    project.close()
    return served(hour.parent / "project")


def test_timeline_and_queue_of_an_hour_scroll_smoothly(server, tab):
    page = tab(server.address)
    page.driver.set_script_timeout(60)
    wheel = "gazekit.timeline.canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: 60, cancelable: true}));"
    steps = {
        "timeline, a minute in view": wheel,
        "timeline, zooming out": "gazekit.timeline.zoom(1.04)",
        "timeline, all in view": wheel,
        "queue": "document.getElementById('queue').scrollTop += 2000",
    }
    for what, step in steps.items():
        fps, longest = page.driver.execute_async_script(SCROLL, step, 120)
        print(f"\n{what}: {fps:.0f} frames/s, 99 % of the gaps up to {longest:.0f} ms")
        assert fps > 20, f"{what}: {fps:.1f} frames/s, 99 % of the gaps below {longest:.0f} ms"
    assert page.js("return document.querySelectorAll('.queue-row').length") < 60
    memory = page.js("return performance.memory?.usedJSHeapSize ?? 0")
    print(f"memory of the page {memory / 1e6:.0f} MB")
    assert memory < 150e6


def test_steps_and_labels_are_quick(server, tab):
    page = tab(server.address)
    page.go(50_000)
    page.js("gazekit.stepMs.length = 0")
    for k in range(40):
        page.keys(RIGHT)
        until(lambda k=k: page.js("return gazekit.stepMs.length") > k, "the frame")
    step = statistics.median(page.js("return gazekit.stepMs"))
    far = []
    for frame in np.random.default_rng(0).integers(0, FRAMES, 15).tolist():
        page.js("gazekit.stepMs.length = 0; gazekit.navigation.go(arguments[0])", frame)
        far.append(until(lambda: page.js("return gazekit.stepMs[0]"), "the frame"))
    page.js(
        "gazekit.annotator.setMode('fixation'); gazekit.navigation.goFixation(4000); gazekit.saveMs.length = 0"
    )
    for k in range(30):
        page.settled()
        page.keys("12345"[k % 5])
        until(lambda k=k: page.js("return gazekit.saveMs.length") > k, "saved")
    save = statistics.median(page.js("return gazekit.saveMs"))
    print(f"\nstep {step:.0f} ms, jump {statistics.median(far):.0f} ms, key to saved {save:.0f} ms")
    assert step < 150 and statistics.median(far) < 400 and save < 150
