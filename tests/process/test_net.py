"""The real net process: killed, misconfigured, without a broker. The page answers throughout."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from beds.broker import SITE, Authority, Host, Mosquitto, free_port, needs_mosquitto, wait_for

from appliance.config import Config, dump
from appliance.facts import Event, EventType
from appliance.settings import MqttConfig, PathsConfig, PinsConfig, SiteConfig, WebConfig
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system.clock import now
from appliance.system.status import read_status


class Net:
    """`lintel net` as a child."""

    def __init__(self, folder: Path, mqtt: MqttConfig, web: WebConfig | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.config = Config(
            site=SiteConfig(site=SITE, door="door-1"),
            paths=PathsConfig(state=str(folder), run=str(folder / "run")),
            pins=PinsConfig(driver="mock"),
            mqtt=mqtt,
            web=web or WebConfig(port=0),
        )
        (folder / "lintel.toml").write_text(dump(self.config))
        self.record = EventLog(connect(folder / FILE))
        self.process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self, **environment: str) -> "Net":
        self._log = (self.folder / "log").open("ab")
        (self.folder / "run" / "net" / "status.json").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "--config", str(self.folder / "lintel.toml"), "net"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={"PATH": "/usr/bin:/bin", **environment},
        )
        return self

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def status(self) -> dict[str, object]:
        return read_status(self.folder / "run" / "net" / "status.json") or {}

    def write(self, count: int) -> set[object]:
        events = [Event(EventType.ACCESS, "granted", now()) for _ in range(count)]
        return {stored.id for stored in self.record.append_many(events)}

    def page(self) -> dict[str, object]:
        wait_for(lambda: self.status.get("port"), 20, "the page's port")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status['port']}/healthz", timeout=5) as answer:
            body = json.load(answer)
        assert isinstance(body, dict)
        return body

    def wait_online(self) -> None:
        wait_for(lambda: self.status.get("mqtt") == "online", 20, "the door is online")

    def end(self, which: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(which)
        return self.process.wait(15)


@pytest.fixture
def net_of(tmp_path: Path) -> Iterator[Callable[..., Net]]:
    made: list[Net] = []

    def make(mqtt: MqttConfig, web: WebConfig | None = None) -> Net:
        made.append(Net(tmp_path / f"net-{len(made)}", mqtt, web))
        return made[-1]

    yield make
    for net in made:
        if net.process is not None:
            net.end(signal.SIGKILL)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.stop()


def test_without_mqtt_the_page_serves_and_sigterm_ends_it(net_of: Callable[..., Net]) -> None:
    net = net_of(MqttConfig()).start()
    assert net.page()["ok"] is True
    assert net.status["mqtt"] == "off"
    assert net.end() == 0
    assert "Traceback" not in net.log


def test_port_in_use_is_said_with_the_remedy(net_of: Callable[..., Net]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        net = net_of(MqttConfig(), WebConfig(port=port)).start()
        assert net.process is not None
        assert net.process.wait(20) == 2
    assert f"web.port = {port}: Address already in use; another program listens there" in net.log
    assert "Traceback" not in net.log


def test_systemd_hears_ready_watchdog_and_stopping(net_of: Callable[..., Net], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(20)
        net = net_of(MqttConfig()).start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="30000000")
        words = b""
        while words.count(b"WATCHDOG=1") < 2 or b"READY=1" not in words:
            words += line.recv(4096) + b"\n"
        net.end()
        while b"STOPPING=1" not in words:
            words += line.recv(4096) + b"\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"port": 0}, "nobody listens there; start the broker"),
        ({"host": "no-such-host.invalid"}, "check the name and this machine's DNS"),
        ({"ca": "other"}, "set mqtt.ca to the CA that signed it"),
        ({"ca": "/nonexistent"}, "it must be a readable PEM file"),
        ({"cert": "other"}, "the broker may not accept mqtt.cert"),
        ({"cert": "mixed"}, "PEM pair that belongs together"),
        ({"cert": "nameless"}, "has no common name"),
        ({"host": "127.0.0.2"}, "not trusted"),
    ],
    ids=["no-broker", "wrong-host", "wrong-ca", "no-ca", "wrong-cert", "wrong-key", "nameless-cert", "wrong-name"],
)
@needs_mosquitto
def test_what_is_wrong_is_said_and_the_page_serves(
    net_of: Callable[..., Net], mosquitto: Mosquitto, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    stranger = Authority(tmp_path / "stranger")
    config = replace(mosquitto.config(), **change)  # type: ignore[arg-type]
    if change.get("port") == 0:
        config = replace(config, port=free_port())
    if change.get("ca") == "other":
        config = replace(config, ca=str(stranger.file))
    if change.get("cert") in ("other", "nameless"):
        authority, name = (stranger, "door-1") if change["cert"] == "other" else (mosquitto.authority, "")
        cert, key = authority.issue(name)
        config = replace(config, cert=str(cert), key=str(key))
    if change.get("cert") == "mixed":
        config = replace(config, cert=mosquitto.config("door-2").cert)
    if change.get("host") == "127.0.0.2":
        mosquitto.stop()
        config = replace(config, port=forward(mosquitto))
    net = net_of(config).start()
    wait_for(lambda: "next attempt" in net.log, 30, "a failed attempt")
    assert words in net.log, net.log
    assert net.page()["ok"] is True
    assert net.status["mqtt"] == "offline"
    assert "Traceback" not in net.log
    assert net.end() == 0


def forward(mosquitto: Mosquitto) -> int:
    """The same broker on every loopback address: its certificate names 127.0.0.1 only."""
    conf = mosquitto.folder / "mosquitto.conf"
    conf.write_text(
        conf.read_text().replace(f"listener {mosquitto.port} 127.0.0.1", f"listener {mosquitto.port} 0.0.0.0")
    )
    mosquitto.start()
    return mosquitto.port


@needs_mosquitto
def test_a_broker_that_comes_late_is_found(net_of: Callable[..., Net], mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    net = net_of(mosquitto.config())
    ids = net.write(50)
    net.start()
    wait_for(lambda: net.log.count("nobody listens") >= 2, 30, "two failures")
    wait_for(lambda: net.status.get("outbox") == 50, 5, "the outbox is counted")
    mosquitto.start()
    host = Host(mosquitto)
    wait_for(lambda: ids <= host.ids(), 30, "the events")
    host.close()


@needs_mosquitto
def test_last_will_after_sigkill(net_of: Callable[..., Net], mosquitto: Mosquitto) -> None:
    host = Host(mosquitto)
    net = net_of(mosquitto.config()).start()
    net.wait_online()
    wait_for(lambda: host.on("up/conn"), 5, "online")
    net.end(signal.SIGKILL)
    wait_for(lambda: host.on("up/conn")[-1].body["st"] == "lost", 10, "the last will")
    online, lost = host.on("up/conn")
    assert online.body["st"] == "online"
    assert online.body["bd"] == lost.body["bd"]
    assert lost.retain
    net.start().wait_online()
    wait_for(lambda: host.on("up/conn")[-1].body["st"] == "online", 5, "online again")
    assert host.on("up/conn")[-1].body["bd"] != lost.body["bd"]
    assert net.end() == 0
    wait_for(lambda: host.on("up/conn")[-1].body["st"] == "closing", 5, "closing")
    host.close()


@needs_mosquitto
def test_killed_again_and_again_while_draining_loses_nothing(net_of: Callable[..., Net], mosquitto: Mosquitto) -> None:
    host = Host(mosquitto)
    net = net_of(mosquitto.config())
    ids = net.write(2000)
    for kill in range(3):
        net.start()
        goal = 300 * (kill + 1)
        wait_for(lambda goal=goal: len(host.ids()) >= goal, 30, f"{goal} events")
        net.end(signal.SIGKILL)
    net.start()
    wait_for(lambda: net.record.count_unsettled() == 0, 30, "everything settled")
    wait_for(lambda: ids <= host.ids(), 10, "every event")
    assert host.ids() == ids
    bodies = {}
    for heard in host.events():
        assert bodies.setdefault(heard.body["seq"], heard.body) == heard.body, "a repeat is the very same event"
    assert net.record.verify_chain().holds
    assert net.end() == 0
    host.close()
