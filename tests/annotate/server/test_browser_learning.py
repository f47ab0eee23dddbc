"""The model on the page: it learns in the background, predictions come by themselves; labels go out and come back."""

from __future__ import annotations

import json

import pytest
from browser_page import until
from selenium_keys import CTRL, ENTER

LEARNING_S = 240.0


@pytest.mark.slow
def test_predictions_change_by_themselves_when_the_model_has_learned(toy_project, served, tab):
    server = served(toy_project(frames=tuple(range(0, 60, 5)), confirm=True))
    page = tab(server.address)
    page.keys("q")
    page.go(17)
    assert page.js("return gazekit.model.view(17)?.predictions") == []
    state = "return document.querySelector('[data-testid=model]').dataset.state"
    page.keys("r")
    until(lambda: page.js(state) == "training", "learning")
    page.go(18)
    page.js("gazekit.boxes.draw([10, 10, 40, 40])")  # labels do not wait for the model
    page.saved(5)
    page.chord(CTRL, "z")  # goes to the frame that it changes
    page.saved(5)
    assert server.get("api/frames/18")["boxes"] == []
    page.go(17)
    model = "return Number(document.querySelector('[data-testid=model]').dataset.version)"
    until(lambda: page.js(model) > 0, "a new model", LEARNING_S)
    found = until(lambda: page.js("return gazekit.model.view(17)?.predictions"), "predictions", LEARNING_S)
    assert {item["label"] for item in found} & {1, 2, 3, 4, 5}
    assert "predicted" in page.text("boxes")
    page.keys(ENTER)  # takes them
    page.saved()
    frame = server.get("api/frames/17")
    assert frame["confirmed"] and {box["source"] for box in frame["boxes"]} == {"confirmed"}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["coco", "cvat", "label_studio"])
def test_what_is_exported_comes_back_equal(exchanged, tab, tmp_path, format):
    server = exchanged
    page = tab(server.address)
    text = page.driver.execute_async_script(
        "const done = arguments[1]; fetch(arguments[0]).then((answer) => answer.text()).then(done)",
        f"/api/export/{format}",
    )
    file = tmp_path / ("labels.xml" if format == "cvat" else "labels.json")
    file.write_text(text)
    before = [(b["label"], b["box"], b["track"]) for b in server.get("api/frames/15")["boxes"]]
    page.go(15)
    page.js("gazekit.model.act({op: 'box.delete', frame: 15, id: gazekit.model.view(15).boxes[0].id})")
    page.saved()
    page.import_file({"coco": "COCO", "cvat": "CVAT", "label_studio": "Label"}[format], file)
    until(lambda: "mported" in page.text("toasts"), "the import")
    assert page.text("toasts").startswith("Imported"), page.text("toasts")
    until(lambda: len(page.boxes()) == len(before), "the boxes")
    after = [(b["label"], b["box"], b["track"]) for b in server.get("api/frames/15")["boxes"]]
    assert [label for label, _, _ in after] == [label for label, _, _ in before]
    for (_, one, _), (_, two, _) in zip(before, after, strict=True):
        assert one == pytest.approx(two, abs=0.02)
    if format == "coco":
        again = page.driver.execute_async_script(
            "const done = arguments[0]; fetch('/api/export/coco').then((answer) => answer.json()).then(done)"
        )
        first = json.loads(text)
        assert _boxes(again) == _boxes(first)


def _boxes(coco: dict) -> list[tuple]:
    names = {c["id"]: c["name"] for c in coco["categories"]}
    frames = {i["id"]: i["frame_index"] for i in coco["images"]}
    return sorted((frames[a["image_id"]], names[a["category_id"]], a["bbox"]) for a in coco["annotations"])


def test_a_file_that_cannot_be_read_is_told_and_changes_nothing(exchanged, tab, tmp_path):
    page = tab(exchanged.address)
    (tmp_path / "broken.json").write_text('{"images": [')
    before = exchanged.get("api/frames/15")
    page.import_file("COCO", tmp_path / "broken.json")
    until(lambda: "Not imported" in page.text("toasts"), "why not")
    assert "broken.json" in page.text("toasts")
    assert exchanged.get("api/frames/15") == before


@pytest.fixture(scope="module")
def exchanged(toy_project, served):
    """A server whose frames 0, 15 and 30 have the true boxes."""
    return served(toy_project(frames=(0, 15, 30)))
