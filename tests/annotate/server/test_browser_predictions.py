"""Predicted boxes on the page: each can be selected and changed, and what is confirmed is what is shown."""

from __future__ import annotations

import pytest
from browser_page import until
from selenium_keys import CTRL, DELETE, ENTER, ESCAPE, SHIFT

pytestmark = pytest.mark.slow

TABLET, BOOK = [20.0, 20.0, 60.0, 50.0], [80.0, 60.0, 120.0, 100.0]
PREDICTED = [
    {"label": 1, "box": TABLET, "score": 0.9, "margin": 0.8},
    {"label": 3, "box": BOOK, "score": 0.6, "margin": 0.3},
]
# What the server says of any frame has these predictions, as if it had a model.
MODEL = """
const answer = window.fetch;
window.fetch = async (path, ...rest) => {
  const response = await answer(path, ...rest);
  if (!/^\\/api\\/frames\\/\\d+$/.test(path)) return response;
  return new Response(JSON.stringify({...await response.json(), predictions: arguments[0]}));
};
gazekit.model.forget();
"""


@pytest.fixture(scope="module")
def server(toy_project, served):
    """One server for these tests; each has a frame of its own."""
    return served(toy_project())


@pytest.fixture
def predicting(server, tab):
    """Opens a frame that shows predictions, in box mode."""

    def opened(frame, predicted=PREDICTED):
        page = tab(server.address)
        page.keys("q")
        page.js(MODEL, predicted)
        page.go(frame)
        until(lambda: page.js("return gazekit.boxes.guesses.length") == len(predicted), "predictions")
        return page

    return opened


def _of(server, frame):
    """Label, rounded box and source of each box, as the server has them."""
    found = server.get(f"api/frames/{frame}")["boxes"]
    return [(box["label"], [round(side) for side in box["box"]], box["source"]) for box in found]


def test_one_is_selected_by_key_and_relabelled(server, predicting):
    page = predicting(3)
    page.keys("b", "b", "4")  # faster than the server answers
    page.saved()
    assert _of(server, 3) == [(1, TABLET, "predicted"), (4, BOOK, "manual")]
    assert page.js("return gazekit.boxes.selected.label") == 4
    page.keys(ENTER)
    page.saved()
    assert server.get("api/frames/3")["confirmed"]
    assert _of(server, 3) == [(1, TABLET, "confirmed"), (4, BOOK, "manual")]


def test_a_click_in_the_panel_selects_one(server, predicting):
    page = predicting(4)
    page.press("#boxes li:nth-child(2) .box")
    until(lambda: page.js("return gazekit.boxes.selected?.label") == 3, "the book")
    page.keys("5")
    page.saved()
    assert _of(server, 4) == [(1, TABLET, "predicted"), (5, BOOK, "manual")]


def test_one_is_dragged_and_resized_without_a_click_before(server, predicting):
    page = predicting(5)
    page.drag((100, 80), (110, 84), (120, 90))
    page.saved()
    tablet, (label, box, source) = _of(server, 5)
    assert tablet == (1, TABLET, "predicted") and (label, source) == (3, "manual")
    assert box == pytest.approx([side + d for side, d in zip(BOOK, (20, 10, 20, 10), strict=True)], abs=1.5)
    page.drag((box[2], box[3]), (160, 130))
    page.saved()
    assert _of(server, 5)[1][1] == pytest.approx([*box[:2], 160, 130], abs=1.5)


def test_a_drag_goes_on_when_its_box_is_numbered_meanwhile(server, predicting):
    page = predicting(6)
    x, y = page.js(
        "const {view} = gazekit.stage; return [view.x + 100 * view.scale, view.y + 80 * view.scale]"
    )
    pointer = (
        "gazekit.stage.canvas.setPointerCapture = () => {};"
        "const at = gazekit.stage.canvas.getBoundingClientRect();"
        "gazekit.stage.canvas.dispatchEvent(new PointerEvent(arguments[0], {clientX: at.left + arguments[1],"
        " clientY: at.top + arguments[2], button: 0}))"
    )
    page.js(pointer, "pointerdown", x, y)
    page.saved()
    assert _of(server, 6) == [(1, TABLET, "predicted"), (3, BOOK, "predicted")]
    scale = page.js("return gazekit.stage.view.scale")
    page.js(pointer, "pointermove", x + 10 * scale, y + 10 * scale)
    page.js(pointer, "pointerup", x + 10 * scale, y + 10 * scale)
    page.saved()
    assert _of(server, 6)[1] == (3, [90, 70, 130, 110], "manual")


def test_the_wrong_one_is_deleted_and_does_not_come_back(server, predicting):
    page = predicting(7)
    page.keys("b", DELETE)
    page.saved()
    assert _of(server, 7) == [(3, BOOK, "predicted")]
    page.press("#boxes li:first-child .edit")  # the cross of the other one
    page.keys(ENTER)
    page.saved()
    assert server.get("api/frames/7")["confirmed"] and _of(server, 7) == []
    until(lambda: "Frame 7 confirmed without boxes." in page.text("toasts"), "a word about it")
    for _ in range(2):
        page.chord(CTRL, "z")  # the confirmation, then the last deletion
        page.saved()
    page.go(7)
    assert _of(server, 7) == [(3, BOOK, "predicted")]
    page.chord(CTRL, SHIFT, "z")
    page.saved()
    page.go(8)
    page.go(7)
    assert page.js("return gazekit.boxes.all") == []  # deleted again, by redo


def test_drawing_keeps_those_that_are_shown(server, predicting):
    page = predicting(9)
    page.keys("4")
    page.drag((130, 20), (140, 30), (170, 50))
    page.saved()
    *kept, (label, box, source) = sorted(_of(server, 9))
    assert kept == [(1, TABLET, "predicted"), (3, BOOK, "predicted")]
    assert (label, source) == (4, "manual") and box == pytest.approx([130, 20, 170, 50], abs=1.5)
    page.keys(ENTER)
    page.saved()
    assert [source for _, _, source in sorted(_of(server, 9))] == ["confirmed", "confirmed", "manual"]


def test_undo_takes_the_edit_back_and_then_shows_predictions_again(server, predicting):
    page = predicting(10)
    page.keys("b", "2")
    page.saved()
    assert [label for label, _, _ in _of(server, 10)] == [2, 3]
    page.chord(CTRL, "z")
    page.saved()
    assert _of(server, 10) == [(1, TABLET, "predicted"), (3, BOOK, "predicted")]
    page.chord(CTRL, "z")
    page.saved()
    assert _of(server, 10) == []
    until(lambda: page.js("return gazekit.boxes.guesses.length") == 2, "predictions again")
    page.keys(ENTER)
    page.saved()
    assert [source for _, _, source in _of(server, 10)] == ["confirmed", "confirmed"]


def test_of_a_label_that_a_frame_has_once_the_surest_is_kept(server, predicting):
    less = {"label": 1, "box": [5.0, 70.0, 40.0, 110.0], "score": 0.4, "margin": 0.1}
    page = predicting(11, [less, *PREDICTED])
    page.keys("b")
    page.saved()
    assert _of(server, 11) == [(1, TABLET, "predicted"), (3, BOOK, "predicted")]
    assert "“tablet-left” is predicted more than once" in page.text("toasts")


def test_an_edit_of_predictions_that_are_refused_is_not_done_by_halves(server, predicting):
    outside = {"label": 3, "box": [9000.0, 10.0, 9100.0, 50.0], "score": 0.6, "margin": 0.3}
    page = predicting(12, [PREDICTED[0], outside])
    page.keys("4")
    page.drag((130, 20), (140, 30), (170, 50))
    page.saved()
    until(lambda: "outside the picture" in page.text("toasts"), "why not")
    assert server.get("api/frames/12")["boxes"] == []
    until(lambda: page.js("return gazekit.boxes.guesses.length") == 2, "predictions as before")


def test_fixation_mode_leaves_them_alone(server, predicting):
    page = predicting(13)
    page.keys("q")
    page.drag((100, 80), (101, 80))
    page.keys(ENTER)
    page.saved()
    assert _of(server, 13) == []


def test_an_empty_frame_is_said_to_be_confirmed_and_p_does_nothing_in_it(server, predicting):
    page = predicting(18, [])
    page.keys("p")
    assert "No box to propagate in this frame." in page.text("toasts")
    assert not page.js("return Boolean(document.querySelector('dialog[open]'))")
    assert not server.get("api/frames/18")["confirmed"]
    page.keys(ENTER)
    page.saved()
    assert server.get("api/frames/18")["confirmed"]
    assert "Frame 18 confirmed without boxes." in page.text("toasts")


def test_why_a_digit_is_ignored_while_drawing(server, predicting):
    page = predicting(19)
    page.keys("n", "1")
    assert "“tablet-left” is in this frame already" in page.text("toasts")
    assert "the next box is “tablet-right”" in page.text("toasts")
    assert page.text("suggestion").startswith("Draw: tablet-right")
    page.keys("4", ESCAPE)
    assert _of(server, 19) == []


def test_edits_made_while_the_server_is_gone_are_kept(server, predicting):
    page = predicting(20)
    server.kill()
    page.keys("b", "4", "b", DELETE)
    until(lambda: page.js("return gazekit.model.outbox.offline"), "the page to notice")
    assert [(box["label"], box["source"]) for box in page.boxes()] == [(4, "manual")]
    server.start()
    page.saved(60)
    assert _of(server, 20) == [(4, TABLET, "manual")]


def test_two_who_begin_with_the_same_predictions_both_succeed(server, predicting):
    page = predicting(21)
    boxes = [{"frame": 21, **{k: p[k] for k in ("label", "box", "score")}} for p in PREDICTED]
    page.js("gazekit.model.heard = () => {}")  # not told of it in time
    put = {"op": "boxes.put", "frame": 21, "source": "predicted", "boxes": boxes}
    server.post("api/actions", {"author": "bob", "tab": "x", **put})
    page.keys("b", "4")
    page.saved()
    assert _of(server, 21) == [(4, TABLET, "manual"), (3, BOOK, "predicted")]
