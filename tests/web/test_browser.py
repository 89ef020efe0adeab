"""The page in a real browser: what a script does with it, and what the policy lets nobody do."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.web.app import build_app
from appliance.web.server import make_server
from tests.web import demo, states
from tests.web.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
EVIL = "<img src=x onerror=window.hit=1><script>window.hit=1</script>\"'{{7*7}}"
LINK = "document.documentElement.dataset.link"


class World:
    def __init__(self) -> None:
        self.status, self.events = states.idle()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    app = build_app(
        lambda: world.status,
        lambda limit: world.events[-limit:],
        demo.SITE,
        "0.1.0",
        True,
        passive_threshold=0.7,
        clock=lambda: states.MONO,
        wall=lambda: states.UTC,
        start_seconds=0,
    )
    with demo.running(make_server(app, "127.0.0.1", 0)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Browser]:
    browser.events.clear()
    browser.open(url)
    browser.until(f"{LINK} === 'live' && document.getElementById('main').getAttribute('aria-busy') === 'false'")
    yield browser
    browser.call("Page.navigate", url="about:blank")


def shown(browser: Browser, element: str) -> Any:
    return browser.ask(f"document.getElementById('{element}').textContent")


def test_it_follows_the_door_without_a_reload(page: Browser, world: World) -> None:
    page.until("document.getElementById('door-title').textContent === 'Locked'")
    world.status, world.events = states.opened()
    page.until("document.getElementById('door-title').textContent === 'Open'")
    page.until("document.getElementById('answer-title').textContent === 'Let in'")
    page.until("document.querySelectorAll('#rows li').length === 12")
    assert page.ask("document.getElementById('door').dataset.ajar") == "true"
    assert shown(page, "latency") == "412"
    assert "rotateY" in page.ask("[...document.styleSheets].flatMap(s => [...s.cssRules]).map(r => r.cssText).join()")
    page.until("getComputedStyle(document.querySelector('.door-leaf')).transform.startsWith('matrix3d')")
    world.status, world.events = states.held()
    page.until("document.querySelector('#alarms h2')?.textContent === 'Door held open'")
    assert page.complaints() == []


def test_hostile_content_stays_text(page: Browser, world: World) -> None:
    evil_part = {"hint": EVIL, "scene": EVIL, "camera": EVIL, "surround": EVIL, "face": [0.1, 0.1, 0.3, 0.3]}
    world.status = {
        "door": states.door(EVIL, lock=EVIL, contact=EVIL, keypad=EVIL, store=EVIL),
        "vision": states.vision(EVIL, **evil_part),
        "net": states.net(mqtt=EVIL),
    }
    world.events = [states.event(90, 1, "access", EVIL, EVIL, pid=EVIL), states.event(91, 1, EVIL, EVIL, EVIL)]
    page.until("document.getElementById('door-title').textContent.startsWith('<img')")
    page.until("document.querySelector('#rows .title').textContent.startsWith('<img')")
    time.sleep(0.3)
    assert page.ask("window.hit === undefined")
    assert page.ask("document.querySelectorAll('main img, main script').length") == 0
    assert page.complaints() == []


def test_the_policy_stops_what_a_mistake_of_ours_would_let_in(page: Browser) -> None:
    attempt = "document.getElementById('main').insertAdjacentHTML('beforeend', '<img src=x onerror=window.hit=1>')"
    assert (
        page.ask(f"(() => {{ try {{ {attempt}; return 'in'; }} catch (error) {{ return error.name; }} }})()")
        == "TypeError"
    )
    inline = "const s = document.createElement('style'); s.textContent = 'body{display:none}'; document.head.append(s)"
    assert page.ask(f"(() => {{ {inline}; return getComputedStyle(document.body).display; }})()") == "block"
    assert page.ask("fetch('https://example.org/').then(() => 'out', () => 'stopped')") == "stopped"


def test_a_lost_connection_is_said_and_found_again(browser: Browser) -> None:
    with demo.running(demo.serve("granted", 0)) as url:
        browser.open(url)
        browser.until(f"{LINK} === 'live'")
        browser.until("document.getElementById('door-title').textContent === 'Unlocked'")
    browser.until(f"{LINK} === 'lost'")
    assert "What you see is from 21:00" in shown(browser, "lost-words")
    with demo.running(demo.serve("idle", int(url.rsplit(":", 1)[1].strip("/")))):
        browser.until(f"{LINK} === 'live'", 20)
        browser.until("document.getElementById('door-title').textContent === 'Locked'")
        assert browser.ask("document.getElementById('lost').hidden")
        browser.call("Page.navigate", url="about:blank")


def test_a_tab_that_nobody_sees_takes_no_stream(browser: Browser) -> None:
    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s});"
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    server = demo.serve("idle", 0)
    with demo.running(server) as url:
        browser.open(url)
        browser.until(f"{LINK} === 'live'")
        browser.ask(hide % "true" + tell)
        browser.until("document.title === 'Lintel (paused)'")
        until = time.monotonic() + 5
        while server.app.state.stream.watchers:
            assert time.monotonic() < until
            time.sleep(0.05)
        browser.ask(hide % "false" + tell)
        browser.until(f"{LINK} === 'live' && document.title === 'Locked · Lintel'")
        browser.call("Page.navigate", url="about:blank")


@pytest.mark.slow
def test_a_machine_that_hangs_with_its_sockets_open_is_noticed(browser: Browser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.web.demo", "idle", str(port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            time.sleep(3)
            browser.open(f"http://127.0.0.1:{port}/")
            browser.until(f"{LINK} === 'live'")
            process.send_signal(signal.SIGSTOP)
            browser.until(f"{LINK} === 'lost'", 30)
            process.send_signal(signal.SIGCONT)
            browser.until(f"{LINK} === 'live'", 20)
            time.sleep(1)
            health = browser.ask(
                "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/stream')).length"
            )
            assert health <= 4, "one stream at a time"
        finally:
            process.kill()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("state", ["empty", "forced", "opened"])
def test_nothing_sticks_out_sideways(browser: Browser, state: str, width: int) -> None:
    with demo.running(demo.serve(state, 0)) as url:
        browser.open(f"{url}?static=1", width, phone=width < 600)
        browser.until("document.documentElement.dataset.drawn === 'true'")
        assert browser.ask("document.documentElement.scrollWidth") <= width


def test_the_theme_can_be_switched_and_is_remembered(page: Browser, url: str) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.ask(ground)
    for _ in range(2):
        page.ask("document.getElementById('theme').click()")
    assert page.ask("document.documentElement.dataset.theme") == "dark"
    assert page.ask(ground) != light
    assert "dark" in page.ask("document.getElementById('theme').getAttribute('aria-label')")
    page.open(url)
    assert page.ask("document.documentElement.dataset.theme") == "dark"
    page.ask("localStorage.clear()")


def test_the_keyboard_reaches_what_can_be_used_and_shows_where_it_is(page: Browser) -> None:
    reached = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(page.ask("document.activeElement.id || document.activeElement.className"))
        assert page.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["skip", "brand", "theme", "rows"]


def test_everything_with_a_role_has_a_name(page: Browser) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "meter", "image", "img", "region", "heading", "list"}
    nameless = [
        node
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in roles - {"list"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
