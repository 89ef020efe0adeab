"""Signed commands on a real store and a real doorline, a door's part played by writing its events."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beds.broker import wait_for
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.daemons.orders import Orders, public_key
from appliance.errors import ConfigError
from appliance.facts import AdminUnlock, ClockQuality, Event, EventType, Moment
from appliance.fleet.commands import Verifier
from appliance.fleet.desk import DONE_SECONDS, Desk, Reply
from appliance.settings import SiteConfig
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.rulebook import Rulebook, read
from appliance.system.clock import now
from appliance.system.doorline import Doorline
from appliance.system.status import StatusFile, read_status
from tests.fleet.signing import sign

KEY = Ed25519PrivateKey.generate()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, SiteConfig(site="north", door="front")
        self.db = connect(folder / FILE)
        self.log = EventLog(self.db)
        self.line: Doorline | None = None
        self.desk = self.fresh()

    def fresh(self) -> Desk:
        """As after a restart of the process."""
        orders = Orders(self.folder / FILE, self.folder / "doorline.sock", self.folder / "status.json")
        return Desk(Verifier(KEY.public_key()), self.site, orders)

    def listen(self) -> Doorline:
        self.line = Doorline(self.folder / "doorline.sock", vision_uid=os.getuid() + 1, net_uid=os.getuid())
        return self.line

    def send(self, op: str, *people: str, why: str = "") -> tuple[str, list[Reply]]:
        nonce = self.desk.challenges.issue(now().mono)
        body = sign.command("north/front", op, nonce, *people, why=why)
        return str(body["id"]), self.desk.command(sign.sign(KEY, body).encode(), now())

    def mode(self, wanted: str, seq: int, *people: str) -> list[tuple[str, str]]:
        payload = sign.sign(KEY, sign.mode("north", wanted, seq, *people)).encode()
        return [(reply.outcome, reply.why) for reply in self.desk.mode(payload, now())]

    def watch(self, ahead: float = 1.0) -> list[tuple[str | None, str, str]]:
        at = now()
        later = Moment(at.mono + ahead, at.utc + ahead, at.quality)
        return [(reply.id, reply.outcome, reply.why) for reply in self.desk.watch(later)]

    def locked_down(self) -> bool:
        return read(self.db, now().utc).lockdown

    def say(self, **status: Any) -> None:
        mark = {"at": now().mono, **status}
        StatusFile(self.folder / "status.json").publish(mark)
        wait_for(lambda: (read_status(self.folder / "status.json") or {}).get("at") == mark["at"], 5, "status")

    def write(self, kind: EventType, why: str, **more: Any) -> None:
        self.log.append(Event(kind, why, now(), **more))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.line is not None:
        bench.line.close()


def granted(bench: Bench, name: str, why: str = "granted") -> None:
    bench.write(EventType.ACCESS, why, by="admin", detail={"admin": "alice", "id": name})


def test_an_unlock_is_on_record_before_the_door_hears_of_it_and_done_when_the_door_did_it(bench: Bench) -> None:
    line = bench.listen()
    name, replies = bench.send("unlock", "alice", why="a courier")
    assert [(reply.outcome, reply.why) for reply in replies] == [("accepted", "unlock")]
    fact = line.receive(1.0)
    assert isinstance(fact, AdminUnlock)
    assert (fact.by, fact.id) == ("alice", name)
    [event] = [event for event in bench.log.latest(5) if event.why == "remote_command"]
    assert (event.type, event.by) == ("audit", "alice")
    assert event.detail == {"op": "unlock", "id": name, "by2": None, "reason": "a courier"}
    assert bench.watch(0.2) == []
    granted(bench, "another-command")
    bench.write(EventType.DOOR, "unlocked", by="admin")
    assert bench.watch(0.4) == []
    granted(bench, name)
    bench.write(EventType.DOOR, "unlocked", by="rex")
    assert bench.watch(0.6) == []
    bench.write(EventType.DOOR, "unlocked", by="admin")
    assert bench.watch(0.8) == [(name, "done", "unlock")]
    assert bench.watch(0.9) == []


@pytest.mark.parametrize("why", ["lockdown", "stale", "replayed"])
def test_what_the_door_refuses_has_failed(bench: Bench, why: str) -> None:
    bench.listen()
    name, _ = bench.send("unlock", "alice")
    granted(bench, name, why)
    assert bench.watch() == [(name, "failed", why)]


def test_a_door_that_is_away_or_silent_has_not_done_it(bench: Bench) -> None:
    assert [(reply.outcome, reply.why) for reply in bench.send("unlock", "alice")[1]] == [("failed", "door_away")]
    bench.listen()
    name, _ = bench.send("unlock", "alice")
    assert bench.watch(DONE_SECONDS - 0.5) == []
    assert bench.watch(DONE_SECONDS + 0.1) == [(name, "failed", "no_answer")]


def test_an_old_status_does_not_make_it_done(bench: Bench) -> None:
    bench.say(state="OPEN", lock="released", at=now().mono - 1)
    bench.listen()
    name, _ = bench.send("unlock", "alice")
    granted(bench, name)
    assert bench.watch(0.2) == []
    bench.say(state="OPEN", lock="released")
    assert bench.watch(0.4) == [(name, "done", "unlock")]


def test_lockdown_and_its_end_are_done_when_the_door_says_so(bench: Bench) -> None:
    bench.say(state="LOCKED", lock="secure")
    name, _ = bench.send("lockdown", "alice", why="drill")
    assert bench.locked_down()
    assert bench.watch(0.2) == []
    bench.say(state="LOCKDOWN", lock="secure")
    assert bench.watch(0.4) == [(name, "done", "lockdown")]
    assert [reply.why for reply in bench.send("release", "alice")[1]] == ["two_persons"]
    assert [reply.why for reply in bench.send("release", "alice", "alice")[1]] == ["two_persons"]
    assert bench.locked_down()
    name, _ = bench.send("release", "alice", "bob")
    assert not bench.locked_down()
    assert bench.watch(0.6) == []
    bench.say(state="LOCKED", lock="secure")
    assert bench.watch(0.8) == [(name, "done", "release")]


def test_the_sites_mode_outlives_a_restart_and_is_taken_once(bench: Bench) -> None:
    assert bench.mode("lockdown", 5, "alice") == [("accepted", "lockdown")]
    assert bench.locked_down()
    bench.desk = bench.fresh()
    assert bench.mode("lockdown", 5, "alice") == []
    assert bench.mode("normal", 4, "alice", "bob") == []
    assert bench.mode("normal", 6, "alice") == [("rejected", "two_persons")]
    assert bench.locked_down()
    assert bench.mode("normal", 6, "alice", "bob") == [("accepted", "release")]
    assert not bench.locked_down()
    assert bench.mode("lockdown", 5, "alice") == []
    assert not bench.locked_down()


def test_a_lockdown_of_the_doors_own_is_not_lifted_for_the_whole_site(bench: Bench) -> None:
    Rulebook(bench.db, now=now).set_lockdown(True, "cli", "a broken pane")
    assert bench.mode("normal", 1, "alice", "bob") == [("failed", "local_lockdown")]
    assert bench.locked_down()
    assert bench.mode("normal", 1, "alice", "bob") == []


def test_a_store_that_cannot_be_written_opens_nothing(bench: Bench) -> None:
    line = bench.listen()
    bench.desk = Desk(
        Verifier(KEY.public_key()),
        bench.site,
        Orders(bench.folder, bench.folder / "doorline.sock", bench.folder / "status.json"),
    )
    assert [(reply.outcome, reply.why) for reply in bench.send("unlock", "alice")[1]] == [("failed", "store")]
    assert line.receive(0.2) is None


def test_the_key_is_read_or_named_in_the_error(tmp_path: Path) -> None:
    private, public = tmp_path / "host.pem", tmp_path / "host.pub"
    assert sign.main(["key", str(private), str(public)]) == 0
    assert private.stat().st_mode & 0o777 == 0o600
    known = Verifier(public_key(str(public)))
    body = sign.command("north/front", "unlock", "n", "alice")
    assert known.open(sign.sign(sign.load_key(private), body).encode()) == body
    for wrong in (private, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"mqtt\.commands_key"):
            public_key(str(wrong))


def test_the_example_prints_what_to_publish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private, public = str(tmp_path / "host.pem"), str(tmp_path / "host.pub")
    sign.main(["key", private, public])
    assert sign.main(["command", private, "north/front", "release", "nonce", "alice", "bob"]) == 0
    body = Verifier(public_key(public)).open(capsys.readouterr().out.encode())
    assert isinstance(body, dict)
    assert (body["op"], body["by"], body["by2"]) == ("release", "alice", "bob")
    assert sign.main(["mode", private, "north", "lockdown", "7", "alice"]) == 0
    body = Verifier(public_key(public)).open(capsys.readouterr().out.encode())
    assert isinstance(body, dict)
    assert (body["mode"], body["seq"]) == ("lockdown", 7)
    assert sign.main(["command"]) == 2


def test_a_lockdown_of_this_door_outlives_the_sites(bench: Bench) -> None:
    bench.mode("lockdown", 1, "alice")
    bench.send("lockdown", "guard", why="an intruder at this door")
    assert bench.mode("normal", 2, "alice", "bob") == [("failed", "local_lockdown")]
    assert bench.locked_down()
    assert [reply.why for reply in bench.send("release", "guard", "chief")[1]] == ["release"]
    assert not bench.locked_down()


def test_a_lockdown_of_the_site_outlives_the_doors_own(bench: Bench) -> None:
    bench.send("lockdown", "guard")
    assert bench.mode("lockdown", 1, "alice") == [("accepted", "lockdown")]
    assert [(reply.outcome, reply.why) for reply in bench.send("release", "guard", "chief")[1]] == [
        ("failed", "site_lockdown")
    ]
    assert bench.locked_down()
    assert bench.mode("normal", 2, "alice", "bob") == [("accepted", "release")]
    assert not bench.locked_down()


def damaged_number(bench: Bench) -> None:
    with bench.db.conn:
        bench.db.conn.execute("UPDATE meta SET value = 'x' WHERE key = 'mode_seq'")
    bench.desk = bench.fresh()


def test_with_a_damaged_number_an_old_normal_lifts_nothing(bench: Bench) -> None:
    bench.mode("normal", 3, "alice", "bob")
    bench.mode("lockdown", 4, "alice")
    damaged_number(bench)
    assert bench.mode("normal", 3, "alice", "bob") == [("rejected", "seq")]
    # An old lockdown makes no later message the newest.
    assert bench.mode("lockdown", 2, "alice") == [("accepted", "lockdown")]
    assert bench.mode("normal", 4, "alice", "bob") == [("rejected", "seq")]
    assert bench.locked_down()
    assert bench.mode("normal", 5, "alice", "bob") == [("accepted", "release")]
    assert bench.mode("lockdown", 5, "alice") == []
    assert not bench.locked_down()


def test_a_normal_signed_before_the_lockdown_does_not_lift_it(bench: Bench) -> None:
    def signed(wanted: str, seq: int, ago: float, *people: str) -> list[tuple[str, str]]:
        body = sign.mode("north", wanted, seq, *people)
        body["iat"] = int(body["iat"] - ago)
        return [(reply.outcome, reply.why) for reply in bench.desk.mode(sign.sign(KEY, body).encode(), now())]

    signed("lockdown", 1, 100, "alice")
    signed("lockdown", 2, 50, "alice")
    assert signed("normal", 3, 60, "alice", "bob") == [("rejected", "iat")]
    assert bench.locked_down()
    # A host whose clock is behind the door's lifts what it ordered by the same clock.
    assert signed("normal", 3, 40, "alice", "bob") == [("accepted", "release")]
    Rulebook(bench.db, now=now).set_lockdown(True, "site:alice", "of an earlier version", side="site")
    known = now().quality is not ClockQuality.UNKNOWN
    assert (signed("normal", 4, 40, "alice", "bob") == [("rejected", "iat")]) is known
