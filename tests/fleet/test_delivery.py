"""Events through a real broker that dies, freezes and refuses: none lost, repeats only with the same id."""

import json
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from beds.broker import ACL, SITE, Host, Mosquitto, needs_mosquitto, wait_for

from appliance.facts import EventType
from tests.fleet.fleet_rig import Door

pytestmark = needs_mosquitto
UP = f"lintel/1/{SITE}/door-1/up"


def test_events_arrive_once_at_qos_1_and_are_not_retained(door: Door, host: Host) -> None:
    ids = door.write(3) | door.write(1, EventType.SPOOF, "spoof")
    door.start().wait_settled()
    wait_for(lambda: len(host.events()) == 4, 5, "four events")
    assert host.ids() == ids
    assert {heard.topic for heard in host.events()} == {f"{UP}/evt/access", f"{UP}/evt/spoof"}
    assert all(heard.qos == 1 and not heard.retain for heard in host.events())
    assert [heard.body["seq"] for heard in host.events()] == [1, 2, 3, 4]
    assert host.events()[0].body["dev"] == "door-1"


def test_a_live_event_arrives_at_once(door: Door, host: Host) -> None:
    door.start().wait_online()
    time.sleep(0.3)
    began = time.monotonic()
    door.write(1)
    wait_for(lambda: len(host.events()) == 1, 5, "the event")
    assert host.events()[0].at - began < 1.0


def test_the_retained_topics(door: Door, host: Host) -> None:
    door.start().wait_online()
    wait_for(lambda: host.on("up/state") and host.on("up/health") and host.on("/config"), 5, "the first reports")
    assert host.on("up/conn")[-1].body["st"] == "online"
    state = host.on("up/state")[-1].body
    assert (state["state"], state["lock"], state["simulated"]) == ("LOCKED", "secure", True)
    assert "must not be told" not in json.dumps(state)
    door.status["state"] = "OPEN"
    wait_for(lambda: host.on("up/state")[-1].body["state"] == "OPEN", 5, "the new state")
    assert all(heard.retain for heard in host.on("up/state") + host.on("up/conn") + host.on("/config"))
    assert not any(heard.retain for heard in host.on("up/health"))
    count = len(host.on("up/state"))
    time.sleep(1.2)
    assert len(host.on("up/state")) == count, "an unchanged state is not repeated"


def test_a_silent_door_process_makes_the_state_unknown(door: Door, host: Host) -> None:
    door.status["at"] = -1000.0
    door.start()
    wait_for(lambda: host.on("up/state"), 15, "a state")
    assert host.on("up/state")[-1].body["state"] == "UNKNOWN"
    assert host.on("up/state")[-1].body["lock"] == "unknown"


def test_stopping_says_closing_and_no_will_follows(door: Door, host: Host) -> None:
    door.start().wait_online()
    door.close()
    wait_for(lambda: host.on("up/conn")[-1].body["st"] == "closing", 5, "closing")
    time.sleep(0.5)
    assert [heard.body["st"] for heard in host.on("up/conn")] == ["online", "closing"]
    assert len({heard.body["bd"] for heard in host.on("up/conn")}) == 1


def test_10000_events_queued_offline(door_of: Callable[..., Door], mosquitto: Mosquitto) -> None:
    """With nobody listening a broker acknowledges and drops, so the host has its session first."""
    host = Host(mosquitto)
    mosquitto.stop()
    door = door_of(mosquitto.config())
    ids = set().union(*(door.write(1000) for _ in range(10)))
    door.start()
    time.sleep(1.5)
    assert not door.uplink.online
    mosquitto.start()
    door.wait_settled(60)
    wait_for(lambda: len(host.ids()) >= 10_000, 20, "ten thousand events")
    host.close()
    assert host.ids() == ids
    assert door.failure is None


def test_broker_killed_and_restarted_mid_stream(door: Door, host: Host, mosquitto: Mosquitto) -> None:
    """A broker killed hard forgets what it had acknowledged and not delivered: its loss, not ours.

    What the door had no answer for comes again, all of it.
    """
    ids = door.write(3000)
    door.start()
    wait_for(lambda: len(host.events()) > 500, 20, "the stream flows")
    mosquitto.kill()
    wait_for(lambda: not door.uplink.online, 10, "the loss is noticed")
    owed = {event.id for event in door.log.unsettled(5000)}
    assert owed, "killed too late to show anything"
    mosquitto.start()
    door.wait_settled()
    after = door.write(20)
    wait_for(lambda: owed | after <= host.ids(), 15, "all that the broker had not acknowledged, and what came after")
    assert host.ids() <= ids | after


def test_broker_that_freezes_is_left_and_found_again(
    door: Door, host: Host, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    door.start().wait_online()
    mosquitto.signal(signal.SIGSTOP)
    ids = door.write(10)
    wait_for(lambda: not door.uplink.online, 10, "the stall is noticed")
    mosquitto.signal(signal.SIGCONT)
    door.wait_settled()
    wait_for(lambda: ids <= host.ids(), 5, "all events")
    assert "connecting anew" in caplog.text
    # The broker may speak the old will late, yet before it greets the new connection.
    assert host.on("up/conn")[-1].body["st"] == "online"


def all_but_access(folder: Path, extra: str = "") -> Mosquitto:
    """A broker whose ACL forgot one topic."""
    place = folder / "strict"
    place.mkdir()
    leaves = ["conn", "state", "health", "res", "evt/door", "evt/spoof", "evt/sys"]
    rules = "".join(f"pattern write lintel/1/{SITE}/%u/up/{leaf}\n" for leaf in leaves)
    broker = Mosquitto(place, ACL.replace(f"pattern write lintel/1/{SITE}/%u/up/#\n", rules), extra)
    broker.start()
    return broker


def test_refused_topic_is_named_kept_and_does_not_block_others(
    door_of: Callable[..., Door], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strict = all_but_access(tmp_path)
    host = Host(strict)
    try:
        door = door_of(strict.config())
        refused = door.write(250)
        taken = door.write(250, EventType.DOOR, "unlocked")
        door.start()
        wait_for(lambda: taken <= host.ids(), 20, "the events that are allowed")
        wait_for(lambda: door.log.count_unsettled() == 250, 5, "only the refused ones wait")
        assert not refused & host.ids()
        [message] = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
        assert "up/evt/access" in message
        assert "Not authorized" in message
        assert "(ACL)" in message
        live = door.write(1, EventType.DOOR, "OPEN")
        wait_for(lambda: live <= host.ids(), 5, "a live event beside refused ones")
        strict.acl.write_text(ACL)
        strict.signal(signal.SIGHUP)
        door.wait_settled(40)
        wait_for(lambda: refused <= host.ids(), 5, "the refused ones after the ACL was mended")
    finally:
        host.close()
        strict.stop()


def test_a_broker_that_hangs_up_on_a_refused_event_still_gets_the_others(
    door_of: Callable[..., Door], tmp_path: Path
) -> None:
    """Mosquitto 2.0.11 does so with `max_queued_messages 0`; clouds do so as a rule."""
    rude = all_but_access(tmp_path, "max_queued_messages 0\n")
    host = Host(rude)
    try:
        door = door_of(rude.config())
        refused = door.write(100)
        taken = door.write(100, EventType.DOOR, "unlocked")
        door.start()
        wait_for(lambda: taken <= host.ids(), 60, "the events that are allowed")
        assert not refused & host.ids()
        wait_for(lambda: door.log.count_unsettled() == 100, 10, "only the refused ones wait")
    finally:
        host.close()
        rude.stop()


def test_a_door_may_not_write_on_another_doors_topics(
    door_of: Callable[..., Door], mosquitto: Mosquitto, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    liar = door_of(mosquitto.config("door-2"), name="door-1")
    liar.write(1)
    liar.start()
    wait_for(lambda: "refuses" in caplog.text, 15, "the refusal is reported")
    time.sleep(0.5)
    assert not host.heard
    assert liar.log.count_unsettled() == 1


def test_a_wrong_host_acknowledgement_settles_nothing_unsent(door: Door, host: Host, mosquitto: Mosquitto) -> None:
    door.start().wait_online()
    host.publish(f"lintel/1/{SITE}/door-1/dn/ack", json.dumps({"seq": 10**9}))
    ids = door.write(50)
    door.wait_settled()
    wait_for(lambda: ids <= host.ids(), 5, "every event")
