"""Labelling on the page: keys, the pointer, undo, a reload, the help, light and dark."""

from __future__ import annotations

import pytest
from browser_page import until
from selenium_keys import CTRL, DELETE, ENTER, ESCAPE, SHIFT


@pytest.fixture(scope="module")
def server(toy_project, served):
    """One server for these tests: each has frames of its own, and frame 6 has the true boxes."""
    return served(toy_project(frames=(6,)))


def test_a_wrong_label_is_corrected_by_keyboard_and_comes_back_by_undo(server, tab):
    page = tab(server.address)
    assert page.text("project") == "toy"
    page.go(6)
    page.keys("q", "b")
    wrong = page.js("return gazekit.boxes.selected")
    assert wrong["label"] == 1
    page.keys("3")
    page.saved()
    frame = server.get("api/frames/6")
    assert {box["id"]: box["label"] for box in frame["boxes"]}[wrong["id"]] == 3
    page.chord(CTRL, "z")
    page.saved()
    assert [box["label"] for box in server.get("api/frames/6")["boxes"]] == [1, 2, 3, 4, 5]
    page.chord(CTRL, SHIFT, "z")
    page.saved()
    assert server.get("api/frames/6")["boxes"][0]["label"] == 3
    page.open()
    page.go(6)
    assert page.boxes()[0]["label"] == 3


def test_a_box_is_drawn_moved_resized_and_deleted(server, tab):
    page = tab(server.address)
    page.keys("q", "4")
    page.go(10)
    page.drag((40, 30), (60, 50), (100, 80))
    page.saved()
    (box,) = server.get("api/frames/10")["boxes"]
    assert box["label"] == 4 and box["source"] == "manual"
    for side, wanted in zip(box["box"], (40, 30, 100, 80), strict=True):
        assert abs(side - wanted) < 1
    page.drag((70, 55), (80, 60), (90, 75))  # by its middle
    page.saved()
    moved = server.get("api/frames/10")["boxes"][0]["box"]
    assert all(abs(b - a - d) < 1 for a, b, d in zip(box["box"], moved, (20, 20, 20, 20), strict=True))
    page.drag((moved[2], moved[3]), (160, 150))  # by its corner
    page.saved()
    larger = server.get("api/frames/10")["boxes"][0]["box"]
    assert larger[:2] == moved[:2] and abs(larger[2] - 160) < 1 and abs(larger[3] - 150) < 1
    page.keys(DELETE)
    page.saved()
    assert server.get("api/frames/10")["boxes"] == []
    for wanted in (larger, moved, box["box"]):
        page.chord(CTRL, "z")
        page.saved()
        assert server.get("api/frames/10")["boxes"][0]["box"] == wanted
    page.open()
    page.go(10)
    assert [shown["box"] for shown in page.boxes()] == [box["box"]]


def test_fixations_are_mapped_by_one_key_each_in_the_order_of_the_queue(server, tab):
    page = tab(server.address)
    page.find("queue-order").send_keys("time")
    page.keys(ESCAPE)
    page.js("document.activeElement.blur(); gazekit.navigation.goFixation(1)")
    page.settled()
    assert "book?" in page.text("suggestion")  # the gaze lies in a box that is there
    for key in (ENTER, "3", "x", "0"):
        page.keys(key)
        page.settled()
    page.saved()
    fixations = server.get("api/fixations")
    assert fixations["label"][:5] == [3, 3, -1, 0, None]
    assert fixations["source"][:2] == ["confirmed", "manual"]
    assert page.js("return gazekit.viewState.fixation") == 5
    assert page.text("progress").startswith("4 of 14 fixations")
    page.chord(CTRL, "z")
    page.saved()
    assert server.get("api/fixations")["label"][3] is None


def test_boxes_are_made_copied_moved_interpolated_by_keys_alone(server, tab):
    page = tab(server.address)
    page.keys("q", "3")
    page.go(26)
    page.chord(SHIFT, "n")
    page.saved()
    first = server.get("api/frames/26")["boxes"][0]
    page.keys("c")
    page.saved()
    until(lambda: page.js("return gazekit.viewState.frame") == 27, "the next frame")
    page.js("gazekit.model.act({op: 'box.add', frame: 36, label: 3, track: arguments[0], box: arguments[1]})",
            first["track"], [side + 10 for side in first["box"]])  # fmt: skip
    page.saved()
    page.settled()
    page.keys("b", "i")
    until(lambda: server.get("api/frames/32")["boxes"], "the frames between")
    between = (
        server.get("api/frames/36")["boxes"][0]["box"][0] - server.get("api/frames/32")["boxes"][0]["box"][0]
    )
    assert between > 3
    page.keys("m")
    until(
        lambda: page.js("return gazekit.viewState.frame") == 32,
        "the middle between keyframes 27 and 36",
    )


def test_boxes_are_propagated_through_a_range_and_say_so(server, tab):
    page = tab(server.address)
    page.keys("q")
    page.go(6)
    page.keys("p")
    page.find("dialog-ok")
    page.keys("3", ENTER)
    until(lambda: server.get("api/frames/9")["boxes"], "the third frame after")
    until(lambda: "Propagating" in page.text("toasts"), "a word about it")
    page.go(8)
    until(
        lambda: {box["source"] for box in page.boxes()} == {"propagated"}, "propagated boxes without a reload"
    )
    assert "propagated" in page.text("boxes")
    assert "propagated" not in {box["source"] for box in server.get("api/frames/10")["boxes"]}


def test_a_new_label_gets_a_key_and_a_colour(server, tab):
    page = tab(server.address)
    page.find("new-label").send_keys("cup" + ENTER)
    page.saved()
    label = max(server.get("api/project")["labels"], key=lambda label: label["id"])
    assert label["name"] == "cup" and label["key"] == "6" and label["colour"].startswith("#")
    assert "cup" in page.text("labels")
    page.find("new-label").send_keys("cup" + ENTER)
    page.saved()
    assert "cup" in page.text("toasts")  # why not


def test_the_help_shows_all_keys_and_gives_others(server, tab):
    page = tab(server.address)
    page.keys("?")
    assert page.find("help").is_displayed()
    assert "interpolate between keyframes" in page.text("help")
    page.driver.find_element("css selector", "#help button[aria-label^='N: new box']").click()
    page.keys("j")
    page.keys(ESCAPE)
    assert not page.find("help").is_displayed()
    page.keys("n")
    assert not page.js("return gazekit.viewState.drawing")
    page.keys("j")
    assert page.js("return gazekit.viewState.drawing")


def test_light_and_dark_follow_the_system_and_the_button(server, tab):
    page = tab(server.address)
    ground = "return getComputedStyle(document.querySelector('header')).backgroundColor"
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert page.js(ground) == {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 31, 37)"}[scheme]
    page.click("theme")
    assert page.js(ground) == "rgb(255, 255, 255)"
    page.click("theme")
    assert page.js(ground) == "rgb(28, 31, 37)"
    page.open()
    assert page.js(ground) == "rgb(28, 31, 37)"
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_all_can_be_named_and_reached_without_a_pointer(server, tab):
    page = tab(server.address)
    unnamed = page.js(
        "return [...document.querySelectorAll('button, select, input, canvas, a')]"
        ".filter((e) => e.checkVisibility() && !e.closest('[aria-hidden=true]'))"
        ".filter((e) => !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == []
    page.js("document.getElementById('stage').focus()")
    assert page.js("return document.activeElement.id") == "stage"
