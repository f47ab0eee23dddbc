"""The annotation page in a real browser: a server in its own process, headless Chromium, and what a person does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 20.0


def chromium() -> tuple[str, str]:
    """Chromium and its driver; without them the test is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    try:
        import selenium  # noqa: F401
    except ImportError:
        driver = None
    if found and driver:
        return found, driver
    pytest.skip("chromium, chromedriver and selenium are needed to test the page")


def new_driver() -> Any:
    """A headless browser, 1280 x 800."""
    from selenium import webdriver

    binary, driver = chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1280,800",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def until(told: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> Any:
    """The first true answer; AssertionError after `wait_s`."""
    end = time.monotonic() + wait_s
    while True:
        answer = told()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {wait_s} s for {what}"
        time.sleep(0.03)


class Server:
    """`gazekit annotate` in its own process, on the same port after every start."""

    def __init__(self, project: Path, log: Path) -> None:
        self.project, self.log, self.port = project, log, 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Run it; its address."""
        command = [
            sys.executable,
            "-m",
            "gazekit",
            "annotate",
            f"project={self.project}",
            f"port={self.port}",
        ]
        self.log.write_bytes(b"")
        with self.log.open("ab") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(
                [*command, "open_browser=false"], stdout=log, stderr=log, env=environment
            )
        self.address = until(self._told, f"the server's address in {self.log}", 60)
        self.port = int(self.address.rsplit(":", 1)[1].strip("/"))
        return self.address

    def _told(self) -> str | None:
        text = self.log.read_text()
        assert self.process and self.process.poll() is None, f"the server ended: {text[-2000:]}"
        found = [word for word in text.split() if word.startswith("http://")]
        return found[0] if found else None

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def get(self, path: str) -> Any:
        """JSON of the server."""
        with urllib.request.urlopen(self.address + path.lstrip("/"), timeout=30) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to JSON."""
        request = urllib.request.Request(
            self.address + path.lstrip("/"), json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


class Page:
    """One tab."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver, self.address = driver, address
        self.window = driver.current_window_handle

    def open(self) -> Page:
        """Load it, and wait until it can be used."""
        self.driver.switch_to.window(self.window)
        self.driver.get(self.address)
        until(lambda: self.js("return document.body?.dataset.ready === 'true'"), "the page")
        self.settled()
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        """Run in the tab."""
        self.driver.switch_to.window(self.window)
        return self.driver.execute_script(script, *arguments)

    def settled(self) -> None:
        """The frame and its boxes are shown."""
        shown = (
            "const {model, viewState, stage} = gazekit;"
            "return Boolean(model.view(viewState.frame)?.predictions && stage.picture)"
        )
        until(lambda: self.js(shown), "the frame")

    def keys(self, *keys: str) -> None:
        """Press keys, one after the other."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.driver.switch_to.window(self.window)
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def chord(self, *keys: str) -> None:
        """Press keys together."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.driver.switch_to.window(self.window)
        chain = ActionChains(self.driver, duration=0)
        for key in keys:
            chain.key_down(key)
        for key in reversed(keys):
            chain.key_up(key)
        chain.perform()

    def saved(self, wait_s: float = WAIT_S) -> None:
        """Nothing waits to be saved, and the page says so."""
        waiting = "return gazekit.model.outbox.waiting.length"
        until(lambda: self.text("saved") == "saved" and not self.js(waiting), "saved", wait_s)

    def text(self, testid: str) -> str:
        """Text of an element."""
        return self.js(
            "return document.querySelector(`[data-testid='${arguments[0]}']`).textContent.trim()", testid
        )

    def find(self, testid: str) -> Any:
        """An element."""
        self.driver.switch_to.window(self.window)
        return self.driver.find_element("css selector", f"[data-testid='{testid}']")

    def click(self, testid: str) -> None:
        """Click an element."""
        self.find(testid).click()

    def import_file(self, format: str, file: Path, replace: str = "dialog-ok") -> None:
        """Import labels into a project that has boxes, and say whether they are replaced."""
        self.click("import")
        self.find("import-format").send_keys(format)
        self.find("import-file").send_keys(str(file))
        self.click("dialog-ok")
        asked = "return document.querySelector('dialog[open]')?.textContent.includes('Replace boxes?')"
        until(lambda: self.js(asked), "the question")
        self.click(replace)

    def press(self, selector: str) -> None:
        """Click what is at the place of an element, however often that is drawn anew."""
        from selenium.webdriver.common.action_chains import ActionChains

        x, y = self.js(
            "const {left, top, width, height} = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [left + width / 2, top + height / 2].map(Math.round)",
            selector,
        )
        chain = ActionChains(self.driver, duration=20)
        chain.w3c_actions.pointer_action.move_to_location(x, y).click()
        chain.perform()

    def go(self, frame: int) -> None:
        """Show a frame."""
        self.js("gazekit.navigation.go(arguments[0])", frame)
        until(lambda: self.js("return gazekit.viewState.frame") == frame, f"frame {frame}")
        self.settled()

    def drag(self, *scene_xy: tuple[float, float]) -> None:
        """Press at the first scene pixel, go to the others, release."""
        from selenium.webdriver.common.action_chains import ActionChains

        points = self.js(
            "const {view, canvas} = gazekit.stage; const {left, top} = canvas.getBoundingClientRect();"
            "return arguments[0].map(([x, y]) => [left + view.x + x * view.scale, top + view.y + y * view.scale])",
            list(scene_xy),
        )
        chain = ActionChains(self.driver, duration=20)
        for k, (x, y) in enumerate(points):
            chain.w3c_actions.pointer_action.move_to_location(round(x), round(y))
            if k == 0:
                chain.w3c_actions.pointer_action.pointer_down()
        chain.w3c_actions.pointer_action.pointer_up()
        chain.perform()

    def boxes(self) -> list[dict[str, Any]]:
        """Boxes as shown, the edits that wait included."""
        return self.js("return gazekit.model.view(gazekit.viewState.frame).boxes")

    def errors(self) -> list[str]:
        """What went wrong in the browser since the last look, refused connections aside."""
        entries = self.driver.get_log("browser")
        known = ("net::ERR_", "409", "422")
        return [
            e["message"]
            for e in entries
            if e["level"] == "SEVERE" and not any(k in e["message"] for k in known)
        ]
