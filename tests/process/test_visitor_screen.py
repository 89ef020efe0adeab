"""A visitor at the screen of a real door: typed in a browser, sent by the net process, answered by the door process."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.daemons.visitor import checked, visitor_means
from appliance.errors import ConfigError, StoreError
from appliance.settings import ScreenConfig, WebConfig
from appliance.store.database import FILE
from appliance.system.status import read_status
from tests.beds.door import DoorChild, eventually
from tests.web.browser import CHROMIUM, Browser

ROOT = "document.documentElement"


class Site:
    """A door process and a net process that share their folders."""

    def __init__(self, folder: Path) -> None:
        self.door = DoorChild(folder)
        self.door.config = replace(self.door.config, web=WebConfig(port=0))
        self.pid, self.digits = self.door.enrol()
        self.door.start()
        self.net = subprocess.Popen(
            [sys.executable, "-m", "appliance", "--config", str(self.door.file), "net"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.door.log_file,
            env=os.environ,
        )
        told = eventually(lambda: read_status(folder / "run" / "net" / "status.json"), 20, "net")
        self.port = told["port"]
        eventually(lambda: self.get("/healthz") == 200, 20, "page")

    def get(self, path: str) -> int:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            line.request("GET", path)
            return line.getresponse().status
        except OSError:
            return 0
        finally:
            line.close()

    def post(self, path: str, body: object) -> tuple[int, dict[str, object]]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"}
        line.request("POST", path, json.dumps(body), headers)
        answer = line.getresponse()
        told = json.loads(answer.read())
        line.close()
        return answer.status, told

    def close(self) -> None:
        self.net.terminate()
        self.net.wait(10)
        self.door.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "d")
    yield site
    site.close()


def test_a_pin_opens_help_is_recorded_and_no_file_holds_the_digits(site: Site, tmp_path: Path) -> None:
    assert site.post("/door/pin", {"digits": site.digits}) == (202, {"sent": True})
    site.door.await_release()
    granted = next(event for event in site.door.events() if event.why == "granted")
    assert (granted.by, granted.detail) == ("pin", {"keypad": "screen"})
    assert site.door.status["answer"]["why"] == "granted"
    assert site.post("/door/help", {}) == (202, {"reached": False})  # no broker is set up here
    assert site.post("/door/help", {}) == (202, {"reached": False})
    called = [event for event in site.door.events() if event.why == "help_called"]
    assert [(event.type, event.by, event.person) for event in called] == [("sys", "screen", None)]
    site.door.process.kill()
    site.door.process.wait()
    assert site.post("/door/pin", {"digits": site.digits}) == (503, {"error": "The door does not answer."})
    held = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(held) > 4
    assert [path for path in held if site.digits.encode() in path.read_bytes()] == []


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
def test_a_visitor_types_and_is_answered_at_once(site: Site) -> None:
    watch = f"""
      window.changes = {{}};
      new MutationObserver(() => requestAnimationFrame(() => {{
        window.changes[{ROOT}.dataset.show] = performance.timeOrigin + performance.now();
      }})).observe({ROOT}, {{ attributes: true, attributeFilter: ['data-show'] }});
    """

    def typed(digits: str) -> None:
        browser.ask("document.getElementById('open-pin').click()")
        for digit in digits:
            browser.ask(
                f"[...document.querySelectorAll('#pad .key')].find(key => key.textContent === '{digit}').click()"
            )
        browser.ask("document.querySelector('#pad .key-ok').click()")

    def took(show: str) -> float:
        browser.until(f"{ROOT}.dataset.show === '{show}' && window.changes.{show}")
        behind = time.time() - time.monotonic()
        return browser.ask(f"window.changes.{show}") - (site.door.status["answer"]["at"] + behind) * 1000

    with Browser() as browser:
        browser.open(f"http://127.0.0.1:{site.port}/door", 480, 800)
        browser.until(f"['idle', 'face_off'].includes({ROOT}.dataset.show)")
        browser.ask(watch)
        wrong = "000000" if site.digits != "000000" else "111111"
        typed(wrong)
        refused = took("pin_refused")
        typed(site.digits)
        welcome = took("welcome")
    print(f"decision to paint: refused {refused:.0f} ms, welcome {welcome:.0f} ms")
    assert min(refused, welcome) < 100


def test_a_record_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError):
        visitor_means(tmp_path, tmp_path / FILE).call_help()


def test_without_a_door_a_pin_is_not_taken(tmp_path: Path) -> None:
    assert visitor_means(tmp_path, tmp_path / FILE).send_pin("123456") is False


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("help_text", "x" * 81),
        ("help_text", "two\nlines"),
        ("notice_url", "ftp://x"),
        ("notice_url", "https://" + "x" * 200),
    ],
)
def test_what_does_not_fit_the_screen_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"screen\.{key}"):
        checked(replace(ScreenConfig(), **{key: value}))
    assert checked(ScreenConfig()) == ScreenConfig()
