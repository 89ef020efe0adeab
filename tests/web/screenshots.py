"""Pictures of every state of the page, both themes, a phone's width and a desk's: `make screenshots`.

`python -m tests.web.screenshots [STATE ...]` writes screenshots/<state>-<theme>-<width>.png.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from appliance.errors import StoreError
from tests.web import demo, screenpictures, states
from tests.web.browser import CHROMIUM, Browser
from tests.web.demo import running

FOLDER = Path(__file__).parents[2] / "screenshots"
WIDTHS = (390, 1280)


def take(browser: Browser, url: str, name: str, before: Callable[[], None] = lambda: None) -> None:
    """Picture one address in both themes and widths once it has drawn itself."""
    for dark in (False, True):
        for width in WIDTHS:
            browser.open(url, width, 860, dark, phone=width < 600)
            before()
            time.sleep(0.7)  # transitions end
            browser.picture(FOLDER / f"{name}-{'dark' if dark else 'light'}-{width}.png")


def drawn(browser: Browser) -> Callable[[], None]:
    return lambda: browser.until("document.documentElement.dataset.drawn === 'true'")


def broken() -> None:
    raise StoreError("/var/lib/lintel/lintel.db: disk full; free some space")


def main(wanted: list[str]) -> int:
    if CHROMIUM is None:
        print("screenshots: chromium is missing; apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with Browser() as browser:
        for name in wanted or states.STATES:
            if name in states.STATES:
                simulated = name not in ("forced", "lockdown")
                with running(demo.serve(name, 0, simulated=simulated)) as url:
                    take(browser, f"{url}?static=1", name, drawn(browser))
        if not wanted or "troubles" in wanted:
            troubles(browser)
        if not wanted or "door" in wanted:
            screenpictures.pictures(browser, [])
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")
    return 0


def troubles(browser: Browser) -> None:
    """Pages that no status gives: loading, record unreadable, connection lost, no such page."""
    with running(demo.serve("idle", 0, broken)) as url:
        take(browser, f"{url}?static=1", "record-unreadable", drawn(browser))
        take(browser, f"{url}nowhere", "no-such-page")
        browser.call("Network.setBlockedURLs", urls=["*now.js*"])
        take(browser, url, "loading")
        browser.call("Network.setBlockedURLs", urls=[])
    for dark in (False, True):
        with running(demo.serve("granted", 0)) as url:
            browser.open(url, 1280, 860, dark)
            browser.until("document.getElementById('main').getAttribute('aria-busy') === 'false'")
        browser.until("document.documentElement.dataset.link === 'lost'")
        time.sleep(0.5)
        browser.picture(FOLDER / f"lost-{'dark' if dark else 'light'}-1280.png")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
