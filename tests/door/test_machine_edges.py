"""The machine at its edges: what the histories of test_machine.py do not ask, because they always say it."""

import math

from appliance.door.machine import Contact, Door, Fire, Free, Lockdown, State, Tamper
from appliance.facts import Credential, Decision, Event, Moment, Passing, Reason

GRANT = Decision(True, Reason.GRANTED, Credential.FACE, "p", 5.0)


def at(mono: float) -> Moment:
    return Moment(mono, 1_790_000_000.0 + mono)


def test_unless_told_otherwise_a_door_relocks_when_it_closes():
    door = Door(5.0, 30.0)
    door.begin(at(0), contact_open=False)
    for mono, given in ((1, GRANT), (2, Contact(True)), (3, Contact(False))):
        door.step(at(mono), given)
    assert (door.lock, door.state) == ("secure", State.LOCKED)


def test_a_door_begins_without_a_fire_or_a_lockdown_unless_told():
    door = Door(5.0, 30.0)
    door.begin(at(7), contact_open=None)
    assert (door.state, door.since, door.fire, door.lockdown) == (State.LOCKED, 7, False, False)
    assert (door.lock, door.deadline, door.free) == ("secure", math.inf, False)


def test_a_state_is_told_with_the_second_it_began():
    door = Door(5.0, 30.0)
    door.begin(at(7), contact_open=False)
    door.step(at(8), GRANT)
    door.step(at(9), GRANT)  # no new state: still released and not opened yet
    assert (door.state, door.since) == (State.UNLOCKED, 8)


def test_an_event_carries_its_moment_and_its_cause():
    door = Door(5.0, 30.0)
    began = door.begin(at(7), contact_open=False, fire=True)[1]
    assert (began.at, began.by, began.person, began.type) == (at(7), None, None, "door")
    door = Door(5.0, 30.0)
    door.begin(at(0), contact_open=False)
    released = door.step(at(1), Fire(True))[1]
    assert (released.why, released.by, released.at) == ("unlocked", "fire", at(1))


def test_a_grant_withheld_says_whose_it_was():
    door = Door(5.0, 30.0)
    door.begin(at(0), contact_open=False)
    door.step(at(1), Lockdown(True))
    told = door.step(at(2), GRANT)
    assert [(e.why, e.person, e.by, e.at) for e in told] == [("withheld", "p", "face", at(2))]


def test_every_event_carries_the_moment_at_which_it_was_told():
    door = Door(5.0, 30.0)
    door.begin(at(0), contact_open=False)
    inputs = [GRANT, Free(9.0), Contact(True), Free(-math.inf), Contact(False), Tamper(True), GRANT, Passing(7, 1)]
    told = [(e, mono) for mono, given in enumerate(inputs, 1) for e in door.step(at(mono), given) if is_event(e)]
    whys = ["unlocked", "free", "opened", "free_end", "locked", "closed", "case_open", "unlocked", "tailgating"]
    assert sorted(e.why for e, _ in told) == sorted(whys)
    assert all(e.at == at(mono) for e, mono in told)
    assert {e.type for e, _ in told if e.why == "case_open"} == {"tamper"}
    assert {e.type for e, _ in told if e.why != "case_open"} == {"door"}


def is_event(told: object) -> bool:
    return isinstance(told, Event)
