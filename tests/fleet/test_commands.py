"""Signed commands, judged without a broker: what counts once, and everything that never does."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.facts import ClockQuality, Moment
from appliance.fleet.commands import (
    CHALLENGE_SECONDS,
    CHALLENGES_KEPT,
    Challenges,
    Judge,
    Order,
    Refusal,
    SiteMode,
    Verifier,
)
from appliance.fleet.inbound import BadMessage
from tests.fleet.signing import sign

KEY = Ed25519PrivateKey.generate()
UTC = 1_795_377_600.0
NOW = Moment(100.0, UTC, ClockQuality.SYNCED)


class Bench:
    def __init__(self) -> None:
        numbers: Iterator[int] = count()
        self.challenges = Challenges(lambda: f"nonce-{next(numbers)}")
        self.judge = Judge(Verifier(KEY.public_key()), "north", "front", self.challenges)

    def body(self, op: str = "unlock", at: Moment = NOW, **changes: Any) -> dict[str, Any]:
        nonce = changes["ch"] if "ch" in changes else self.challenges.issue(at.mono)
        body = sign.command("north/front", op, nonce, "alice")
        return body | {"iat": int(at.utc), "exp": int(at.utc) + 60} | changes

    def ask(self, body: dict[str, Any], at: Moment = NOW, key: Ed25519PrivateKey = KEY) -> Order | Refusal:
        return self.judge.command(sign.sign(key, body).encode(), at)


def why(answer: object) -> tuple[str, str]:
    assert isinstance(answer, Refusal), answer
    return answer.outcome, answer.why


def test_a_signed_command_counts_once() -> None:
    bench = Bench()
    body = bench.body(arg={"why": "a courier"})
    assert bench.ask(body) == Order(body["id"], "unlock", "alice", None, "a courier")
    assert why(bench.ask(body)) == ("duplicate", "id")
    assert why(bench.ask(body | {"id": "another-one"})) == ("expired", "challenge")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aud": "north/back"}, ("rejected", "audience")),
        ({"aud": "south/front"}, ("rejected", "audience")),
        ({"aud": "north"}, ("rejected", "audience")),
        ({"ch": "made-up"}, ("expired", "challenge")),
        ({"ch": None}, ("expired", "challenge")),
        ({"ch": ["nonce-0"]}, ("expired", "challenge")),
        ({"iat": int(UTC) - 300, "exp": int(UTC) - 1}, ("expired", "exp")),
        ({"iat": int(UTC) + 61, "exp": int(UTC) + 100}, ("expired", "iat")),
        ({"exp": int(UTC) + 301}, ("expired", "lifetime")),
        ({"exp": int(UTC)}, ("expired", "lifetime")),
        ({"op": "reboot"}, ("rejected", "op")),
        ({"op": "wipe"}, ("rejected", "op")),
        ({"op": "release"}, ("rejected", "two_persons")),
        ({"op": "release", "by2": "Alice"}, ("rejected", "two_persons")),
        ({"op": 1}, ("rejected", "fields")),
        ({"v": 2}, ("rejected", "fields")),
        ({"id": "short"}, ("rejected", "fields")),
        ({"id": 12345678}, ("rejected", "fields")),
        ({"id": "x" * 65}, ("rejected", "fields")),
        ({"by": ""}, ("rejected", "fields")),
        ({"by": "alice\nroot"}, ("rejected", "fields")),
        ({"by2": 1}, ("rejected", "fields")),
        ({"arg": {"door": "x"}}, ("rejected", "fields")),
        ({"arg": {"why": "x" * 201}}, ("rejected", "fields")),
        ({"arg": None}, ("rejected", "fields")),
        ({"iat": True}, ("rejected", "fields")),
        ({"exp": UTC + 30}, ("rejected", "fields")),
        ({"more": 1}, ("rejected", "fields")),
    ],
)
def test_a_proved_command_that_does_not_count(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    bench = Bench()
    assert why(bench.ask(bench.body(**changes))) == expected


def test_release_takes_two_persons() -> None:
    bench = Bench()
    answer = bench.ask(bench.body("release", by2="bob"))
    assert isinstance(answer, Order)
    assert (answer.by, answer.by2) == ("alice", "bob")


def test_a_missing_field_is_refused() -> None:
    bench = Bench()
    for field in bench.body():
        body = bench.body()
        del body[field]
        assert why(bench.ask(body)) == ("rejected", "fields")


def test_another_key_and_a_changed_byte_prove_nothing() -> None:
    bench = Bench()
    other = Ed25519PrivateKey.generate()
    assert why(bench.ask(bench.body(), key=other)) == ("rejected", "unknown_key")
    envelope = json.loads(sign.sign(KEY, bench.body()))
    for changed in (
        envelope | {"k": json.loads(sign.sign(KEY, {}))["k"], "sig": json.loads(sign.sign(other, bench.body()))["sig"]},
        envelope | {"b": base64.b64encode(base64.b64decode(envelope["b"]).replace(b"alice", b"mallo")).decode()},
        envelope | {"sig": envelope["sig"][:-4]},
        envelope | {"sig": "%%"},
        envelope | {"b": "é"},
    ):
        answer = bench.judge.command(json.dumps(changed).encode(), NOW)
        assert why(answer) == ("rejected", "bad_signature")
        assert isinstance(answer, Refusal)
        assert answer.id is None
    assert why(bench.judge.command(json.dumps(envelope | {"x": 1}).encode(), NOW)) == ("rejected", "fields")


def test_a_key_that_stands_twice_is_refused() -> None:
    bench = Bench()
    text = json.dumps(bench.body())
    twice = text[:-1] + ', "op": "unlock"}'
    envelope = {
        "b": base64.b64encode(twice.encode()).decode(),
        "k": Verifier(KEY.public_key()).kid,
        "sig": base64.b64encode(KEY.sign(twice.encode())).decode(),
    }
    assert why(bench.judge.command(json.dumps(envelope).encode(), NOW)) == ("rejected", "fields")


def test_a_nonce_lasts_for_its_time_and_is_spent_even_by_a_command_that_fails() -> None:
    bench = Bench()
    nonce = bench.challenges.issue(NOW.mono)
    late = Moment(NOW.mono + CHALLENGE_SECONDS + 0.1, UTC, ClockQuality.SYNCED)
    assert why(bench.ask(bench.body(ch=nonce), late)) == ("expired", "challenge")
    nonce = bench.challenges.issue(NOW.mono)
    assert why(bench.ask(bench.body("wipe", ch=nonce))) == ("rejected", "op")
    assert why(bench.ask(bench.body(ch=nonce))) == ("expired", "challenge")


def test_a_door_without_the_time_goes_by_its_nonce() -> None:
    bench = Bench()
    unaware = Moment(NOW.mono, 60.0, ClockQuality.UNKNOWN)
    assert isinstance(bench.ask(bench.body(), unaware), Order)
    assert why(bench.ask(bench.body(ch="old"), unaware)) == ("expired", "challenge")


def test_nonces_are_not_kept_without_end() -> None:
    bench = Bench()
    first = bench.challenges.issue(1.0)
    for _ in range(CHALLENGES_KEPT):
        last = bench.challenges.issue(2.0)
    assert not bench.challenges.spend(first, 2.0)
    assert bench.challenges.spend(last, 2.0)


def mode(wanted: str = "lockdown", seq: int = 1, by2: str | None = None, **changes: Any) -> bytes:
    return sign.sign(KEY, sign.mode("north", wanted, seq, "alice", by2, why="drill") | changes).encode()


def test_the_sites_mode_counts_when_it_is_newer() -> None:
    judge = Bench().judge
    assert judge.mode(mode(seq=3, iat=5), 2) == SiteMode(3, True, "alice", None, "drill", 5)
    assert judge.mode(mode(seq=3), 3) is None
    assert judge.mode(mode(seq=2), 3) is None
    assert isinstance(judge.mode(mode("normal", 4, "bob"), 3), SiteMode)
    assert why(judge.mode(mode("normal", 4), 3)) == ("rejected", "two_persons")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"aud": "north/front"}, "audience"),
        ({"mode": "open"}, "fields"),
        ({"mode": ["lockdown"]}, "fields"),
        ({"seq": True}, "fields"),
        ({"iat": "1"}, "fields"),
        ({"iat": True}, "fields"),
        ({"seq": 0}, "fields"),
        ({"seq": 2**53}, "fields"),
        ({"ch": "x"}, "fields"),
        ({"why": None}, "fields"),
    ],
)
def test_a_mode_that_does_not_count(changes: dict[str, Any], fault: str) -> None:
    assert why(Bench().judge.mode(mode(**changes), 0)) == ("rejected", fault)


def test_a_command_is_no_mode_and_a_mode_no_command() -> None:
    bench = Bench()
    assert why(bench.judge.command(mode(), NOW)) == ("rejected", "fields")
    assert why(bench.judge.mode(sign.sign(KEY, bench.body()).encode(), 0)) == ("rejected", "fields")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), st.lists)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from([*Bench().body(), "mode", "seq", "why"]), JSON))
def test_no_signed_garbage_is_an_order_or_breaks_it(body: dict[str, Any]) -> None:
    judge = Bench().judge
    judges: tuple[Callable[[bytes], object], ...] = (lambda p: judge.command(p, NOW), lambda p: judge.mode(p, 0))
    for ask in judges:
        with suppress(BadMessage):
            assert isinstance(ask(sign.sign(KEY, body).encode()), Refusal)
