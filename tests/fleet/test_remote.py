"""A call for help answered from afar: real door, real net process, real broker, a host that signs."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beds.broker import SITE, Host, Mosquitto, needs_mosquitto, wait_for
from beds.contract import channel_of, faults
from beds.door import DoorChild, eventually

from appliance.settings import SiteConfig, WebConfig
from appliance.system.status import read_status
from tests.fleet.signing import sign

PLACE = f"{SITE}/door-1"
DOWN = f"lintel/1/{PLACE}/dn/cmd"
MODE = f"lintel/1/{SITE}/_all/dn/mode"


class Site:
    """One door, its net process, a broker and the host's desk."""

    def __init__(self, folder: Path) -> None:
        for name in ("mosquitto", "door"):
            (folder / name).mkdir()
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.mosquitto.start()
        self.host = Host(self.mosquitto)
        sign.make_key(folder / "host.pem", folder / "host.pub")
        self.key = sign.load_key(folder / "host.pem")
        self.door = DoorChild(folder / "door")
        mqtt = replace(self.mosquitto.config(), commands_key=str(folder / "host.pub"))
        site = SiteConfig(site=SITE, door="door-1")
        self.door.config = replace(self.door.config, mqtt=mqtt, site=site, web=WebConfig(port=0))
        self.pid, self.digits = self.door.enrol()
        self.door.start()
        self.net: subprocess.Popen[bytes] | None = None
        self.start_net()

    def start_net(self) -> None:
        command = [sys.executable, "-m", "appliance", "--config", str(self.door.file), "net"]
        self.net = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.door.log_file
        )
        eventually(lambda: self.told.get("mqtt") == "online" and self.told["pid"] == self.net.pid, 30, "net")

    @property
    def told(self) -> dict[str, Any]:
        return read_status(self.door.folder / "run" / "net" / "status.json") or {}

    def press_help(self) -> dict[str, Any]:
        port = self.told["port"]
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
        line.request("POST", "/door/help", "{}", headers)
        answer = json.loads(line.getresponse().read())
        line.close()
        return dict(answer)

    def nonce(self) -> str:
        before = len(self.host.on("up/res"))
        self.host.publish(DOWN, '{"v":1,"op":"challenge","id":"desk"}')
        wait_for(lambda: len(self.host.on("up/res")) > before, 5, "a nonce")
        return str(self.host.on("up/res")[-1].body["ch"])

    def order(self, op: str, *people: str, **changes: Any) -> dict[str, Any]:
        body = sign.command(PLACE, op, changes.pop("ch", None) or self.nonce(), *people) | changes
        self.host.publish(DOWN, sign.sign(self.key, body))
        return dict(body)

    def results(self, name: object) -> list[tuple[object, object]]:
        return [(h.body["st"], h.body["why"]) for h in self.host.on("up/res") if h.body["id"] == name]

    def until(self, name: object, *last: str) -> None:
        end = time.monotonic() + 10
        while last not in self.results(name):
            assert time.monotonic() < end, (last, [h.body for h in self.host.on("up/res")], self.door.log[-1500:])
            time.sleep(0.02)

    def events(self, why: str) -> list[dict[str, Any]]:
        return [h.body for h in self.host.events() if h.body["why"] == why]

    def close(self) -> None:
        if self.net is not None:
            self.net.terminate()
            self.net.wait(10)
        self.door.close()
        self.host.close()
        self.mosquitto.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@needs_mosquitto
def test_a_call_for_help_is_answered_by_a_signed_unlock(site: Site) -> None:
    assert site.press_help() == {"reached": True}
    wait_for(lambda: site.events("help_called"), 5, "the call")
    body = site.order("unlock", "alice", arg={"why": "known courier"})
    site.door.await_release(5)
    site.until(body["id"], "done", "unlock")
    assert site.results(body["id"]) == [("accepted", "unlock"), ("done", "unlock")]
    wait_for(lambda: site.events("remote_command"), 5, "the record")
    [unlocked] = [event for event in site.events("unlocked") if event["by"] == "admin"]
    print(f"help to relay, nonce included: {unlocked['mono_ms'] - site.events('help_called')[0]['mono_ms']} ms")
    site.door.await_rest()
    edges = len(site.door.edges)

    # The same envelope again; the same orders retained, stale, for another door, by another hand: nothing opens.
    again = sign.sign(site.key, body)
    site.host.publish(DOWN, again)
    site.until(body["id"], "duplicate", "id")
    site.host.publish(DOWN, again, retain=True)
    old = site.order("unlock", "alice", ch=str(body["ch"]))
    site.until(old["id"], "expired", "challenge")
    other = site.order("unlock", "alice", aud=f"{SITE}/door-2")
    site.until(other["id"], "rejected", "audience")
    stranger = sign.Ed25519PrivateKey.generate()
    site.host.publish(DOWN, sign.sign(stranger, sign.command(PLACE, "unlock", site.nonce(), "mallory")))
    site.until(None, "rejected", "unknown_key")
    wait_for(lambda: site.events("command_refused") and site.events("bad_message"), 5, "refusals on record")
    time.sleep(0.5)
    assert len(site.door.edges) == edges
    assert len(site.events("remote_command")) == 1

    # What was good before a restart is worth nothing after it.
    nonce = site.nonce()
    site.net.terminate()
    site.net.wait(10)
    site.start_net()
    late = site.order("unlock", "alice", ch=nonce)
    site.until(late["id"], "expired", "challenge")
    assert len(site.door.edges) == edges
    for heard in site.host.heard:
        if "/dn/" not in heard.topic:
            assert faults(channel_of(heard.topic), heard.body) == [], heard


@needs_mosquitto
def test_a_lockdown_holds_the_door_and_not_the_way_out_until_two_persons_release_it(site: Site) -> None:
    body = site.order("lockdown", "alice", arg={"why": "drill"})
    eventually(lambda: site.door.status["state"] == "LOCKDOWN", 5, "lockdown")
    site.until(body["id"], "done", "lockdown")
    unlock = site.order("unlock", "alice")
    site.until(unlock["id"], "failed", "lockdown")
    assert not site.door.released
    site.door.type("r")
    site.door.await_release()
    site.door.pass_through()
    eventually(lambda: site.door.status["state"] == "LOCKDOWN", 10, "lockdown again")
    alone = site.order("release", "alice")
    site.until(alone["id"], "rejected", "two_persons")
    # The button may still be held, and the door then stays unlocked for whoever holds it.
    eventually(lambda: site.door.status["state"] == "LOCKDOWN", 10, "lockdown still")
    both = site.order("release", "alice", "bob")
    site.until(both["id"], "done", "release")
    eventually(lambda: site.door.status["state"] == "LOCKED", 5, "normal")


@pytest.mark.slow
@needs_mosquitto
def test_a_site_wide_lockdown_reaches_a_door_that_was_away(site: Site) -> None:
    site.net.terminate()
    site.net.wait(10)
    site.host.publish(MODE, sign.sign(site.key, sign.mode(SITE, "lockdown", 7, "alice")), retain=True)
    time.sleep(0.3)
    assert site.door.status["state"] == "LOCKED"
    site.start_net()
    eventually(lambda: site.door.status["state"] == "LOCKDOWN", 5, "lockdown")
    site.until("mode-7", "done", "lockdown")
    site.host.publish(MODE, sign.sign(site.key, sign.mode(SITE, "normal", 6, "alice", "bob")), retain=True)
    site.host.publish(MODE, sign.sign(site.key, sign.mode(SITE, "normal", 8, "alice")), retain=True)
    site.until("mode-8", "rejected", "two_persons")
    assert site.door.status["state"] == "LOCKDOWN"
    site.host.publish(MODE, sign.sign(site.key, sign.mode(SITE, "normal", 8, "alice", "bob")), retain=True)
    site.until("mode-8", "done", "release")
