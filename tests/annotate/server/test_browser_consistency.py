"""Several tabs on one project, and a server that dies: nobody's work is lost, and nobody's is overwritten unseen."""

from __future__ import annotations

import pytest
from browser_page import until
from selenium_keys import CTRL


@pytest.fixture(scope="module")
def server(toy_project, served):
    """One server for these tests: frames 6 and 20 have the true boxes, and a cup is like nothing else."""
    server = served(toy_project(frames=(6, 20)))
    server.post("api/actions", {"author": "ada", "tab": "", "op": "label.add", "name": "cup", "frame": None})
    return server


def _offline(page, offline: bool) -> None:
    conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.switch_to.window(page.window)
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)


def test_a_change_in_one_tab_is_seen_in_the_other_without_reload(server, tab):
    one, two = tab(server.address), tab(server.address)
    for page in (one, two):
        page.keys("q")
        page.go(20)
    one.keys("b", "3")
    one.saved()
    until(lambda: two.boxes()[0]["label"] == 3, "the other tab's label")
    one.js("gazekit.annotator.setMode('fixation'); gazekit.navigation.goFixation(9)")
    one.settled()
    one.keys("2")
    one.saved()
    until(lambda: two.js("return gazekit.model.fixations.label[8]") == 2, "the other tab's fixation")


@pytest.mark.parametrize("mine", [True, False])
def test_two_tabs_in_conflict_see_both_versions_and_nothing_is_lost(server, tab, mine):
    one, two = tab(server.address), tab(server.address)
    for page in (one, two):
        page.keys("q")
        page.go(6)
    box = one.boxes()[2]
    _offline(two, True)
    two.js("gazekit.boxes.select(gazekit.model.view(6).boxes[2])")
    two.chord("\ue00a", "\ue014")  # Alt and the arrow to the right
    two.js("gazekit.boxes.draw([5, 5, 25, 20])")
    assert "offline" in until(lambda: "offline" in two.text("saved") and two.text("saved"), "offline")
    assert "2 waiting" in two.text("saved")
    one.js("gazekit.boxes.select(gazekit.model.view(6).boxes[2])")
    one.keys("6" if box["label"] == 3 else "3")
    one.saved()
    theirs = server.get("api/frames/6")
    _offline(two, False)
    until(lambda: two.find("conflict").is_displayed(), "the conflict")
    assert "a box moved" in two.text("conflict") and "a new box" in two.text("conflict")
    assert server.get("api/frames/6") == theirs  # nothing was overwritten
    two.open()  # not even a reload loses it
    until(lambda: two.find("conflict").is_displayed(), "the conflict after a reload")
    two.click("conflict-apply" if mine else "conflict-drop")
    until(lambda: not two.find("conflict").is_displayed(), "the end of the conflict")
    two.saved()
    now = server.get("api/frames/6")
    changed = {b["id"]: b for b in now["boxes"]}[box["id"]]
    assert changed["label"] == theirs["boxes"][2]["label"]
    assert len(now["boxes"]) == len(theirs["boxes"]) + mine
    assert changed["box"][0] == pytest.approx(theirs["boxes"][2]["box"][0] + mine, abs=0.011)


def test_a_fixation_is_not_in_conflict_with_boxes_of_its_frame(server, tab):
    page = tab(server.address)
    page.js("gazekit.navigation.goFixation(5)")
    page.settled()
    known = page.js("return gazekit.model.view(40).version")
    page.js("gazekit.model.receive = (state) => state")  # this tab hears nothing any more
    server.post("api/actions", {"author": "eve", "tab": "x", "op": "box.add", "frame": 40, "label": 3,
                                   "box": [1, 1, 9, 9]})  # fmt: skip
    page.keys("4")
    page.saved()
    assert server.get("api/frames/40")["version"] > known
    assert server.get("api/fixations")["label"][4] == 4


@pytest.mark.slow
def test_no_edit_is_lost_when_the_server_is_killed_in_a_burst(toy_project, served, tab):
    server = served(toy_project())
    page = tab(server.address)
    page.keys("q")
    page.js(
        "for (let k = 0; k < 200; k++) setTimeout(() => {"
        " gazekit.model.act({op: 'box.add', frame: 10 + k % 20, temp: `t${k}`, label: 3, box: [k, 10, k + 8, 30]})"
        "}, 8 * k)"
    )
    until(lambda: page.js("return gazekit.saveMs.length") > 40, "some saved")
    server.kill()
    acknowledged = page.js("return gazekit.saveMs.length")
    made = "return gazekit.model.outbox.waiting.length + gazekit.saveMs.length"
    until(lambda: page.js(made) == 200, "all edits made")
    assert acknowledged < 200
    assert "offline" in page.text("saved")
    server.start()
    page.saved(60)
    lefts = sorted(round(b["box"][0]) for f in range(10, 30) for b in server.get(f"api/frames/{f}")["boxes"])
    assert lefts == list(range(200))  # each once, acknowledged or not
    page.chord(CTRL, "z")
    page.saved()
    assert sum(len(server.get(f"api/frames/{f}")["boxes"]) for f in range(10, 30)) == 199


@pytest.mark.slow
def test_edits_made_offline_survive_a_closed_tab(toy_project, served, tab):
    server = served(toy_project())
    page = tab(server.address)
    page.go(10)
    server.kill()
    page.js("gazekit.annotator.setMode('box'); gazekit.boxes.draw([10, 10, 50, 50])")
    until(lambda: "offline" in page.text("saved"), "offline")
    page.driver.switch_to.new_window("tab")
    other = page.driver.current_window_handle
    page.driver.switch_to.window(page.window)
    page.driver.close()
    page.driver.switch_to.window(other)
    page.window = other
    server.start()
    page.open()
    page.saved()
    assert [box["box"] for box in server.get("api/frames/10")["boxes"]] == [[10, 10, 50, 50]]


def test_undo_in_one_browser_leaves_the_work_of_another(server, tab):
    one = tab(server.address)
    one.go(30)
    first = one.text("author")
    one.js("gazekit.model.act({op: 'box.add', frame: 30, temp: 'a', label: 3, box: [5, 5, 25, 25]})")
    one.saved()
    one.open()
    assert one.text("author") == first  # remembered
    one.js("localStorage.clear()")  # another browser
    one.open()
    assert one.text("author") != first
    one.chord(CTRL, "z")
    one.saved()
    (box,) = server.get("api/frames/30")["boxes"]
    assert box["author"] == first and first.startswith("annotator-")


# Answers of the server that the page's next requests to an address get instead of the true ones.
_ANSWERS = """
const [part, status, error] = arguments, real = window.fetch;
window.real ??= real;
window.fetch = (path, what) => String(path).includes(part) && what?.method === "POST"
  ? Promise.resolve(new Response(JSON.stringify({error}), {status})) : window.real(path, what);
"""


@pytest.mark.parametrize("status", [401, 403, 421])
def test_edits_are_kept_while_the_server_does_not_let_the_page_in(server, tab, status):
    page = tab(server.address)
    page.go(32)
    before = len(page.boxes())
    page.js(_ANSWERS, "/api/actions", status, "a token is required")
    page.js("gazekit.annotator.setMode('box'); gazekit.boxes.draw([10, 10, 50, 50])")
    until(lambda: "no access · 1 waiting" in page.text("saved"), "that it is refused")
    assert "a token is required" in page.text("toasts")
    page.js("window.fetch = window.real")
    page.saved()
    assert len(server.get("api/frames/32")["boxes"]) == before + 1


def test_edits_wait_while_another_project_is_open_at_the_address(server, tab):
    page = tab(server.address)
    page.go(33)
    page.js(_ANSWERS, "/api/actions", 503, "restarting")
    page.js("gazekit.annotator.setMode('box'); gazekit.boxes.draw([10, 10, 50, 50])")
    until(lambda: "offline" in page.text("saved"), "offline")
    page.js(
        "window.fetch = (path, what) => path === '/api/project'"
        " ? Promise.resolve(new Response(JSON.stringify({name: 'other', uuid: 'other'}))) : window.real(path, what)"
    )
    until(lambda: "another project" in page.text("toasts"), "that it is another project")
    assert server.get("api/frames/33")["boxes"] == []
    page.js("window.fetch = window.real")
    page.saved()
    assert len(server.get("api/frames/33")["boxes"]) == 1


def test_a_frame_whose_predictions_are_refused_is_not_confirmed(server, tab):
    page = tab(server.address)
    page.keys("q")
    page.go(34)
    predictions = "gazekit.model.receive({...gazekit.model.view(34), predictions: arguments[0]})"
    page.js(predictions, [{"label": 999, "box": [5, 5, 25, 25], "score": 0.9, "margin": 0.5}])
    page.js("gazekit.annotator.confirm()")
    until(lambda: "Not done, frame 34 confirmed" in page.text("toasts"), "the refusal")
    page.saved()
    frame = server.get("api/frames/34")
    assert not frame["confirmed"] and frame["boxes"] == []
    page.go(34)
    page.js(predictions, [{"label": 3, "box": [5, 5, 25, 25], "score": 0.9, "margin": 0.5}])
    page.js("gazekit.annotator.confirm()")
    page.saved()
    frame = server.get("api/frames/34")
    assert frame["confirmed"] and [box["source"] for box in frame["boxes"]] == ["confirmed"]
    page.chord(CTRL, "z")  # one step takes it back whole
    page.saved()
    frame = server.get("api/frames/34")
    assert not frame["confirmed"] and frame["boxes"] == []


def test_an_edit_waits_for_its_frame_and_overwrites_nothing_unseen(server, tab):
    page = tab(server.address)
    page.js(
        "window.sent = []; const real = window.fetch; window.fetch = (path, what) => {"
        " if (path === '/api/actions') sent.push(JSON.parse(what.body)); return real(path, what) }"
    )
    fixations = server.get("api/fixations")
    frame = fixations["frame"][11]
    page.js("gazekit.model.forget(arguments[0]); gazekit.model.loadFixations = async () => {}", frame)
    server.post("api/actions", {"author": "eve", "tab": "x", "op": "fixation.label", "frame": frame,
                                   "fixation": 12, "label": 3})  # fmt: skip
    page.js(
        "gazekit.model.act({op: 'fixation.label', fixation: 12, frame: arguments[0], label: 4, seen: null});"
        "gazekit.model.act({op: 'box.add', frame: 36, temp: 'b', label: 3, box: [5, 5, 25, 25]})",
        frame,
    )
    until(lambda: page.find("conflict").is_displayed(), "the conflict")
    until(lambda: page.js("return gazekit.model.outbox.waiting.length") == 0, "the other edit")
    assert server.get("api/fixations")["label"][11] == 3
    assert [action["base_version"] for action in page.js("return sent")] == [0]
    page.click("conflict-drop")


def test_propagated_boxes_show_in_frames_seen_before_and_can_be_edited(toy_project, served, tab):
    server = served(toy_project(frames=(6,)))
    page = tab(server.address)
    page.keys("q")
    page.go(8)
    page.go(7)
    assert page.boxes() == []
    page.go(6)
    page.js("gazekit.model.propagate({frame: 6, ids: null, stop_frame: 9})")
    until(lambda: "propagated to frame" in page.text("toasts"), "the end of it")
    for frame in (7, 8):
        page.go(frame)
        assert {box["source"] for box in until(page.boxes, f"boxes of frame {frame}")} == {"propagated"}
    page.keys("b", "\ue017")  # the first box, Delete
    page.saved()
    assert not page.find("conflict").is_displayed()
    left, before = (len(server.get(f"api/frames/{frame}")["boxes"]) for frame in (8, 7))
    assert len(page.boxes()) == left == before - 1


def test_what_is_told_before_a_tab_listens_is_not_missed(server, tab):
    page = tab(server.address)
    page.go(38)
    assert page.boxes() == []
    page.js(
        "const {listen} = await import('/page/stream.js'), {version} = gazekit.model.project, {heard} = gazekit.model;"
        "gazekit.model.heard = () => {};"  # what comes by the stream of now is not looked at
        "window.late = () => {"
        " Object.assign(gazekit.model, {heard}); gazekit.model.project.version = version; listen(gazekit.model) }"
    )
    server.post("api/actions", {"author": "eve", "tab": "x", "op": "box.add", "frame": 38, "label": 3,
                                   "box": [1, 1, 9, 9]})  # fmt: skip
    assert page.boxes() == []
    page.js("late()")
    assert until(page.boxes, "the box made meanwhile")


def test_everything_is_read_anew_when_the_server_says_reset(server, tab):
    page = tab(server.address)
    page.go(39)
    page.js(
        "const {listen} = await import('/page/stream.js'), {EventSource} = window;"
        "gazekit.model.heard = () => {};"
        "window.EventSource = class extends EventTarget {"
        " constructor() { super(); window.told = this } close() {} };"
        "listen(gazekit.model); window.EventSource = EventSource"
    )
    server.post("api/actions", {"author": "eve", "tab": "x", "op": "box.add", "frame": 39, "label": 3,
                                   "box": [1, 1, 9, 9]})  # fmt: skip
    assert page.boxes() == []
    page.js("told.dispatchEvent(new MessageEvent('reset', {data: '{}', lastEventId: '1'}))")
    assert until(page.boxes, "the box")
