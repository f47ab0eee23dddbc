"""All text of the page can be read, light and dark: its contrast is that of WCAG 2 AA (4.5 : 1)."""

from __future__ import annotations

import pytest

SCHEMES = ("light", "dark")

# Text that is seen, its contrast against what lies behind it, where that is below 4.5.
FAINT = """
const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
};
const over = ([r, g, b, a], below) => [r, g, b].map((value, k) => value * a + below[k] * (1 - a)).concat(1);
const behind = (element) => {
  if (!element) return [1, 1, 1, 1];
  const own = rgba(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(element.parentElement));
};
const light = (colour) => {
  const [r, g, b] = colour.map((s) => s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const faint = [];
for (const element of document.querySelectorAll(arguments[0])) {
  const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("").trim();
  const seen = element.checkVisibility({visibilityProperty: true}) && !element.closest(".sr-only, [disabled]");
  if (!text || !seen) continue;
  const below = behind(element);
  const ends = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
  const contrast = (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
  if (contrast < 4.5) faint.push(`${text}: ${contrast.toFixed(2)}`);
}
return faint;
"""


@pytest.fixture
def page(toy_project, served, tab):
    """A tab on a project whose frame 6 has boxes, and frame 9 propagated ones."""
    server = served(toy_project(frames=(6,)))
    boxes = [{"frame": 9, "label": 3, "box": [50, 50, 90, 90], "score": 0.8}]
    action = {"op": "boxes.put", "frame": 9, "source": "propagated", "boxes": boxes}
    server.post("api/actions", {"author": "ada", "tab": "x", **action})
    page = tab(server.address)
    yield page
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_text_has_contrast_in_light_and_dark(page):
    _look(page, "the fixation mode")
    page.keys("2", "0")
    page.js("gazekit.annotator.setMode('box')")
    page.go(9)
    _look(page, "propagated boxes")
    page.keys("b", "i")
    page.go(6)
    page.keys("b")
    page.js(
        "gazekit.model.emit('model', {state: 'training', progress: 0.4, version: 1, message: 'learning', eta_s: 9});"
        "import('/page/dom.js').then(({toast}) => toast('It failed.', {error: true, action: 'Undo'}))"
    )
    _look(page, "a selected box, learning, messages")
    for what, show in (("help", "?"), ("export", "e")):
        page.keys(show)
        _look(page, what, f"dialog[open] *, #{what} *")
        page.js("document.querySelector('dialog[open]').close()")
    for state in ("offline", "conflict", "saving"):
        page.js("document.getElementById('saved').dataset.state = arguments[0]", state)
        _look(page, state, "#saved")
    page.js("document.getElementById('conflict').hidden = false")
    _look(page, "a conflict", "#conflict *")


def _look(page, what: str, selector: str = "body *") -> None:
    for scheme in SCHEMES:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert page.js(FAINT, selector) == [], f"{what}, {scheme}"
