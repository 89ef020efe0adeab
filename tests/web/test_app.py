"""The endpoints: what they answer, what they refuse, what every answer carries."""

import json
import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from tests.web import demo, states

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from appliance.errors import StoreError
from appliance.settings import SiteConfig
from appliance.web import assets
from appliance.web.app import MAX_EVENTS, build_app
from appliance.web.guard import MAX_PATH, MAX_QUERY, SECURITY_HEADERS

ENDPOINTS = {
    "/": "text/html; charset=utf-8",
    "/static/{name}": None,
    "/now.json": "application/json",
    "/events.json": "application/json",
    "/status.json": "application/json",
    "/stream": "text/event-stream; charset=utf-8",
    "/healthz": "application/json",
    "/door": "text/html; charset=utf-8",
    "/door/words.json": "application/json",
    "/door/speech/{language}/{name}": "audio/ogg",
    "/door/stream": "text/event-stream; charset=utf-8",
    "/door/pin": None,
    "/door/help": None,
}
"""Every endpoint there is. A new one must be added here and in docs/pages.md, with its tests."""
EVIL = "<script>alert(1)</script>\"'&{{7*7}}"


def client(
    status: Callable[[], Any] = lambda: states.granted()[0],
    events: Callable[[int], Any] = lambda limit: states.granted()[1][-limit:],
    site: SiteConfig = demo.SITE,
    **more: Any,
) -> TestClient:
    app = build_app(
        status, events, site, "0.1.0", True, clock=lambda: states.MONO, wall=lambda: states.UTC, start_seconds=0, **more
    )
    return TestClient(app, base_url="http://localhost:8480", raise_server_exceptions=False)


def test_the_table_of_endpoints_is_whole() -> None:
    routes = [route for route in demo.serve("idle", 0).app.routes if isinstance(route, Route)]
    assert {route.path for route in routes} == set(ENDPOINTS)
    documented = (Path(__file__).parents[2] / "docs" / "pages.md").read_text(encoding="utf-8")
    for path in ENDPOINTS:
        assert f"`{path}`" in documented, f"docs/pages.md does not name {path}"


@pytest.mark.parametrize(
    "path", [path for path in ENDPOINTS if ENDPOINTS[path] and not path.endswith(("/stream", "}"))]
)
def test_each_endpoint_answers_with_the_security_headers(path: str) -> None:
    answer = client().get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ENDPOINTS[path]
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/now.json", "/stream", "/static/now.js", "/nowhere"])
def test_everything_is_read_only(method: str, path: str) -> None:
    answer = client().request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("host", ["localhost", "localhost:8480", "127.0.0.1:9", "[::1]:8480", "LOCALHOST"])
def test_this_machine_may_ask(host: str) -> None:
    assert client().get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8480", "192.168.1.5"),
        *("", "localhost:8480:1", "localhost:", "localhost, evil.example", "127.0.0.2", "[::2]", "user@localhost"),
    ],
)
def test_a_name_that_only_points_here_is_refused(host: str) -> None:
    answer = client().get("/status.json", headers={"host": host})
    assert answer.status_code == 421
    assert "Unlocked" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("where", ["cross-site", "same-site", "nonsense"])
def test_another_site_may_not_read(where: str) -> None:
    for path in ("/", "/now.json", "/stream", "/static/now.js"):
        answer = client().get(path, headers={"sec-fetch-site": where, "sec-fetch-mode": "no-cors"})
        assert answer.status_code == 403, path


def test_a_link_to_the_page_may_be_followed_and_nothing_else() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client().get("/", headers=link).status_code == 200
    assert client().get("/now.json", headers=link).status_code == 403
    assert client().get("/", headers=link | {"sec-fetch-dest": "iframe"}).status_code == 403


def test_what_is_too_long_or_has_a_body_is_refused() -> None:
    assert client().get("/" + "a" * MAX_PATH).status_code == 414
    assert client().get("/?" + "a" * (MAX_QUERY + 1)).status_code == 414
    assert client().request("GET", "/", content=b"x").status_code == 413
    assert client().request("GET", "/", content=iter([b"x"])).status_code == 413


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1e2", "", "x", "9" * 400, "٣", "1.0", " 1"])
def test_a_limit_out_of_bounds_is_refused(limit: str) -> None:
    answer = client().get("/events.json", params={"limit": limit})
    assert answer.status_code == 400
    assert "must be 1 to 200" in answer.json()["error"]


def test_events_are_the_newest_first_and_never_more_than_asked() -> None:
    events = client().get("/events.json?limit=3").json()["events"]
    assert [event["seq"] for event in events] == [14, 13, 12]
    asked: list[int] = []
    too_many = client(events=lambda limit: asked.append(limit) or states.history() * 40)
    assert len(too_many.get(f"/events.json?limit={MAX_EVENTS}").json()["events"]) == MAX_EVENTS
    assert asked == [MAX_EVENTS]


def test_status_is_cut_to_its_contract() -> None:
    status, events = states.granted()
    door = {**(status["door"] or {}), "name": "Anna Example", "last": {"seq": 1, "secret": "x", "person": "Anna"}}
    told = client(lambda: {**status, "door": door, "extra": {}}, lambda limit: events).get("/status.json").json()
    assert set(told) == {"mono", "door", "vision", "net"}
    assert told["door"]["last"] == {"seq": 1, "person": None}
    assert "Anna" not in json.dumps(told)


@pytest.mark.parametrize(
    "garbled", [None, {}, [], "text", {"door": 7, "vision": [1], "net": "x"}, {"door": {"at": {}}}]
)
def test_garbled_statuses_break_nothing(garbled: Any) -> None:
    asking = client(lambda: garbled, lambda limit: [None, 3, {"seq": "x"}, {"seq": 1}])
    assert asking.get("/now.json").json()["now"]["door"]["state"]["title"] == "No word"
    assert asking.get("/status.json").json()["door"] in (None, {"at": {}})
    assert asking.get("/healthz").json() == {
        "ok": True,
        "version": "0.1.0",
        "door": False,
        "vision": False,
        "net": False,
    }


def test_health_tells_who_has_spoken() -> None:
    assert client().get("/healthz").json()["door"] is True


def broken(limit: int) -> Any:
    raise StoreError("/var/lib/lintel/lintel.db: disk full; free some space")


def test_an_unreadable_record_is_said_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    asking = client(events=broken)
    told = asking.get("/now.json").json()
    assert told["now"]["door"]["state"]["title"] == "Unlocked"
    assert "disk full; free some space" in told["events"]["trouble"]
    assert asking.get("/events.json").status_code == 503
    asking.get("/now.json")
    assert len([record for record in caplog.records if "cannot be read" in record.message]) == 1, "once an outage"


def test_a_fault_of_our_own_tells_nothing_and_keeps_the_headers() -> None:
    def fault() -> Any:
        raise KeyError("internal detail")

    answer = client(fault).get("/now.json")
    assert answer.status_code == 500
    assert "internal detail" not in answer.text
    assert answer.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]


def test_a_wrong_address_says_so() -> None:
    answer = client().get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/app.py", "/static/now.js/x", "/static/"):
        assert client().get(path).status_code == 404


def test_static_files_may_be_kept_for_good_only_by_their_digest() -> None:
    asking = client()
    page = asking.get("/").text
    for address in re.findall(r"/static/[\w.]+\?v=\w+", page):
        answer = asking.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    loose = asking.get("/static/draw.js")
    assert loose.headers["cache-control"] == "no-cache"
    again = asking.get("/static/draw.js", headers={"if-none-match": loose.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert asking.get("/static/draw.js?v=old").headers["cache-control"] == "no-cache"
    assert asking.get("/now.json").headers["cache-control"] == "no-store"


class Markup(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._within = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.inline += data.strip()


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(path: str) -> None:
    markup = Markup(client().get(path).text)
    assert markup.inline == ""
    for tag, attributes in markup.tags:
        assert tag not in ("style", "iframe", "object", "embed", "base", "form")
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag
            if name in ("src", "href", "action"):
                assert (value or "").startswith(("/", "#")), (tag, value)
                assert not (value or "").startswith("//")


def test_the_policy_allows_only_our_own_files() -> None:
    policy = dict(part.split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for name in ("script-src", "style-src", "img-src", "connect-src"):
        assert policy[name] == "'self'"
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_scripts_never_turn_text_into_markup() -> None:
    for name, asset in assets.load().items():
        if name.endswith(".js"):
            forbidden = (
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?!www\.w3)"
            )
            assert not re.search(forbidden, asset.content.decode()), name


def test_names_of_the_site_are_escaped() -> None:
    page = client(site=SiteConfig(site=EVIL, door=EVIL)).get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "49" not in re.findall(r'class="place">[^<]*', page)[0]


def test_hostile_content_leaves_as_json_and_never_as_markup() -> None:
    events = [states.event(1, 1, "access", EVIL, EVIL, pid=EVIL)]
    status = {"door": states.door(EVIL), "vision": states.vision(EVIL, hint=EVIL, person=EVIL), "net": states.net()}
    asking = client(lambda: status, lambda limit: events)
    for path in ("/now.json", "/status.json", "/events.json"):
        answer = asking.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()
    assert "alert(1)" not in asking.get("/").text


def test_pages_get_numbers_that_json_knows() -> None:
    status = {"door": states.door(since=float("nan")), "vision": states.vision(fps=float("inf"), score=float("nan"))}
    assert client(lambda: status).get("/now.json").json()["now"]["evidence"]["score"] is None


def test_every_element_that_the_script_looks_for_is_on_the_page() -> None:
    page = client().get("/").text
    script = "".join(
        asset.content.decode()
        for name, asset in assets.load().items()
        if name.endswith(".js") and not name.startswith("door")
    )
    wanted = set(re.findall(r"(?:byId|text|swap|meter|getElementById)\(\"([\w-]+)\"", script))
    wanted |= {f"{name}-{part}" for name in ("score", "passive") for part in ("value", "needed")}
    assert {name for name in wanted if f'id="{name}"' not in page} == set()
    symbols = set(re.findall(r"\"(i-[\w-]+)\"", script)) | {f"i-theme-{name}" for name in ("system", "light", "dark")}
    assert {name for name in symbols if f'id="{name}"' not in page} == set()


def test_every_element_that_the_screen_looks_for_is_on_it() -> None:
    page = client().get("/door").text
    scripts = {name: asset.content.decode() for name, asset in assets.load().items() if name.startswith("door")}
    script = "".join(text for name, text in scripts.items() if name.endswith(".js"))
    wanted = set(re.findall(r"(?:byId|set)\(\"([\w-]+)\"", script)) | set(re.findall(r"\"#?(i-[\w-]+)\"", script))
    drawings = re.findall(r"\w+: \"(\w+)\"", script.partition("const ART")[2].partition("};")[0])
    wanted |= {f"d-{name}" for name in drawings}
    assert len(drawings) > 20
    assert {name for name in wanted if f'id="{name}"' not in page} == set()
