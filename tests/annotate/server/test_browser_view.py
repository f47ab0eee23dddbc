"""What the page shows and finds again: orders, pictures after an outage, messages, the timeline, lines."""

from __future__ import annotations

import numpy as np
import pytest
from browser_page import until
from selenium_keys import CTRL, ENTER

pytestmark = pytest.mark.slow

FIXATION = "return gazekit.viewState.fixation"
FRAME = "return gazekit.viewState.frame"
TOASTS = "return [...document.querySelectorAll('.toast span')].map((toast) => toast.textContent)"
TOAST = "const [text, error] = arguments; import('/page/dom.js').then(({toast}) => toast(text, {error}))"
# Pictures on the page that are neither there nor hidden; those that are there.
BROKEN = """
return [...document.images].filter((image) => image.complete && !image.naturalWidth && image.getAttribute("src")
  && getComputedStyle(image).visibility === "visible").length"""
MISSING = """
return [...document.querySelectorAll(".filmstrip button:not(.empty) img, .queue-row img[src]")]
  .filter((image) => !image.complete || !image.naturalWidth).length"""
INK = """
const {canvas} = gazekit.stage, {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.some((value) => value > 0)"""


@pytest.fixture(scope="module")
def server(toy_project, served):
    """One server for these tests: each has frames of its own, and frame 6 has the true boxes."""
    return served(toy_project(frames=(6,)))


def _ids(server, order: str) -> list[int]:
    return [item["id"] for item in server.get(f"api/queue?order={order}")["items"]]


def _choose(page, order: str) -> None:
    page.js(
        "const select = document.getElementById('queue-order'); select.value = arguments[0];"
        "select.dispatchEvent(new Event('change'))",
        order,
    )
    until(lambda: page.js("return gazekit.queue.order") == order, order)


def _answer(page, key: str) -> None:
    """Press a key for the fixation, and wait until another one is on the stage."""
    page.settled()
    before = page.js(FIXATION)
    page.keys(key)
    until(lambda: page.js(FIXATION) != before, "the next fixation")
    page.settled()


def test_a_chosen_order_starts_at_its_first_outlives_u_and_a_reload(server, tab):
    page = tab(server.address)
    order = _ids(server, "random")
    assert order != sorted(order)
    _choose(page, "random")
    until(lambda: page.js(FIXATION) == order[0], "the first of the order")
    _answer(page, "1")
    assert page.js(FIXATION) == order[1]
    uncertain = _ids(server, "uncertainty")[0]
    assert uncertain != order[1]
    page.keys("u")
    until(lambda: page.js(FIXATION) == uncertain, "the most uncertain")
    assert page.js("return gazekit.queue.order") == "random"
    _answer(page, "2")
    assert page.js(FIXATION) == order[1]  # where the order was left
    _answer(page, "3")
    rest = [number for number in order[2:] if number != uncertain]
    assert page.js(FIXATION) == rest[0]
    page.saved()
    page.open()
    assert page.js("return document.getElementById('queue-order').value") == "random"
    assert page.js("return gazekit.queue.order") == "random"
    assert page.js(FIXATION) == rest[0]
    _answer(page, "4")
    assert page.js(FIXATION) == rest[1]
    page.saved()
    for _ in range(4):
        page.chord(CTRL, "z")
    page.saved()


def test_no_picture_is_shown_under_another_frames_number(toy_project, served, tab):
    server = served(toy_project())
    page = tab(server.address)
    _choose(page, "time")
    page.js("gazekit.navigation.goFixation(1)")
    page.settled()
    server.kill()
    page.js("gazekit.navigation.goFixation(9)")
    frame = page.js(FRAME)
    assert page.text("frame-chip").startswith(f"frame {frame} ")
    until(lambda: page.find("waiting").is_displayed(), "that the picture is missing")
    assert page.text("waiting") == f"picture of frame {frame}: waiting for the server"
    until(lambda: not page.js(INK), "a blank stage")
    for key in ("1", ENTER, "x"):
        page.keys(key)
    assert any(f"picture of frame {frame} has not loaded yet" in text for text in page.js(TOASTS))
    assert page.js("return gazekit.model.outbox.waiting.length") == 0
    assert page.js(FIXATION) == 9
    page.js("gazekit.annotator.setMode('box')")  # which shows neighbours that have not been seen
    until(lambda: page.js(MISSING) > 0, "small pictures that cannot be had")
    until(lambda: not page.js(BROKEN), "no broken pictures")
    server.start()
    page.settled()
    assert not page.find("waiting").is_displayed()
    until(lambda: page.js(INK), "the picture")
    assert f"/{frame}.jpg" in page.js("return gazekit.stage.picture.src")
    until(lambda: not page.js(MISSING), "the small pictures")
    page.js("gazekit.annotator.setMode('fixation')")
    page.keys("2")
    page.saved()
    assert server.get("api/fixations")["label"][8] == 2


def test_a_picture_that_the_server_refuses_says_why_and_can_be_passed(server, tab):
    page = tab(server.address)
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/api/frames/*.jpg*"]})
    page.js(
        "const real = window.fetch; window.fetch = (path, what) => String(path).includes('.jpg')"
        " ? Promise.resolve(new Response(JSON.stringify({detail: 'damaged'}), {status: 422})) : real(path, what)"
    )
    page.js("gazekit.navigation.goFixation(10)")
    frame = page.js(FRAME)
    until(lambda: page.text("waiting") == f"picture of frame {frame}: damaged", "why")
    page.keys("1")
    assert page.js("return gazekit.model.outbox.waiting.length") == 0
    page.keys("x")  # cannot tell
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    page.saved()
    assert server.get("api/fixations")["label"][9] == -1
    page.chord(CTRL, "z")
    page.saved()


def test_messages_are_few_the_newest_on_top_and_go_away(server, tab):
    page = tab(server.address)
    page.js("window.times = []; window.setTimeout = (act, ms) => { times.push([act, ms]) }")
    for number in range(5):
        page.js(TOAST, f"Message {number}.", number % 2 == 1)
        until(lambda n=number: page.js(TOASTS)[:1] == [f"Message {n}."], "the newest on top")
    assert page.js(TOASTS) == ["Message 4.", "Message 3.", "Message 2."]
    gone = [ms for ms in page.js("return times.map(([, ms]) => ms)") if ms in (6000, 12000)]
    assert gone == [6000, 12000, 6000, 12000, 6000]
    page.press(".toast.error button")
    assert page.js(TOASTS) == ["Message 4.", "Message 2."]
    page.js("for (const [act, ms] of times) if (ms >= 6000) act()")
    assert page.js(TOASTS) == []


def test_a_message_leaves_the_case_of_a_label_as_it_is(server, tab):
    page = tab(server.address)
    page.js(TOAST, "“mug” is filled in.", False)
    until(lambda: page.js(TOASTS), "the message")
    case = "return getComputedStyle(document.querySelector('.toast span'), '::first-letter').textTransform"
    assert page.js(case) == "none"


def test_the_timeline_zooms_around_the_frame_shown(server, tab):
    page = tab(server.address)
    where = (
        "const {span: [a, b]} = gazekit.timeline, t = gazekit.model.times[gazekit.viewState.frame];"
        "return [(t - a) / (b - a), b - a]"
    )
    page.go(30)
    page.keys("]")
    share, span = page.js(where)
    page.keys("]", "]")
    nearer = page.js(where)
    assert nearer[0] == pytest.approx(share) and nearer[1] == pytest.approx(0.36 * span)
    page.js("gazekit.timeline.span = [gazekit.model.times[100], gazekit.model.times[120]]")
    page.keys("]")  # from where the frame is not in view
    assert page.js(where)[0] == pytest.approx(0.5)
    page.keys("[")
    assert page.js(where)[0] == pytest.approx(0.5)


def test_mode_and_frame_outlive_a_reload(server, tab):
    page = tab(server.address)
    page.keys("q")
    page.go(77)
    page.open()
    assert page.js("return gazekit.viewState.mode") == "box" and page.js(FRAME) == 77
    assert page.js("return gazekit.queue.kind") == "frame"
    page.keys("q")
    page.js("gazekit.navigation.goFixation(12)")
    page.open()
    assert page.js("return gazekit.viewState.mode") == "fixation" and page.js(FIXATION) == 12
    other = tab(server.address)  # another tab begins at the beginning
    assert other.js(FIXATION) != 12


def test_a_project_without_fixations_opens_with_boxes(served, tab, tmp_path):
    import cv2

    from gazekit.annotate.project import Project

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    Project.create(tmp_path / "study" / "project", folder).close()
    page = tab(served(tmp_path / "study" / "project").address)
    assert page.js("return gazekit.viewState.mode") == "box"
    assert page.js("return gazekit.queue.kind") == "frame"


def test_interpolated_boxes_look_different_from_drawn_ones(server, tab):
    page = tab(server.address)
    page.go(90)
    page.js(
        "gazekit.annotator.setMode('box');"
        "gazekit.model.act({op: 'box.add', frame: 90, temp: 'a', label: 3, box: [20, 20, 60, 60]})"
    )
    page.saved()
    track = server.get("api/frames/90")["boxes"][0]["track"]
    for action in (
        {"op": "box.add", "frame": 94, "label": 3, "track": track, "box": [40, 20, 80, 60]},
        {"op": "track.interpolate", "frame": 90, "track": track, "first": 90, "last": 94},
    ):
        server.post("api/actions", {"author": "ada", "tab": "x", **action})
    page.js(
        "const {prototype} = CanvasRenderingContext2D, {strokeRect} = prototype; window.lines = [];"
        "prototype.strokeRect = function (...box) {"
        " if (this.canvas.id === 'stage') lines.push(this.lineWidth * gazekit.stage.view.scale);"
        " strokeRect.apply(this, box) }"
    )
    widths = []
    for frame, word in ((90, "by hand"), (92, "interpolated")):
        page.go(frame)
        until(lambda word=word: word in page.text("boxes"), word)
        page.js("lines.length = 0; gazekit.stage.draw()")
        widths.append(min(until(lambda: page.js("return lines"), "the box")))
    assert widths == pytest.approx([2, 1])


def test_the_longest_reason_in_the_queue_is_not_cut_off(server, tab):
    from gazekit.annotate.session.review_queue import ReviewQueue

    one = np.ones(1, int)
    why = ReviewQueue("fixation", one, one, one, np.array([0.12]), one > 0, one > 0).item(0)["why"]
    assert why.count(",") == 2
    page = tab(server.address)
    page.js("gazekit.queue.items.get(0).why = arguments[0]; gazekit.queue.draw()", why)
    cut = (
        "const why = document.querySelector('#queue-0 .why'); return [why.textContent, why.parentElement.title,"
        " why.scrollHeight <= why.clientHeight && why.scrollWidth <= why.clientWidth,"
        " why.getBoundingClientRect().bottom <= why.closest('.queue-row').getBoundingClientRect().bottom]"
    )
    assert page.js(cut) == [why, why, True, True]
