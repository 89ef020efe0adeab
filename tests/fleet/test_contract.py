"""docs/mqtt/asyncapi.yaml against real traffic: every message, its QoS, its retain flag, every field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beds.broker import SITE, Host, needs_mosquitto, wait_for
from beds.contract import CONTRACT, DOCS, chain_breaks, channel_of, faults, follow, operation_on
from jsonschema import Draft7Validator

from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.fleet import topics
from appliance.fleet.discovery import announcement
from appliance.fleet.machine import figures
from appliance.fleet.topics import Names
from appliance.system.clock import now
from tests.fleet.fleet_rig import Door

NAMES = Names(SITE, "door-1")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for reference in references(CONTRACT):
        assert follow(reference) is not None
    for schema in CONTRACT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for channel in CONTRACT["channels"]:
        assert operation_on(channel)["action"] in {"send", "receive"}


def test_names_are_the_documented_addresses() -> None:
    names = {
        "conn": NAMES.conn,
        "state": NAMES.state,
        "health": NAMES.health,
        "result": NAMES.result,
        "ack": NAMES.ack,
        "command": NAMES.command,
        "mode": NAMES.mode,
        "discovery": NAMES.discovery,
        "event": NAMES.event(EventType.SPOOF),
    }
    assert set(names) == set(CONTRACT["channels"])
    for channel, topic in names.items():
        assert channel_of(topic) == channel
    documented = CONTRACT["channels"]["event"]["parameters"]["type"]["enum"]
    assert documented == [kind.value for kind in EventType]


@needs_mosquitto
def test_real_traffic_keeps_the_contract(door: Door, host: Host) -> None:
    """One door through a day: every kind of event, a change of state, rejected commands, leaving, being killed."""
    person = "7d0a4c0e-6f0c-4a53-9a5b-0d6c8f0f2f11"
    for kind in EventType:
        door.log.append(Event(kind, "granted", now(), person=person, by="face", score=0.7, threshold=0.5, live=True))
        door.log.append(Event(kind, "unknown_face", now(), detail={"latency_ms": 12.5, "model": "sha256:0123456789ab"}))
    door.start().wait_online()
    door.status["state"] = "OPEN"
    for payload in ("UNLOCK", '{"op":"unlock"}', '{"b":"","k":"","sig":""}'):
        host.publish(NAMES.command, payload)
    wait_for(lambda: any(h.body["state"] == "OPEN" for h in host.on("up/state")), 10, "the new state")
    wait_for(lambda: host.on("up/res") and len(host.events()) >= 15, 10, "events and a result")
    door.close()
    wait_for(lambda: host.on("up/conn")[-1].body["st"] == "closing", 5, "closing")
    spoken = [heard for heard in host.heard if "/dn/" not in heard.topic]
    assert {channel_of(heard.topic) for heard in spoken} == {
        "conn", "state", "event", "health", "result", "discovery"
    }  # fmt: skip
    for heard in spoken:
        channel = channel_of(heard.topic)
        assert faults(channel, heard.body) == [], heard
        binding = operation_on(channel)["bindings"]["mqtt"]
        assert (heard.qos, heard.retain) == (binding["qos"], binding["retain"]), heard.topic
    assert chain_breaks(heard.body for heard in host.events()) == []
    for heard in host.events():
        assert heard.topic == NAMES.event(EventType(str(heard.body["type"])))


@pytest.mark.parametrize(
    ("channel", "body"),
    [
        ("conn", {"v": 1, "st": "gone", "bd": 1}),
        ("conn", {"v": 2, "st": "online", "bd": 1}),
        ("state", {"v": 1}),
        ("event", {"v": 1, "id": "1"}),
        ("ack", {"seq": -1}),
        ("ack", {"seq": "1"}),
        ("command", {"op": "unlock"}),
        ("health", {"v": 1, "name": "Ada"}),
    ],
)
def test_the_contract_refuses(channel: str, body: dict[str, Any]) -> None:
    assert faults(channel, body)


@pytest.mark.parametrize("state", ["LOCKED", "UNLOCKED", "OPEN", "HELD", "FORCED", "LOCKDOWN", "RELEASED"])
def test_states(state: str) -> None:
    moment = Moment(100.0, 1.76e9, ClockQuality.SYNCED)
    status = {"at": 99.0, "state": state, "lock": "released", "contact": "none", "vision": "blind", "keypad": "lost"}
    payload = topics.state("d", status, moment)
    assert payload["state"] == state
    assert faults("state", payload) == []


@pytest.mark.parametrize("status", [None, {}, {"at": 94.0}, {"at": 101.0}, {"at": "99"}, {"at": True}, {"at": None}])
def test_an_old_or_broken_status_is_unknown(status: dict[str, object] | None) -> None:
    moment = Moment(100.0, 1.76e9)
    if status is not None:
        status = {"state": "UNLOCKED", "lock": "released"} | status
    payload = topics.state("d", status, moment)
    assert (payload["state"], payload["lock"], payload["tq"]) == ("UNKNOWN", "unknown", "unknown")
    assert faults("state", payload) == []


def test_health_of_this_machine(tmp_path: Path) -> None:
    told = {"up_s": 1.0, "outbox": 0, **figures(tmp_path)}
    payload = topics.health("d", now(), "1.2", told)
    assert {"load_1m", "mem_free_mb", "disk_free_mb"} <= payload.keys()
    assert faults("health", payload) == []


def test_discovery_takes_no_commands_and_has_unique_ids() -> None:
    payload = announcement(NAMES, "1.2", simulated=False)
    assert faults("discovery", payload) == []
    text = json.dumps(payload)
    assert "cmd_t" not in text
    assert "command_topic" not in text
    assert "/dn/" not in text
    ids = [component["uniq_id"] for component in payload["cmps"].values()]
    assert len(set(ids)) == len(ids)
    assert all(component["stat_t"].startswith(f"lintel/1/{SITE}/door-1/up/") for component in payload["cmps"].values())
    assert "\n" not in topics.encode(payload).decode()
    assert len(topics.encode(payload)) < 4096


def test_readme_names_every_topic() -> None:
    text = (DOCS / "README.md").read_text()
    for channel in CONTRACT["channels"].values():
        short = channel["address"].replace("{site}", "s").replace("{door}", "d").replace("{type}", "TYPE")
        assert f"`{short}`" in text
