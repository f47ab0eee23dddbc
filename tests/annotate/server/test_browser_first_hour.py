"""What a new user stumbles over on the page: it says what it does, what is missing, and keeps the keys for labels."""

from __future__ import annotations

import json

import pytest
from browser_page import until
from selenium_keys import CTRL, ENTER, ESCAPE, RIGHT

FOCUSED = "return document.activeElement.id"


@pytest.fixture(scope="module")
def server(toy_project, served):
    """One server for these tests: each has frames of its own, and frame 6 has the true boxes."""
    return served(toy_project(frames=(6,)))


def test_nothing_to_undo_leaves_the_boxes_in_sight(server, tab):
    page = tab(server.address)
    page.go(6)
    assert len(page.boxes()) == 5
    page.chord(CTRL, "z")
    until(lambda: "Nothing to undo." in page.text("toasts"), "the message")
    page.saved()
    assert len(page.boxes()) == 5
    assert page.text("boxes").startswith("tablet-left")


def test_undo_of_a_label_leaves_the_boxes_in_sight(server, tab):
    page = tab(server.address)
    page.go(6)
    page.js("gazekit.annotator.addLabel('plate')")
    page.saved()
    page.chord(CTRL, "z")
    page.saved()
    until(lambda: "plate" not in page.text("labels"), "the label gone")
    page.settled()
    assert len(page.boxes()) == 5


def test_digits_choose_the_label_of_the_next_box_once_n_was_pressed(server, tab):
    page = tab(server.address)
    page.keys("q")
    page.go(10)
    assert "Next box: tablet-left" in page.text("suggestion")  # the first own label, not background
    page.keys("n", "3")
    assert "Draw: book" in page.text("suggestion")
    page.drag((40, 30), (100, 80))
    page.saved()
    assert [box["label"] for box in page.boxes()] == [3]
    assert page.text("suggestion").startswith("book")  # it is selected
    page.keys("n", "4")
    assert page.js("return gazekit.viewState.selected") is None
    assert "Draw: device-left" in page.text("suggestion")
    page.drag((140, 30), (200, 80))
    page.saved()
    assert [box["label"] for box in server.get("api/frames/10")["boxes"]] == [3, 4]
    page.keys("0")
    assert "is for fixations" in page.text("toasts")


def test_the_keys_are_for_labels_again_once_a_label_was_added(server, tab):
    page = tab(server.address)
    page.keys("l")
    assert page.js(FOCUSED) == "new-label-name"
    page.keys("m", "u", "g", ENTER)
    page.saved()
    assert "mug" in page.text("labels")
    assert page.js(FOCUSED) == "stage"
    page.keys("q")
    assert page.js("return gazekit.viewState.mode") == "box"
    page.keys("l", "x", ESCAPE)
    assert page.js(FOCUSED) == "stage"


def test_enter_confirms_after_a_button_was_clicked(server, tab):
    page = tab(server.address)
    page.js("gazekit.navigation.goFixation(2)")
    page.settled()
    page.press("[data-testid=labels] [data-label='2']")
    page.saved()
    page.js("gazekit.navigation.goFixation(1)")  # its suggestion is the book that is there
    page.settled()
    page.keys(ENTER)
    page.saved()
    assert server.get("api/fixations")["label"][:2] == [3, 2]


def test_an_update_that_cannot_be_says_what_is_missing(server, tab):
    page = tab(server.address)
    page.go(6)
    page.keys("r")
    told = until(lambda: page.text("toasts"), "the reason")
    assert "confirm" in told.lower()


def test_what_is_learnt_and_how_long_it_takes_is_shown(server, tab):
    page = tab(server.address)
    status = {"state": "training", "progress": 0.4, "version": 0, "message": "A detector of 12 frames"}
    emit = "gazekit.model.emit('model', arguments[0])"
    assert not page.find("training").is_displayed()
    for eta, words in ((38, "about 40 s left"), (190, "about 3 min left"), (2, "nearly done"), (None, "")):
        page.js(emit, {**status, "eta_s": eta})
        assert page.text("training-left") == words
    assert page.find("training").is_displayed()
    assert "A detector of 12 frames" in page.text("training")
    assert page.js("return document.querySelector('progress').value") == pytest.approx(0.4)
    page.js(emit, {**status, "state": "idle"})
    assert not page.find("training").is_displayed()


def test_a_thing_drawn_twice_is_one_track_and_is_filled_in_between(server, tab):
    page = tab(server.address)
    page.js("gazekit.annotator.addLabel('plate')")
    page.saved()
    plate = next(label for label in server.get("api/project")["labels"] if label["name"] == "plate")
    page.keys("q", plate["key"])
    page.go(20)
    page.drag((40, 30), (100, 80))
    page.saved()
    page.keys("i")
    told = until(lambda: page.text("toasts"), "what is needed")
    assert "one keyframe, in frame 20" in told and "draw it in an earlier or a later frame" in told
    page.go(24)
    page.drag((80, 30), (140, 80))
    page.saved()
    page.keys("i")
    until(lambda: server.get("api/frames/22")["boxes"], "the frame between")
    boxes = [server.get(f"api/frames/{frame}")["boxes"][0] for frame in (20, 22, 24)]
    assert len({box["track"] for box in boxes}) == 1
    assert abs(boxes[1]["box"][0] - (boxes[0]["box"][0] + boxes[2]["box"][0]) / 2) < 0.1


def test_frames_are_counted_from_zero_and_progress_is_of_the_mode(server, tab):
    page = tab(server.address)
    page.go(149)
    assert page.text("frame-chip").startswith("frame 149 · 150 frames")
    done = sum(label is not None for label in server.get("api/fixations")["label"])
    assert page.text("progress").startswith(f"{done} of 14 fixations")
    page.keys("q")
    page.go(6)
    asked = server.get("api/stats")["confirmed_of"]
    until(lambda: page.text("progress") == f"0 of {asked} frames confirmed", "frames")
    page.keys(ENTER)
    until(lambda: page.text("progress") == f"1 of {asked} frames confirmed", "the frame")


def test_only_suggestions_of_the_model_are_counted(server, tab):
    page = tab(server.address)
    note = "return document.getElementById('queue-note').textContent"
    page.js("gazekit.navigation.goFixation(7)")
    for key in "1230x1":
        page.settled()
        page.keys(key)
    page.saved()
    assert page.js("return gazekit.annotator.labelled.length") == 6
    assert page.js(note) == ""
    takes = (  # as if all were open, with a suggestion; Enter takes five of them
        "const {fixations} = gazekit.model, all = fixations.id.length;"
        "Object.assign(fixations, {label: Array(all).fill(null), suggestion: Array(all).fill(3),"
        " by_model: Array(all).fill(arguments[0])});"
        "gazekit.model.outbox.add = () => {};"
        "for (const id of fixations.id.slice(0, 5))"
        " { gazekit.viewState.fixation = id; gazekit.annotator.labelFixation(3) }"
    )
    page.js(takes, False)  # boxes drawn by hand
    assert page.js("return gazekit.annotator.labelled.length") == 11
    assert page.js(note) == ""
    page.js(takes, True)
    assert page.js(note) == "5 of the model’s last 5 suggestions were right."


def test_messages_do_not_cover_the_video(server, tab):
    page = tab(server.address)
    page.keys("l", ESCAPE, "q", "i", "9")
    page.js("import('/page/dom.js').then(({toast}) => toast('Not done. '.repeat(30), {error: true}))")
    until(lambda: "Not done" in page.text("toasts"), "the message")
    for width, height in ((1280, 800), (800, 600)):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        covered = page.js(
            "const a = document.getElementById('toasts').getBoundingClientRect();"
            "const b = document.getElementById('stage').getBoundingClientRect();"
            "return a.right > b.left && a.left < b.right && a.bottom > b.top && a.top < b.bottom"
        )
        assert not covered
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_import_asks_before_it_replaces_and_says_what_it_did(server, tab, tmp_path):
    page = tab(server.address)
    page.go(6)
    before = server.get("api/frames/6")
    file = tmp_path / "labels.json"
    coco = page.driver.execute_async_script(
        "const done = arguments[0]; fetch('/api/export/coco').then((answer) => answer.json()).then(done)"
    )
    frames = {image["id"]: image["frame_index"] for image in coco["images"]}
    coco["annotations"] = [a for a in coco["annotations"] if frames[a["image_id"]] == 6][:2]
    coco["images"] = [image for image in coco["images"] if image["frame_index"] == 6]
    file.write_text(json.dumps(coco))
    page.import_file("COCO", file, replace="dialog-cancel")
    assert server.get("api/frames/6") == before
    page.import_file("COCO", file)
    told = until(lambda: "mported" in page.text("toasts") and page.text("toasts"), "what it did")
    assert "2 boxes" in told and "1 frame" in told
    until(lambda: len(page.boxes()) == 2, "the boxes")
    page.js("gazekit.model.act({op: 'box.add', frame: 50, temp: 'a', label: 3, box: [5, 5, 25, 25]})")
    page.saved()
    page.press("#toasts button:not(.quiet)")  # Undo: of the import, not of what was done since
    page.saved()
    until(lambda: len(page.boxes()) == 5, "the boxes from before")
    assert len(server.get("api/frames/50")["boxes"]) == 1


def test_an_import_asks_where_frames_without_boxes_are_confirmed(
    toy_project, served, tab, tmp_path, shared_data
):
    server = served(toy_project())
    page = tab(server.address)
    page.go(6)
    page.js("gazekit.model.act({op: 'frame.confirm', frame: 6})")
    page.saved()
    file = shared_data / "annotation_toy" / "exports" / "coco_ground_truth.json"
    page.import_file("COCO", file)  # it waits for the question
    told = until(lambda: "mported" in page.text("toasts") and page.text("toasts"), "what it did")
    assert "1 frame that was confirmed has other boxes now" in told
    assert server.get("api/stats")["confirmed_frames"] == 0


def test_enter_confirms_no_frame_but_the_one_it_was_pressed_in(server, tab):
    page = tab(server.address)
    page.keys("q")
    page.js(
        "const real = window.fetch; window.held = [];"
        "window.fetch = (path, what) => path === '/api/frames/70'"
        " ? new Promise((resolve) => held.push(() => resolve(real(path, what)))) : real(path, what);"
        "gazekit.navigation.go(70)"
    )
    page.keys(ENTER, RIGHT)
    page.settled()
    assert page.js("return gazekit.viewState.frame") == 71
    page.js("for (const answer of held) answer()")
    until(lambda: "frame 70 has not loaded yet: nothing was confirmed" in page.text("toasts"), "why not")
    page.saved()
    assert [server.get(f"api/frames/{frame}")["confirmed"] for frame in (70, 71)] == [False, False]


def test_drawing_anew_leaves_the_focus(server, tab):
    page = tab(server.address)
    page.go(6)
    for selector in ("#labels [data-label='2']", "#boxes [data-box]", "#export", "#new-label-name"):
        page.js("document.querySelector(arguments[0]).focus()", selector)
        page.js("await gazekit.model.anew()")
        page.js("for (const topic of ['fixations', 'labels', 'stats', 'anew']) gazekit.model.emit(topic)")
        page.js("gazekit.model.emit('frame', 6)")
        assert page.js("return document.activeElement.matches(arguments[0])", selector), selector
    page.js("document.querySelector('#labels [data-label=\"0\"]').focus()")
    page.js("gazekit.annotator.addLabel('bowl')")  # goes before it
    page.saved()
    until(lambda: "bowl" in page.text("labels"), "the label")
    assert page.js("return document.activeElement.dataset.label") == "0"
    page.js("document.querySelector('#boxes [data-box]').focus()")
    page.js("gazekit.boxes.remove(gazekit.boxes.view.boxes[0])")
    assert page.js(FOCUSED) == "stage"  # not on another box
    page.saved()
    page.chord(CTRL, "z")
    page.saved()


def test_the_export_says_what_nobody_has_reviewed_and_that_no_model_is_learned(server, tab):
    page = tab(server.address)
    boxes = [{"frame": 26, "label": 3, "box": [0, 0, 320, 240], "score": 0.8}]
    action = {"op": "boxes.put", "frame": 26, "source": "propagated", "boxes": boxes}
    server.post("api/actions", {"author": "ada", "tab": "x", **action})
    count = server.get("api/stats")["unreviewed_fixations"]
    assert count >= 1
    page.keys("e")
    until(lambda: page.js("return document.querySelector('.note.warn') !== null"), "the number")
    assert page.text("unreviewed").startswith(f"{count} of 14 fixations")
    assert not page.find("export-model").is_enabled()
    page.click("export-fixations")
    until(lambda: "is in your downloads" in page.text("export-word"), "the file")
    page.js(
        "const real = fetch, full = () => new Response(JSON.stringify({error: 'the disk is full'}), {status: 507});"
        "window.fetch = async (path, what) => String(path).includes('export') ? full() : real(path, what)"
    )
    page.click("export-coco")
    until(lambda: "COCO was not exported: the disk is full" in page.text("export-word"), "why not")
    page.keys(ESCAPE)
    assert page.js(FOCUSED) != "dialog" and not page.js("return document.querySelector('dialog[open]')")


def test_a_hidden_page_gives_its_connection_back_and_misses_nothing(server, tab):
    page = tab(server.address)
    page.go(40)
    page.js(
        "window.hide = (hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')) };"
        "const {heard} = gazekit.model;"
        "gazekit.model.heard = function (...told) { window.told = told; heard.apply(this, told) };"
        "hide(true)"
    )
    box = {"op": "box.add", "frame": 40, "label": 3, "box": [1, 1, 9, 9]}
    server.post("api/actions", {"author": "eve", "tab": "x", **box})
    page.keys("q")
    page.js("gazekit.boxes.draw([50, 50, 90, 90])")  # its own edits go on: here into a conflict
    until(lambda: page.find("conflict").is_displayed(), "the conflict")
    assert page.js("return window.told") is None  # it does not listen
    page.js("hide(false)")
    until(lambda: page.js("return window.told?.[0]") == 40, "what happened meanwhile")
    page.click("conflict-apply")
    page.saved()
    until(lambda: len(page.boxes()) == 2, "both boxes")
    assert len(server.get("api/frames/40")["boxes"]) == 2


def test_all_is_reached_by_the_tab_key_in_the_order_of_reading(server, tab):
    page = tab(server.address)
    order = []
    page.js("document.activeElement.blur()")
    for _ in range(60):
        page.keys("\ue004")
        here = page.js(
            "const e = document.activeElement; return e.id || e.getAttribute('data-does') || e.className"
        )
        if here in order[:1]:
            break
        order.append(here)
    wanted = ["mode-fixation", "model-update", "export", "queue-order", "queue", "toggle-gaze", "stage"]
    assert [name for name in order if name in wanted] == wanted
    assert order.index("stage") < order.index("new-label-name") < order.index("timeline")
    page.js("document.getElementById('export').focus()")
    assert page.js("return getComputedStyle(document.activeElement).outlineWidth") == "2px"  # seen


def test_more_tabs_than_a_browser_has_connections_can_be_open(server, tab):
    pages = [tab(server.address) for _ in range(8)]
    pages[-1].go(44)
    pages[-1].js("gazekit.annotator.setMode('box'); gazekit.boxes.draw([10, 10, 50, 50])")
    pages[-1].saved()
    pages[0].go(44)
    assert until(pages[0].boxes, "the box in the first tab")
