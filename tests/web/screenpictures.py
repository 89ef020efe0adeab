"""Pictures of the visitor's screen, every state, both themes, three displays: part of `make screenshots`.

`python -m tests.web.screenpictures [STATE ...]` writes screenshots/door-<state>-<theme>-<width>x<height>.png.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from appliance.web import languages
from appliance.web.visitor import Means
from tests.web import screens
from tests.web.browser import CHROMIUM, Browser
from tests.web.demo import running

FOLDER = Path(__file__).parents[2] / "screenshots"
DISPLAYS = ((480, 800), (800, 480), (1280, 800))


def typed(browser: Browser) -> None:
    browser.ask("document.getElementById('open-pin').click()")
    browser.ask("[...document.querySelectorAll('#pad .key')].slice(0, 4).forEach(key => key.click())")


PANELS: dict[str, Callable[[Browser], None]] = {
    "pin": typed,
    "language": lambda browser: browser.ask("document.getElementById('open-language').click()"),
    "privacy": lambda browser: browser.ask("document.getElementById('open-privacy').click()"),
    "help_called": lambda browser: browser.ask("document.getElementById('call-help').click()"),
}


def take(browser: Browser, url: str, name: str, act: Callable[[Browser], None] = lambda _: None) -> None:
    for dark in (False, True):
        for width, height in DISPLAYS:
            browser.open(url, width, height, dark)
            browser.until("document.documentElement.dataset.drawn === 'true' && document.title")
            browser.until("document.documentElement.dataset.show !== 'starting'")
            act(browser)
            time.sleep(0.35)
            theme = "dark" if dark else "light"
            browser.picture(FOLDER / f"door-{name}-{theme}-{width}x{height}.png")


def mirrored() -> dict[str, languages.Language]:
    """English as if it were written from right to left."""
    english = languages.load()["en"]
    return {"en": replace(english, dir="rtl")}


def pictures(browser: Browser, wanted: list[str]) -> None:
    for name in screens.SCREENS:
        if not wanted or name in wanted:
            with running(screens.serve(name)) as url:
                take(browser, f"{url}door", name)
    for name, act in PANELS.items():
        if not wanted or name in wanted:
            with running(screens.serve("idle")) as url:
                take(browser, f"{url}door", name, act)
    if not wanted or "rtl" in wanted:
        with running(screens.serve("face_refused", languages=mirrored())) as url:
            take(browser, f"{url}door", "rtl")
    if not wanted or "help_kept" in wanted:
        with running(screens.serve("idle", means=Means(lambda _: True, lambda: False))) as url:
            take(browser, f"{url}door", "help_kept", PANELS["help_called"])


def main(wanted: list[str]) -> int:
    if CHROMIUM is None:
        print("screenshots: chromium is missing; apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with Browser() as browser:
        pictures(browser, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
