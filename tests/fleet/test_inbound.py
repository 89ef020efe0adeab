"""What others publish to a door: judged, answered or dropped, and never harmful."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from beds.broker import SITE, Host, Mosquitto, needs_mosquitto, wait_for
from hypothesis import given
from hypothesis import strategies as st

from appliance.fleet.inbound import LARGEST_BYTES, BadMessage, Command, Limiter, read_ack, read_command
from tests.fleet.fleet_rig import Door

DOWN = f"lintel/1/{SITE}/door-1/dn"
BAD = {
    "not_json": b"{",
    "not_utf8": b"\xff\xfe{}",
    "not_an_object": b"[1]",
    "oversized": b'{"id":"' + b"x" * LARGEST_BYTES + b'"}',
}


@pytest.mark.parametrize(("fault", "payload"), BAD.items())
def test_bad_payloads_are_named(fault: str, payload: bytes) -> None:
    for read in (read_ack, lambda p: read_command(p, False)):
        with pytest.raises(BadMessage, match=fault):
            read(payload)


@pytest.mark.parametrize("text", ["NaN", '{"a":NaN}', "[" * 4000, '{"a":' * 800, "1" * 4096, "", "\0", "UNLOCK"])
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(BadMessage):
        read_command(text.encode(), False)


@pytest.mark.parametrize("seq", ["1", 1.0, True, None, -1, 2**63])
def test_ack_of_a_wrong_type(seq: object) -> None:
    with pytest.raises(BadMessage, match="seq"):
        read_ack(json.dumps({"seq": seq}).encode())


@given(st.binary(max_size=5000))
def test_any_bytes_are_judged_and_never_raise_otherwise(payload: bytes) -> None:
    for read in (read_ack, lambda p: read_command(p, False)):
        with suppress(BadMessage):
            read(payload)


def test_commands() -> None:
    assert read_command(b'{"op":"unlock","id":"7"}', False) == Command("7", signed=False)
    assert read_command(b'{"op":"unlock","id":7}', False) == Command(None, signed=False)
    assert read_command(b'{"b":"","k":"","sig":""}', False) == Command(None, signed=True)
    assert read_command(b'{"b":1,"k":"","sig":""}', False) == Command(None, signed=False)
    with pytest.raises(BadMessage, match="retained"):
        read_command(b'{"b":"","k":"","sig":""}', True)


def test_limiter_counts_what_it_holds_back() -> None:
    limiter = Limiter(60)
    assert [limiter.passes(t) for t in (0, 1, 59.9, 60, 61, 200)] == [1, 0, 0, 3, 0, 2]


@needs_mosquitto
def test_bad_messages_leave_one_event_and_a_living_door(
    door: Door, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    door.start().wait_online()
    for payload in [*BAD.values(), b"", b"UNLOCK"]:
        host.publish(f"{DOWN}/cmd", payload)
        host.publish(f"{DOWN}/ack", payload)
    host.publish(f"{DOWN}/ack", '{"seq":"1"}')
    ids = door.write(5)
    wait_for(lambda: ids <= host.ids(), 10, "the door goes on")
    reports = [event for event in door.log.latest(100) if event.why == "bad_message"]
    assert [event.type for event in reports] == ["sys"]
    assert reports[0].detail["fault"] == "not_json"
    assert caplog.text.count("bad message") == 1
    assert door.uplink.online


@needs_mosquitto
def test_plain_text_on_the_command_topic_is_rejected(door: Door, host: Host) -> None:
    door.start().wait_online()
    host.publish(f"{DOWN}/cmd", "UNLOCK")
    wait_for(lambda: host.on("up/res"), 5, "an answer")
    answer = host.on("up/res")[0]
    assert (answer.body["st"], answer.body["why"], answer.body["id"]) == ("rejected", "not_json", None)
    assert not answer.retain


@needs_mosquitto
@pytest.mark.parametrize(
    ("command", "why"),
    [({"op": "unlock", "id": "a1"}, "unsigned"), ({"id": "a1", "b": "e30=", "k": "k1", "sig": "AA=="}, "unknown_key")],
)
def test_commands_that_cannot_be_proved_are_rejected(door: Door, host: Host, command: dict[str, str], why: str) -> None:
    door.start().wait_online()
    host.publish(f"{DOWN}/cmd", json.dumps(command))
    wait_for(lambda: host.on("up/res"), 5, "an answer")
    body = host.on("up/res")[0].body
    assert (body["st"], body["why"], body["id"]) == ("rejected", why, "a1")


@needs_mosquitto
def test_a_shouting_sender_gets_one_answer_a_second(door: Door, host: Host) -> None:
    door.start().wait_online()
    for _ in range(50):
        host.publish(f"{DOWN}/cmd", '{"op":"unlock"}')
    ids = door.write(1)
    wait_for(lambda: ids <= host.ids(), 5, "the door goes on")
    assert 1 <= len(host.on("up/res")) <= 3


@needs_mosquitto
@pytest.mark.parametrize("when", ["before", "while"])
def test_a_retained_command_is_dropped(
    door_of: Callable[..., Door], mosquitto: Mosquitto, host: Host, when: str
) -> None:
    door = door_of(mosquitto.config())
    if when == "before":
        host.publish(f"{DOWN}/cmd", '{"op":"unlock","id":"old"}', retain=True)
    door.start().wait_online()
    if when == "while":
        host.publish(f"{DOWN}/cmd", '{"op":"unlock","id":"old"}', retain=True)
    wait_for(lambda: [e for e in door.log.latest(10) if e.why == "bad_message"], 5, "the event")
    [event] = [e for e in door.log.latest(10) if e.why == "bad_message"]
    assert event.detail["fault"] == "retained"
    assert not host.on("up/res")
