"""The stream on a real server: on change only, bounded, and gone at once when the server stops."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConfigError
from appliance.settings import SiteConfig
from appliance.web import stream
from appliance.web.app import build_app
from appliance.web.server import PageServer, make_server
from tests.web import states
from tests.web.demo import running

GET = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


class World:
    """What the page reads, changed by the test while it runs; counts the reads."""

    def __init__(self) -> None:
        self.status, self.events = states.idle()
        self.reads = self.record_reads = 0
        self.fault: Exception | None = None

    def read_status(self) -> states.Statuses:
        self.reads += 1
        if self.fault:
            raise self.fault
        return self.status

    def latest(self, limit: int) -> states.Events:
        self.record_reads += 1
        return self.events[-limit:]

    def server(self) -> PageServer:
        site = SiteConfig(site="hq", door="front", timezone="Europe/Berlin")
        app = build_app(
            self.read_status,
            self.latest,
            site,
            "0.1.0",
            True,
            clock=lambda: states.MONO,
            wall=lambda: states.UTC,
            start_seconds=0,
        )
        return make_server(app, "127.0.0.1", 0)


class Listener:
    """A raw client, so that it can be as slow and rude as it likes."""

    def __init__(self, url: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].strip("/"))), 10)
        self.socket.sendall(GET)
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() != b"\r\n":
            pass

    def message(self) -> tuple[str, Any]:
        """The next event; chunk sizes are passed over."""
        kind = ""
        while line := self.file.readline():
            if line == b"0\r\n":  # the last chunk; the connection itself may stay for another request
                break
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                return kind, json.loads(line[6:])
        raise ConnectionError("the stream ended")

    def until(self, kind: str) -> Any:
        while True:
            came, message = self.message()
            if came == kind:
                return message

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def served(world: World) -> Iterator[tuple[PageServer, str]]:
    server = world.server()
    with running(server) as url:
        yield server, url


@pytest.fixture
def url(served: tuple[PageServer, str]) -> str:
    return served[1]


def watchers(server: PageServer) -> int:
    count: int = server.app.state.stream.watchers
    return count


def wait(what: Any, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_page_gets_the_state_and_then_what_changes(world: World, url: str) -> None:
    with contextlib.closing(Listener(url)) as page:
        assert page.message() == ("hello", {"mono": states.MONO, "utc": states.UTC, "version": "0.1.0"})
        assert page.until("now")["door"]["state"]["title"] == "Locked"
        assert len(page.until("events")["rows"]) == 10
        world.status = states.granted()[0]
        before = time.monotonic()
        assert page.until("now")["door"]["state"]["title"] == "Unlocked"
        assert time.monotonic() - before < 1.0
        world.events = states.granted()[1]
        assert page.until("events")["rows"][0]["title"] == "Let in"


def test_nothing_is_sent_while_nothing_changes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.7)
    with contextlib.closing(Listener(url)) as page:
        kinds = [page.message()[0] for _ in range(5)]
        assert kinds == ["hello", "now", "events", "beat", "beat"]


def test_at_most_ten_times_a_second_however_fast_it_changes(world: World, url: str) -> None:
    with contextlib.closing(Listener(url)) as page:
        page.until("events")
        until, count = time.monotonic() + 1.5, 0
        while time.monotonic() < until:
            world.status = {**world.status, "vision": states.vision("checking", score=count / 1000, votes=count)}
            page.until("now")
            count += 1
        assert count <= 16


def test_nobody_watching_means_nothing_is_read(world: World, served: tuple[PageServer, str]) -> None:
    server, url = served
    with contextlib.closing(Listener(url)) as page:
        page.until("events")
        time.sleep(0.6)
        assert world.record_reads <= world.reads // 3 + 2
    wait(lambda: watchers(server) == 0)
    time.sleep(0.3)
    reads = world.reads
    time.sleep(0.4)
    assert world.reads == reads


def test_eight_pages_and_no_more_and_a_place_comes_free_again(served: tuple[PageServer, str]) -> None:
    server, url = served
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(contextlib.closing(Listener(url))) for _ in range(stream.MAX_WATCHERS)]
        assert {page.status for page in pages} == {200}
        ninth = stack.enter_context(contextlib.closing(Listener(url)))
        assert ninth.status == 503
        pages[0].close()
        wait(lambda: watchers(server) == stream.MAX_WATCHERS - 1)
        assert stack.enter_context(contextlib.closing(Listener(url))).status == 200
    wait(lambda: watchers(server) == 0)


def test_a_page_that_takes_nothing_is_dropped_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_SECONDS", 0.5)
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.005)
    small = socket.create_server(("127.0.0.1", 0))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # inherited; else the kernel holds megabytes
    server = world.server()
    with running(server, [small]) as url, contextlib.closing(Listener(url)) as good, socket.socket() as asleep:
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asleep.connect(good.socket.getpeername())
        asleep.sendall(GET)
        wait(lambda: watchers(server) == 2)
        until, count = time.monotonic() + 20, 0
        while watchers(server) == 2:
            assert time.monotonic() < until
            count += 1
            world.events = [states.event(1000 + count, 1, "sys", "x" * 40, "y" * 40)] * 40
            good.until("events")


def test_a_client_that_aborts_leaves_nothing_behind(served: tuple[PageServer, str]) -> None:
    server, url = served
    for _ in range(30):
        page = Listener(url)
        page.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        page.close()
    wait(lambda: watchers(server) == 0)
    with contextlib.closing(Listener(url)) as page:
        assert page.until("now")


def test_a_fault_ends_the_stream_rather_than_showing_an_old_state(world: World, url: str) -> None:
    with contextlib.closing(Listener(url)) as page:
        page.until("events")
        world.fault = KeyError("broken")
        with pytest.raises(ConnectionError):
            page.until("never")
    world.fault = None
    with contextlib.closing(Listener(url)) as page:
        assert page.until("now")


def test_it_stops_at_once_with_pages_open(world: World) -> None:
    server = world.server()
    with running(server) as url:
        pages = [Listener(url) for _ in range(4)]
        for page in pages:
            page.until("events")
        before = time.monotonic()
    assert time.monotonic() - before < 2.0
    for page in pages:
        with pytest.raises(ConnectionError):
            page.until("never")
        page.close()


def test_sigterm_ends_the_process_with_a_page_open() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.web.demo", "idle", str(port)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    try:
        page = None
        until = time.monotonic() + 20
        while page is None:
            assert time.monotonic() < until
            with contextlib.suppress(OSError):
                page = Listener(f"http://127.0.0.1:{port}/")
            time.sleep(0.05)
        page.until("events")
        before = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        assert time.monotonic() - before < 2.5
        page.close()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "door.example", ""])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.host .* no accounts yet"):
        make_server(build_app(dict, lambda limit: [], SiteConfig(), "0", False), host, 0)


def test_a_huge_header_ends_the_connection(url: str) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].strip("/"))), 10) as rude:
        rude.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(OSError):
            for _ in range(64):
                rude.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")
        answer = b""
        with contextlib.suppress(OSError):
            answer = rude.recv(1000)
        assert b"200 OK" not in answer
