"""The visitor's screen in a real browser: at once, legible, touchable, and silent about the PIN."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.settings import ScreenConfig
from appliance.system.status import StatusFile, read_status
from appliance.web import languages
from appliance.web.app import build_app
from appliance.web.screen import TONES
from appliance.web.server import make_server
from appliance.web.visitor import Means, Visitor
from tests.web import demo, screens, states
from tests.web.browser import CHROMIUM, Browser
from tests.web.screenpictures import DISPLAYS, mirrored

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
EVIL = "<img src=x onerror=window.hit=1>"
ROOT = "document.documentElement"
PIN = "918273"
TOUCH_PX = 64


class World:
    """A door that answers when told to, and what the screen sent."""

    def __init__(self) -> None:
        self.status: states.Statuses = screens.SCREENS["idle"]()
        self.pins: list[str] = []
        self.calls = 0
        self.door = True
        self.reached = True
        self.on_pin: Callable[[], None] = lambda: None

    def send(self, digits: str) -> bool:
        self.pins.append(digits)
        if self.door:
            threading.Timer(0.15, self.on_pin).start()
        return self.door

    def call(self) -> bool:
        self.calls += 1
        return self.reached

    def show(self, name: str) -> None:
        self.status = screens.SCREENS[name]()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture
def world() -> World:
    return World()


def served(world: World, **more: Any) -> Any:
    app = build_app(
        lambda: world.status,
        lambda limit: [],
        demo.SITE,
        "0.1.0",
        True,
        clock=lambda: states.MONO,
        wall=lambda: states.UTC,
        start_seconds=0,
        visitor=Visitor(**({"config": screens.CONFIG, "means": Means(world.send, world.call)} | more)),
    )
    return demo.running(make_server(app, "127.0.0.1", 0))


@pytest.fixture
def page(browser: Browser, world: World) -> Iterator[Browser]:
    with served(world) as url:
        browser.events.clear()
        browser.open(f"{url}door", 480, 800)
        shows(browser, "idle")
        yield browser
        addresses = [str(event["params"].get("request", {}).get("url")) for event in browser.events]
        assert len(addresses) > 3
        assert PIN not in "".join([*addresses, *browser.complaints()])
        browser.call("Page.navigate", url="about:blank")


def shows(browser: Browser, name: str) -> None:
    browser.until(f"{ROOT}.dataset.drawn === 'true' && {ROOT}.dataset.show === '{name}'")


def press(browser: Browser, element: str) -> None:
    browser.ask(f"document.getElementById('{element}').click()")


def text(browser: Browser, element: str) -> Any:
    return browser.ask(f"document.getElementById('{element}').textContent")


def type_pin(browser: Browser, digits: str) -> None:
    press(browser, "open-pin")
    keys = "[...document.querySelectorAll('#pad .key')]"
    for digit in digits:
        browser.ask(f"{keys}.find(key => key.textContent === '{digit}').click()")


def test_it_follows_the_door_and_says_it_aloud(page: Browser, world: World) -> None:
    assert (text(page, "title"), text(page, "hero-clock")) == ("Look here", "21:00")
    world.show("come_closer")
    # The clock stands still in this test, so guidance never settles; an answer needs no settling.
    world.show("welcome")
    shows(page, "welcome")
    page.until(f"{ROOT}.dataset.spoken === 'en/welcome' && {ROOT}.dataset.sounded === 'good'")
    assert text(page, "announce") == "Welcome. The door is unlocked."
    world.show("face_refused")
    shows(page, "face_refused")
    page.until(f"{ROOT}.dataset.sounded === 'needs'")
    assert page.complaints() == []


def test_a_pin_is_dots_goes_in_a_body_and_is_forgotten(page: Browser, world: World) -> None:
    world.on_pin = lambda: world.show("welcome")
    type_pin(page, PIN)
    assert page.ask("document.querySelectorAll('#dots [data-typed=true]').length") == len(PIN)
    assert PIN[0] not in text(page, "dots") + text(page, "typed").replace("6 digits", "")
    page.ask("document.querySelector('#pad .key-ok').click()")
    shows(page, "welcome")
    assert world.pins == [PIN]
    assert page.ask("document.querySelectorAll('#dots [data-typed=true]').length") == 0
    assert PIN not in page.ask("document.documentElement.outerHTML")
    assert PIN not in page.ask("performance.getEntries().map(entry => entry.name).join()")
    assert page.ask("localStorage.length + sessionStorage.length") == 0


def test_a_keyboard_types_too_and_escape_leaves(page: Browser, world: World) -> None:
    def key(name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    for name in (*PIN, "Backspace", "7", "Enter"):
        key(name)
    page.until(f"{ROOT}.dataset.panel === ''")
    assert world.pins == [PIN[:-1] + "7"]
    key("4")
    assert page.ask(f"{ROOT}.dataset.panel") == "pin"
    key("Escape")
    assert page.ask(f"{ROOT}.dataset.panel") == ""
    assert world.pins == [PIN[:-1] + "7"]


def test_mixed_digits_are_all_there_and_elsewhere(page: Browser) -> None:
    press(page, "open-pin")
    order = "[...document.querySelectorAll('#pad .key')].map(key => key.textContent).join('')"
    assert page.ask(order) == "1234567890"
    press(page, "scramble")
    mixed = page.ask(order)
    assert sorted(mixed) == sorted("1234567890")
    press(page, "scramble")
    assert page.ask(order) == "1234567890"


def test_a_door_that_does_not_answer_is_said(page: Browser, world: World) -> None:
    type_pin(page, PIN)
    page.ask("document.querySelector('#pad .key-ok').click()")
    shows(page, "no_answer")
    world.door = False
    type_pin(page, PIN)
    page.ask("document.querySelector('#pad .key-ok').click()")
    shows(page, "no_answer")


def test_a_pause_takes_no_digits_and_says_how_long(page: Browser, world: World) -> None:
    press(page, "open-pin")
    world.show("pin_paused")
    shows(page, "pin_paused")
    page.until("/Wait: 0:2\\d/.test(document.getElementById('help').textContent)")
    assert page.ask("[...document.querySelectorAll('#pad button')].every(key => key.disabled)")


def test_a_face_refused_again_does_not_take_the_pad_away(page: Browser, world: World) -> None:
    world.on_pin = lambda: world.show("welcome")
    world.show("face_refused")
    shows(page, "face_refused")
    type_pin(page, PIN[:3])
    page.ask("document.documentElement.dataset.sounded = ''")
    world.status = screens.answered("unknown_face", n=8)
    time.sleep(0.3)
    assert page.ask(f"{ROOT}.dataset.panel") == "pin"
    assert page.ask("document.querySelectorAll('#dots [data-typed=true]').length") == 3
    assert page.ask(f"{ROOT}.dataset.sounded") == ""
    page.ask("[...document.querySelectorAll('#pad .key')][0].click(); document.querySelector('#pad .key-ok').click()")
    world.status = screens.answered("unknown_face", n=9)
    shows(page, "welcome")
    assert world.pins == [PIN[:3] + "1"]


def test_help_is_called_and_a_remote_unlock_answers(page: Browser, world: World) -> None:
    press(page, "call-help")
    shows(page, "help_called")
    assert text(page, "reach") == "Reception: 030 1234-0"
    world.status = screens.answered("granted", "admin", "UNLOCKED")
    shows(page, "welcome")
    assert world.calls == 1


def test_a_call_that_waits_for_the_network_says_so(page: Browser, world: World) -> None:
    world.reached = False
    press(page, "call-help")
    shows(page, "help_kept")


def test_each_language_speaks_for_itself(page: Browser) -> None:
    for code, language in languages.load().items():
        press(page, "open-language")
        page.ask(f"document.querySelector('[data-choose={code}]').click()")
        assert page.ask(f"{ROOT}.lang") == code
        assert text(page, "title") == language.screens["idle"]["title"]
        assert page.ask("document.querySelector('[data-word=help]').textContent") == language.words["help"]
        assert page.ask(f"document.querySelector('[data-choose={code}] span').textContent") == language.name


def test_muting_is_silent(page: Browser, world: World) -> None:
    press(page, "sound")
    world.show("welcome")
    shows(page, "welcome")
    time.sleep(0.2)
    assert page.ask(f"{ROOT}.dataset.sounded === undefined && {ROOT}.dataset.spoken === undefined")


def test_hostile_content_stays_text(browser: Browser, world: World) -> None:
    world.status = {
        "door": states.door(EVIL, answer={"n": EVIL, "why": EVIL}),
        "vision": states.vision(EVIL, hint=EVIL),
    }
    config = ScreenConfig(help_text=EVIL, notice_url=f"https://example.org/{EVIL}")
    with served(world, config=config) as url:
        browser.events.clear()
        browser.open(f"{url}door", 480, 800)
        shows(browser, "idle")
        assert text(browser, "reach") == EVIL
        assert browser.ask("window.hit === undefined && document.images.length === 0")
        assert browser.complaints() == []
        browser.call("Page.navigate", url="about:blank")


def test_a_lost_line_is_said_and_found_again(browser: Browser, world: World) -> None:
    with served(world) as url:
        browser.open(f"{url}door", 480, 800)
        shows(browser, "idle")
    shows(browser, "no_link")
    assert browser.ask("document.getElementById('open-pin').disabled")
    browser.call("Page.navigate", url="about:blank")


FITS = """
(async () => {
  const { drawScreen, drawLanguage } = await import('/static/doordraw.js');
  const languages = await (await fetch('/door/words.json')).json();
  const tones = %s;
  const wrong = [];
  for (const [code, language] of Object.entries(languages)) {
    drawLanguage(code, language);
    for (const show of Object.keys(language.screens)) {
      drawScreen({ show, tone: tones[show] ?? 'needs', until: 600 }, language, 0);
      const main = document.getElementById('main').getBoundingClientRect();
      for (const id of ['title', 'help']) {
        const box = document.getElementById(id).getBoundingClientRect();
        const aside = box.left < -1 || box.right > innerWidth + 1;
        const beyond = box.top < main.top - 1 || box.bottom > main.bottom + 1;
        const wider = document.getElementById(id).scrollWidth > box.width + 2;
        if ((box.width && (aside || beyond)) || wider) wrong.push(`${code} ${show} ${id}`);
      }
      for (const button of document.querySelectorAll('#controls button')) {
        const box = button.getBoundingClientRect();
        if (!box.width) continue;
        if (box.width < 64 || box.height < 64) wrong.push(`${code} ${show} ${button.id} small`);
        if (button.scrollWidth > box.width + 1) wrong.push(`${code} ${show} ${button.id} overflows`);
        if (box.top < innerHeight / 2) wrong.push(`${code} ${show} ${button.id} high`);
      }
    }
  }
  return wrong;
})()
"""


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize(("width", "height"), DISPLAYS)
def test_every_word_fits_every_display(browser: Browser, world: World, width: int, height: int, direction: str) -> None:
    with served(world, **({"languages": mirrored()} if direction == "rtl" else {})) as url:
        browser.open(f"{url}door", width, height)
        shows(browser, "idle")
        assert browser.ask("getComputedStyle(document.body).direction") == direction
        assert browser.ask(FITS % json.dumps(dict(TONES))) == []
        press(browser, "open-pin")
        sizes = browser.ask(
            "[...document.querySelectorAll('#panel-pin button')].map(b => b.getBoundingClientRect())"
            ".map(b => [b.width, b.height, b.bottom, b.right, b.left])"
        )
        assert len(sizes) == 14
        for box_width, box_height, bottom, right, left in sizes:
            assert min(box_width, box_height) >= TOUCH_PX
            assert bottom <= height
            assert 0 <= left <= right <= width
        browser.call("Page.navigate", url="about:blank")


def test_everything_that_can_be_used_has_a_name(page: Browser) -> None:
    for opener in (None, "open-pin", "open-language", "open-privacy"):
        if opener:
            press(page, opener)
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = {"button", "dialog", "image", "heading", "navigation"}
        seen = [node for node in nodes if not node.get("ignored") and node["role"]["value"] in roles]
        assert seen
        assert [node for node in seen if not node.get("name", {}).get("value")] == []
        page.ask("document.querySelector('.panel:not([hidden]) [data-close]')?.click()")


def test_nothing_turns_for_who_asked_for_stillness(page: Browser, world: World) -> None:
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.call("Emulation.setEmulatedMedia", features=features)
    page.ask(f"{ROOT}.dataset.show = 'checking'")
    assert page.ask("getComputedStyle(document.querySelector('.ring circle')).animationName") == "none"


LATENCY_MS = 100.0


def test_an_answer_shows_within_a_tenth_of_a_second(browser: Browser, tmp_path: Path) -> None:
    """From the door's word to its status writer until the page has changed and painted, by the machine's clock."""
    files = {name: tmp_path / name / "status.json" for name in ("door", "vision")}
    writers = {name: StatusFile(path) for name, path in files.items()}
    app = build_app(
        lambda: {name: read_status(path) for name, path in files.items()},
        lambda limit: [],
        demo.SITE,
        "0.1.0",
        True,
        visitor=Visitor(ScreenConfig(answer_seconds=3)),
    )

    def tell(number: int, why: str | None) -> float:
        at = time.monotonic()
        answer = None if why is None else {"n": number, "at": at, "why": why, "by": "face", "until": None}
        writers["vision"].publish({"stage": "idle", "hint": None})
        writers["door"].publish({"state": "LOCKED", "since": at, "vision": "ok", "answer": answer})
        return time.time()

    watch = f"""
      window.changes = [];
      new MutationObserver(() => requestAnimationFrame(() => {{
        window.changes.push([{ROOT}.dataset.show, performance.timeOrigin + performance.now()]);
      }})).observe({ROOT}, {{ attributes: true, attributeFilter: ['data-show'] }});
    """
    took = []
    with demo.running(make_server(app, "127.0.0.1", 0)) as url:
        tell(0, None)
        browser.open(f"{url}door", 480, 800)
        shows(browser, "idle")
        browser.ask(watch)
        for number in range(1, 13):
            why, name = ("granted", "welcome") if number % 2 else ("unknown_face", "face_refused")
            told = tell(number, why)
            browser.until(f"window.changes.at(-1)?.[0] === '{name}'")
            took.append(browser.ask("window.changes.at(-1)[1]") - told * 1000)
            time.sleep(0.05)
        browser.call("Page.navigate", url="about:blank")
    for writer in writers.values():
        writer.close()
    print(f"answer to paint: median {statistics.median(took):.0f} ms, longest {max(took):.0f} ms of {len(took)}")
    assert statistics.median(took) < LATENCY_MS


def test_a_second_factor_opens_the_pad_by_itself_and_leaves_it_to_who_closed_it(browser: Browser, world: World) -> None:
    with served(world) as url:
        browser.open(f"{url}door", 480, 800)
        browser.until(f"{ROOT}.dataset.show === 'idle'")
        world.show("then_pin")
        browser.until(f"{ROOT}.dataset.panel === 'pin'")
        title = languages.load()["en"].screens["then_pin"]["title"]
        assert browser.ask("document.getElementById('pin-title').textContent") == title
        browser.ask("document.querySelector('#panel-pin [data-close]').click()")
        time.sleep(0.6)
        assert browser.ask(f"{ROOT}.dataset.panel") == ""
        world.show("then_card")
        browser.until(f"{ROOT}.dataset.show === 'then_card'")
        assert browser.ask(f"{ROOT}.dataset.panel") == ""


def test_a_call_for_help_ends_in_a_welcome_when_the_desk_opens(browser: Browser, world: World) -> None:
    with served(world) as url:
        browser.open(f"{url}door", 480, 800)
        browser.until(f"{ROOT}.dataset.show === 'idle'")
        browser.ask("document.getElementById('call-help').click()")
        browser.until(f"{ROOT}.dataset.show === 'help_called'")
        world.status = screens.answered("outside_hours")
        time.sleep(0.5)
        assert browser.ask(f"{ROOT}.dataset.show") == "help_called"
        world.status = screens.answered("granted", "admin", "UNLOCKED", n=9)
        browser.until(f"{ROOT}.dataset.show === 'welcome'")


def test_turns_of_the_head_are_counted(browser: Browser, world: World) -> None:
    world.show("turn_right")
    with served(world) as url:
        browser.open(f"{url}door", 480, 800)
        browser.until(f"{ROOT}.dataset.show === 'turn_right'")
        assert browser.ask("document.getElementById('step').textContent") == "2 of 3"
        assert browser.ask("[...document.querySelectorAll('#steps i')].map(i => i.dataset.done)") == [
            "true",
            "now",
            "false",
        ]
        world.show("idle")
        browser.until(f"{ROOT}.dataset.show === 'idle'")
        assert browser.ask("document.getElementById('steps').children.length") == 0
