"""What a visitor may send from the screen: from the screen alone, little, seldom, and never written down."""

import json
import logging
import warnings
from typing import Any

import pytest

from appliance.errors import StoreError
from appliance.settings import ScreenConfig
from appliance.web.app import build_app
from appliance.web.guard import MAX_BODY
from appliance.web.visitor import Means, Visitor
from tests.web import demo, screens, states

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

HOST = "localhost:8480"
HEADERS = {"origin": f"http://{HOST}", "content-type": "application/json"}
PIN = "918273"
EVIL = "<script>window.hit=1</script>\"'{{7*7}}"


class World:
    """The far ends: what the door got, how often help was called."""

    def __init__(self, *, door: bool = True, broken: bool = False, **config: Any) -> None:
        self.pins: list[str] = []
        self.calls = 0
        self.now = states.MONO
        self.door, self.broken = door, broken
        app = build_app(
            screens.SCREENS["idle"],
            lambda limit: [],
            demo.SITE,
            "0.1.0",
            False,
            clock=lambda: self.now,
            wall=lambda: states.UTC,
            start_seconds=0,
            visitor=Visitor(ScreenConfig(**config), Means(self.send, self.call)),
        )
        self.client = TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False)

    def send(self, digits: str) -> bool:
        self.pins.append(digits)
        return self.door

    def call(self) -> bool:
        if self.broken:
            raise StoreError("lintel.db: disk full; free some space")
        self.calls += 1
        return True

    def post(self, path: str, body: Any, **headers: str) -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=sent, headers={**HEADERS, **headers})


def test_a_pin_goes_to_the_door_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.DEBUG):
        answer = world.post("/door/pin", {"digits": PIN})
    assert (answer.status_code, answer.json()) == (202, {"sent": True})
    assert answer.headers["cache-control"] == "no-store"
    assert world.pins == [PIN]
    told = [world.client.get(path).text for path in ("/now.json", "/status.json", "/events.json", "/door", "/healthz")]
    assert PIN not in "".join([caplog.text, *told])


@pytest.mark.parametrize("path", ["/door/pin", "/door/help"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://localhost:8480"}, 403),
        ({"origin": "http://localhost:9"}, 403),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),
    ],
)
def test_only_the_screen_itself_may_send(path: str, headers: dict[str, str], status: int) -> None:
    world = World()
    answer = world.post(path, {"digits": PIN} if path.endswith("pin") else {}, **headers)
    assert answer.status_code == status
    assert (world.pins, world.calls) == ([], 0)


def test_without_an_origin_nothing_is_taken() -> None:
    world = World()
    answer = world.client.post(
        "/door/pin", content=b'{"digits":"918273"}', headers={"content-type": HEADERS["content-type"]}
    )
    assert answer.status_code == 403
    assert world.pins == []


def test_a_large_body_is_refused_unread() -> None:
    world = World()
    assert world.post("/door/pin", b"9" * (MAX_BODY + 1)).status_code == 413
    chunks = world.client.post("/door/pin", content=iter([b"{}"]), headers=HEADERS)
    assert chunks.status_code == 411
    assert world.pins == []


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"digits": digits}
            for digits in ("", "123", "1" * 17, "12345a", "١٢٣٤٥٦", "1234 ", 123456, None, ["1"], EVIL)
        ),
        {},
        [],
        {"digits": PIN, "keypad": "keypad"},
        b"not json",
        b"[" * 200,
        b"\xff\xfe",
    ],
)
def test_what_is_no_pin_is_refused_and_not_repeated(body: Any) -> None:
    world = World()
    answer = world.post("/door/pin", body)
    assert answer.status_code == 400
    assert "123456" not in answer.text
    assert "script" not in answer.text
    assert world.pins == []


def test_pins_come_seldom() -> None:
    world = World()
    answers = [world.post("/door/pin", {"digits": PIN}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 2
    assert answers[-1].headers["retry-after"] == "2"
    world.now += 2.0
    assert world.post("/door/pin", {"digits": PIN}).status_code == 202
    assert len(world.pins) == 5


def test_a_door_that_is_away_is_said() -> None:
    world = World(door=False)
    answer = world.post("/door/pin", {"digits": PIN})
    assert (answer.status_code, answer.json()["error"]) == (503, "The door does not answer.")


def test_help_is_called_once_a_minute_however_often_it_is_pressed() -> None:
    world = World()
    for _ in range(3):
        answer = world.post("/door/help", {})
        assert (answer.status_code, answer.json()) == (202, {"reached": True})
    assert world.calls == 1
    world.now += 61
    world.post("/door/help", {})
    assert world.calls == 2
    assert world.post("/door/help", {"more": 1}).status_code == 400


def test_a_call_that_cannot_be_recorded_is_said_and_may_be_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World(broken=True)
    assert world.post("/door/help", {}).status_code == 503
    assert "disk full" in caplog.text
    world.broken = False
    assert world.post("/door/help", {}).status_code == 202


def test_reading_what_is_sent_is_refused() -> None:
    for path in ("/door/pin", "/door/help"):
        assert World().client.get(path).status_code == 405


def test_settings_of_the_site_stay_text() -> None:
    page = World(help_text=EVIL, notice_url=f"https://example.org/{EVIL}").client.get("/door").text
    assert "<script>window" not in page
    assert "&lt;script&gt;" in page


def test_a_door_without_a_call_button_shows_none() -> None:
    assert 'id="call-help"' not in World(help=False).client.get("/door").text


def test_prompts_are_looked_up_in_a_table() -> None:
    client = World().client
    assert client.get("/door/speech/en/welcome.ogg").headers["content-type"] == "audio/ogg"
    for path in ("en/nothing.ogg", "xx/welcome.ogg", "en/..%2f..%2fapp.py", "../speech/texts.json"):
        assert client.get(f"/door/speech/{path}").status_code == 404


def test_a_page_without_a_door_says_so() -> None:
    app = build_app(screens.SCREENS["idle"], lambda limit: [], demo.SITE, "0.1.0", True)
    client = TestClient(app, base_url=f"http://{HOST}")
    assert client.post("/door/pin", content=b'{"digits":"918273"}', headers=HEADERS).status_code == 503
