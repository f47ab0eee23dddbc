"""Fixtures of the annotation page's tests in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_page import Page, Server, new_driver

LABELS = ("tablet-left", "tablet-right", "book", "device-left", "device-right")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests."""
    driver = new_driver()
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def toy_project(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a project of the toy recording: labels 1 to 5, and boxes as they truly are in the frames asked for."""
    from gazekit.annotate.project import Project

    def make(frames: tuple[int, ...] = (), confirm: bool = False) -> Path:
        toy = shared_data / "annotation_toy"
        truth = json.loads((toy / "exports" / "coco_ground_truth.json").read_text())
        project = Project.create(tmp_path_factory.mktemp("toy") / "project", toy / "neon_export" / "toy-0001")
        for name in LABELS:
            project.store.act({"op": "label.add", "name": name, "frame": None}, "ada")
        for annotation in truth["annotations"]:
            frame = annotation["image_id"] - 1
            if frame in frames:
                x, y, w, h = annotation["bbox"]
                box = {"label": annotation["category_id"], "box": [x, y, x + w, y + h]}
                project.store.act({"op": "box.add", "frame": frame, **box}, "ada")
        for frame in frames if confirm else ():
            project.store.act({"op": "frame.confirm", "frame": frame}, "ada")
        project.close()
        return project.folder

    return make


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[Path], Server]]:
    """Serves a project until the module's tests have ended."""
    servers = []

    def serve(project: Path) -> Server:
        server = Server(project, project.parent / "server.log")
        servers.append(server)
        server.start()
        return server

    yield serve
    for server in servers:
        server.kill()


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[[str], Page]]:
    """Opens tabs, each as if it were the only one; they are closed with the test and must be free of errors."""
    first = browser.current_window_handle
    pages = []

    def open_tab(address: str) -> Page:
        browser.switch_to.new_window("tab")
        pages.append(Page(browser, address))
        return pages[-1].open()

    yield open_tab
    errors = pages[-1].errors() if pages else []
    for page in pages:
        browser.switch_to.window(page.window)
        browser.execute_script("localStorage.clear(); sessionStorage.clear()")
        browser.close()
    browser.switch_to.window(first)
    assert not errors
