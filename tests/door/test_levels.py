"""Bad contacts at the loop: something clear is said, nobody outside gets in, nobody inside is kept."""

import random

import pytest

from appliance.door.inbox import Edge
from appliance.door.levels import BOUNCES, CALM_SECONDS, REX_STUCK_SECONDS, UNOPENED
from appliance.door.machine import State
from tests.door.test_loop import Bench


def chatter(bench: Bench, name: str, times: int, pause: float = 0.01) -> Bench:
    switch = bench.switches[name]
    for _ in range(times):
        switch.active = not switch.active
        bench.turn(Edge(name, switch.active, bench.now), pause)
    return bench


def test_a_chattering_contact_is_told_once_and_left_aside_until_it_is_calm():
    bench = chatter(Bench(), "contact", 400)
    assert bench.record.whys().count("line_bouncing") == 1
    assert bench.details("line_bouncing") == [{"line": "contact"}]
    assert len(bench.record.events) < 3 * BOUNCES, "a chattering wire does not fill the record"
    for _ in range(30):
        bench.turn(after=CALM_SECONDS / 20)
    assert bench.record.whys().count("line_calm") == 1
    bench.switches["contact"].active = True
    bench.turn(after=0.3)
    assert bench.record.whys()[-1] == "forced", "then it is believed again"


@pytest.mark.parametrize("begins", [False, True])
def test_a_chattering_contact_does_not_cut_off_who_pressed_the_button(begins):
    bench = Bench(contact=begins)
    chatter(bench, "contact", 40)
    bench.turn(Edge("rex", True, bench.now)).turn(Edge("rex", False, bench.now))
    for _ in range(45):
        chatter(bench, "contact", 2, 0.05)
        assert bench.released
    bench.turn(after=0.6)
    assert not bench.released


def test_an_opening_is_heard_at_once_however_the_contact_chatters():
    bench = chatter(Bench(contact=True), "contact", BOUNCES)
    assert "line_bouncing" in bench.record.whys()
    assert bench.door.state is State.FORCED
    assert not bench.released


def test_a_chattering_contact_lets_nobody_in():
    bench = Bench()
    for _ in range(2000):
        chatter(bench, "contact", 1, 0.02)
        assert not bench.released


def test_a_calm_contact_that_has_moved_meanwhile_is_taken_as_it_is_then():
    bench = chatter(Bench(), "contact", 41)
    for _ in range(30):
        bench.turn(after=0.25)
    assert bench.switches["contact"].active
    assert bench.door.contact_open is True
    assert bench.door.state in (State.OPEN, State.FORCED, State.HELD)


def test_people_who_come_and_go_are_no_chatter():
    bench = Bench()
    for _ in range(50):
        bench.turn(bench.pin()).written()
        chatter(bench, "contact", 2, 0.4)
    assert "line_bouncing" not in bench.record.whys()


def test_the_button_and_the_fire_line_are_believed_however_they_chatter():
    bench = chatter(Bench(), "rex", 101)
    assert bench.released
    assert "line_bouncing" not in bench.record.whys()
    bench = chatter(Bench(), "fire", 101)
    assert bench.released
    assert bench.door.state is State.RELEASED


def test_a_button_that_is_stuck_is_told_once_and_the_door_stays_released():
    bench = Bench()
    bench.switches["rex"].active = True
    while bench.clock.mono < 1000 + REX_STUCK_SECONDS + 30:
        bench.turn(after=0.25)
        assert bench.released
        told = "rex_stuck" in bench.record.whys()
        assert told == (bench.clock.mono >= 1000 + REX_STUCK_SECONDS + 0.25)
    assert bench.details("rex_stuck") == [{"seconds": REX_STUCK_SECONDS}]
    bench.switches["rex"].active = False
    bench.turn(after=0.25)
    assert bench.record.whys()[-1] == "rex_back"
    for _ in range(25):
        bench.turn(after=0.25)
    assert not bench.released


def test_leaning_on_the_button_for_a_while_is_nothing_to_tell():
    bench = Bench()
    for _ in range(5):
        bench.switches["rex"].active = True
        for _ in range(int(REX_STUCK_SECONDS)):
            bench.turn(after=0.9)
        bench.switches["rex"].active = False
        bench.turn(after=0.9)
    assert not {"rex_stuck", "rex_back"} & set(bench.record.whys())


def test_a_contact_that_never_sees_the_door_open_is_told_once():
    bench = Bench()
    for number in range(1, 2 * UNOPENED):
        bench.turn(bench.pin()).written()
        bench.turn(after=6)
        assert bench.record.whys().count("contact_stuck") == (number >= UNOPENED)
    chatter(bench, "contact", 2, 0.5)
    assert bench.record.whys().count("contact_back") == 1


def test_a_contact_stuck_open_is_a_door_held_and_grants_say_nothing_of_it():
    bench = Bench(contact=True)
    for _ in range(2 * UNOPENED):
        bench.turn(bench.pin()).written()
        bench.turn(after=6)
    assert "held" in bench.record.whys()
    assert "contact_stuck" not in bench.record.whys()
    assert not bench.released


def test_any_noise_on_any_lines_opens_only_by_the_button_or_a_fire():
    chance = random.Random(4)
    bench = Bench()
    asked = -100.0
    for _ in range(20_000):
        name = chance.choice(("contact", "tamper", "contact", "rex", "fire"))
        if name in ("rex", "fire") and chance.random() < 0.98:
            continue
        active = chance.random() < 0.5
        bench.switches[name].active = active
        bench.turn(Edge(name, active, bench.now), chance.choice((0.0, 0.001, 0.05, 0.3, 3.0)))
        if bench.switches["rex"].active or bench.switches["fire"].active:
            asked = bench.now
            assert bench.released
        assert not bench.released or bench.now - asked <= 5.0
