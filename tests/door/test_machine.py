"""The machine, by example, then exhaustively: every state by every sequence of inputs, against named invariants."""

import copy
import math
from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.door.machine import (
    GRACE_SECONDS,
    SETTLE,
    TABLE,
    Contact,
    Door,
    Fire,
    Lockdown,
    Signal,
    State,
    Tamper,
)
from appliance.facts import Credential, Decision, DoorCommand, Event, Moment, Reason, RexPress

UNLOCK, HELD = 5.0, 30.0
GRANT = Decision(True, Reason.GRANTED, Credential.FACE, "p", UNLOCK)
LONGER = Decision(True, Reason.GRANTED, Credential.PIN, "q", 20.0)
DENY = Decision(False, Reason.UNKNOWN_FACE, Credential.FACE)
REX = RexPress(0.0)
OPEN, CLOSED = Contact(True), Contact(False)


def at(mono: float) -> Moment:
    return Moment(mono, 1_790_000_000.0 + mono)


def a_door(contact_open: bool | None = False, **kwargs) -> Door:
    door = Door(UNLOCK, HELD, kwargs.pop("relock_on_close", True))
    door.begin(at(0.0), contact_open=contact_open, **kwargs)
    return door


def play(door: Door, *moves):
    """Moves are inputs with the seconds at which they come. Returns commands and the whys of events, in order."""
    told = []
    for mono, given_ in moves:
        told += [o if isinstance(o, DoorCommand) else o.why for o in door.step(at(mono), given_)]
    return told


def test_a_visit():
    door = a_door()
    assert play(door, (1, GRANT)) == ["release", "unlocked"]
    assert door.state is State.UNLOCKED
    assert door.deadline == 6
    assert play(door, (2, OPEN)) == ["opened"]
    assert door.state is State.OPEN
    assert play(door, (4, CLOSED)) == ["secure", "locked", "closed"]
    assert door.state is State.LOCKED
    assert door.deadline == math.inf


def test_nobody_came_in():
    assert play(a_door(), (1, GRANT), (5.9, None), (6, None)) == ["release", "unlocked", "secure", "locked"]


def test_open_too_long():
    door = a_door()
    assert play(door, (1, GRANT), (2, OPEN), (6, None)) == ["release", "unlocked", "opened", "secure", "locked"]
    assert door.deadline == 32
    assert play(door, (31.9, None), (32, None), (40, CLOSED)) == ["held", "closed"]
    assert door.state is State.LOCKED


def test_forced():
    door = a_door()
    assert play(door, (1, OPEN)) == ["forced"]
    assert door.state is State.FORCED
    assert play(door, (2, REX), (3, GRANT), (9, None)) == ["release", "unlocked", "secure", "locked"]
    assert door.state is State.FORCED
    assert play(door, (10, CLOSED)) == ["closed"]
    assert door.state is State.LOCKED


def test_pulled_just_as_the_strike_fell_is_not_forced():
    door = a_door()
    play(door, (1, GRANT), (6, None))
    assert play(door, (6 + GRACE_SECONDS, OPEN)) == ["opened"]
    assert door.state is State.OPEN


def test_fire_opens_until_it_is_over():
    door = a_door()
    assert play(door, (1, Fire(True))) == ["release", "unlocked", "released"]
    assert play(door, (2, OPEN), (3, CLOSED), (4, GRANT), (500, None)) == ["opened", "closed"]
    assert door.state is State.RELEASED
    assert play(door, (501, Fire(False))) == ["secure", "locked", "fire_end"]
    assert door.state is State.LOCKED


def test_fire_over_with_the_door_open():
    door = a_door()
    play(door, (1, Fire(True)), (2, OPEN))
    assert play(door, (3, Fire(False))) == ["secure", "locked", "fire_end"]
    assert door.state is State.OPEN
    assert play(door, (33, None)) == ["held"]


def test_button_pressed_as_the_fire_ends_still_lets_out():
    door = a_door()
    play(door, (1, Fire(True)), (2, REX))
    assert play(door, (3, Fire(False))) == ["fire_end"]
    assert door.state is State.UNLOCKED
    assert play(door, (7, None)) == ["secure", "locked"]


def test_lockdown_takes_back_a_grant_and_leaves_the_button():
    door = a_door()
    assert play(door, (1, GRANT), (2, Lockdown(True))) == ["release", "unlocked", "secure", "locked", "lockdown"]
    assert door.state is State.LOCKDOWN
    assert play(door, (3, GRANT)) == ["withheld"]
    assert play(door, (4, REX)) == ["release", "unlocked"]
    assert play(door, (9, None)) == ["secure", "locked"]
    assert door.state is State.LOCKDOWN
    assert play(door, (10, Lockdown(False))) == ["lockdown_end"]
    assert door.state is State.LOCKED


def test_lockdown_does_not_cut_off_who_pressed_the_button():
    door = a_door()
    assert play(door, (1, REX), (2, Lockdown(True))) == ["release", "unlocked", "lockdown"]
    assert door.state is State.UNLOCKED


def test_a_longer_grant_is_not_cut_by_a_shorter_one():
    door = a_door()
    play(door, (1, LONGER), (2, GRANT))
    assert door.deadline == 21


def test_who_asks_while_the_door_is_open_finds_it_released_when_it_closes():
    door = a_door()
    play(door, (1, GRANT), (2, OPEN), (3, REX))
    assert play(door, (4, CLOSED)) == ["closed"]
    assert door.state is State.UNLOCKED
    assert play(door, (8, None)) == ["secure", "locked"]


def test_relock_on_close_may_be_off():
    door = a_door(relock_on_close=False)
    assert play(door, (1, GRANT), (2, OPEN), (3, CLOSED)) == ["release", "unlocked", "opened", "closed"]
    assert play(door, (6, None)) == ["secure", "locked"]


def test_no_contact_wired():
    door = a_door(None)
    assert play(door, (1, REX), (6, None)) == ["release", "unlocked", "secure", "locked"]


def test_power_comes_with_the_door_open():
    door = Door(UNLOCK, HELD)
    assert door.begin(at(7), contact_open=True) == [DoorCommand.SECURE]
    assert door.state is State.OPEN
    assert door.deadline == 37


def test_power_comes_during_a_fire():
    door = Door(UNLOCK, HELD)
    first, event = door.begin(at(7), contact_open=False, fire=True)
    assert (first, event.why) == ("release", "released")


def test_a_refusal_moves_nothing():
    assert play(a_door(), (1, DENY)) == []


def test_tamper_is_told_once():
    door = a_door()
    assert play(door, (1, Tamper(False)), (1, Tamper(True)), (2, Tamper(True)), (3, Tamper(False))) == [
        "case_open",
        "case_closed",
    ]


def test_unlocked_says_by_what_and_whom():
    door = a_door()
    event = door.step(at(1), GRANT)[1]
    assert isinstance(event, Event)
    assert (event.by, event.person) == ("face", "p")
    door = a_door()
    event = door.step(at(1), REX)[1]
    assert (event.by, event.person) == ("rex", None)


def test_both_deadlines_missed_by_a_sleeping_loop():
    door = a_door()
    play(door, (1, GRANT), (2, OPEN))
    assert sorted(play(door, (1000, None))) == ["held", "locked", "secure"]


def test_every_state_has_a_row_and_every_row_leads_somewhere():
    assert set(TABLE) == set(State)
    for row in TABLE.values():
        assert set(row) <= set(Signal)
        assert all(to is SETTLE or to in State for to in row.values())


# --- exhaustive -------------------------------------------------------------------------------------------------

INPUTS = {
    "grant": GRANT, "longer": LONGER, "deny": DENY, "rex": REX, "open": OPEN, "close": CLOSED, "fire": Fire(True),
    "fire end": Fire(False), "lockdown": Lockdown(True), "lift": Lockdown(False), "tamper": Tamper(True), "tick": None,
}  # fmt: skip


@dataclass
class World:
    """A door, and what a witness beside it would know: who asked for what, until when, and what the relay does."""

    door: Door
    now: float = 0.0
    relay: str = "secure"
    entry_until: float = -math.inf
    egress_until: float = -math.inf
    secured_at: float = -math.inf
    opened_at: float | None = None
    trail: tuple[str, ...] = ()

    def copy(self) -> "World":
        twin = copy.copy(self)
        twin.door = copy.copy(self.door)
        return twin

    def key(self):
        door, now = self.door, self.now
        opened = -math.inf if self.opened_at is None else self.opened_at
        times = (self.entry_until, self.egress_until, self.secured_at, opened)
        times += (door._entry_until, door._egress_until, door._relocked_at, door._held_at)
        relative = tuple([round(max(-99.0, min(99.0, t - now)), 3) for t in times])
        flags = (door.state, door.contact_open, door.fire, door.lockdown, door._asked_while_open, door._tampered)
        return (*flags, self.relay, *relative)

    def move(self, name: str, pause: float) -> None:
        """Play one input `pause` seconds on, then hold every invariant against what came of it."""
        self.now += pause
        self.trail = (*self.trail, f"{name}+{pause:g}")
        door, given_ = self.door, INPUTS[name]
        before = Before(door.state, bool(door.contact_open), self.relay, door.lockdown)
        if name in ("grant", "longer") and not before.lockdown:
            self.entry_until = max(self.entry_until, self.now + given_.unlock_seconds)
        if name == "rex":
            self.egress_until = max(self.egress_until, self.now + UNLOCK)
        out = door.step(at(self.now), given_)
        for command in out:
            if isinstance(command, DoorCommand):
                self.secured_at = self.now if command == "secure" != self.relay else self.secured_at
                self.relay = command
        whys = [o.why for o in out if isinstance(o, Event)]
        for invariant in INVARIANTS:
            assert invariant(self, name, before, whys), f"{invariant.__name__}: {' '.join(self.trail)}"
        if bool(door.contact_open) != before.contact_open:
            self.opened_at = self.now if door.contact_open else None
        if name in ("lockdown", "fire") or (name == "fire end" and before.state is State.RELEASED):
            self.entry_until = -math.inf
        if self.relay == "secure":  # whatever was asked for is used up
            self.entry_until = self.egress_until = -math.inf

    @property
    def cause(self) -> bool:
        return max(self.entry_until, self.egress_until) > self.now or self.door.fire


@dataclass(frozen=True)
class Before:
    state: State
    contact_open: bool
    relay: str
    lockdown: bool


def the_relay_is_where_the_machine_believes_it_is(world, name, before, whys):
    return world.relay == world.door.lock


def egress_always_opens(world, name, before, whys):
    return name != "rex" or world.relay == "release"


def fire_always_opens_and_stays_open(world, name, before, whys):
    return not world.door.fire or (world.relay == "release" and world.door.state is State.RELEASED)


def no_release_without_a_grant_the_button_or_a_fire(world, name, before, whys):
    return world.relay == "secure" or world.cause


def whatever_is_released_has_a_time_at_which_it_ends(world, name, before, whys):
    if world.relay == "secure" or world.door.fire:
        return True
    return world.now < world.door.deadline <= world.now + 20


def nobody_is_cut_short(world, name, before, whys):
    if not (before.relay == "release" and world.relay == "secure"):
        return True
    over = max(world.entry_until, world.egress_until) <= world.now
    taken_back = name in ("lockdown", "fire end") and world.egress_until <= world.now
    passed_through = name == "close" and before.contact_open
    return over or taken_back or passed_through


def at_rest_it_is_secured(world, name, before, whys):
    return world.door.state not in (State.LOCKED, State.LOCKDOWN) or world.relay == "secure"


def lockdown_holds_against_everybody_outside(world, name, before, whys):
    inside = world.door.fire or world.egress_until > world.now
    return not world.door.lockdown or inside or world.relay == "secure"


def forced_means_opened_without_a_cause(world, name, before, whys):
    if "forced" not in whys:
        return True
    return name == "open" and not world.cause and world.now - world.secured_at > GRACE_SECONDS


def opened_without_a_cause_means_forced(world, name, before, whys):
    if name != "open" or before.contact_open or world.cause or world.now - world.secured_at <= GRACE_SECONDS:
        return True
    return "forced" in whys


def forced_ends_with_the_door_closed_or_a_fire(world, name, before, whys):
    return before.state is not State.FORCED or world.door.state is State.FORCED or name in ("close", "fire")


def held_is_told_when_due_and_not_before(world, name, before, whys):
    if "held" in whys:
        # After a fire it counts anew, so it may come later than the opening tells, never sooner.
        return before.contact_open and world.now - world.opened_at >= HELD - 1e-9
    return not (before.state is world.door.state is State.OPEN) or world.now < world.door.deadline


def an_open_door_is_in_no_state_that_says_closed(world, name, before, whys):
    is_open = world.door.state in (State.OPEN, State.HELD, State.FORCED)
    return world.door.state is State.RELEASED or is_open == bool(world.door.contact_open)


INVARIANTS = [
    the_relay_is_where_the_machine_believes_it_is,
    egress_always_opens,
    fire_always_opens_and_stays_open,
    no_release_without_a_grant_the_button_or_a_fire,
    whatever_is_released_has_a_time_at_which_it_ends,
    nobody_is_cut_short,
    at_rest_it_is_secured,
    lockdown_holds_against_everybody_outside,
    forced_means_opened_without_a_cause,
    opened_without_a_cause_means_forced,
    forced_ends_with_the_door_closed_or_a_fire,
    held_is_told_when_due_and_not_before,
    an_open_door_is_in_no_state_that_says_closed,
]


# Each input may come a moment after the one before. Time may also pass alone: to the next deadline, past all.
MOVES = [(name, 0.1) for name in INPUTS] + [("tick", 5.0), ("tick", 31.0)]


@pytest.mark.parametrize("contact_open", [False, True, None])
@pytest.mark.parametrize(("relock_on_close", "longest"), [(True, 6), (False, 5)])
def test_every_sequence_of_six_inputs(contact_open, relock_on_close, longest):
    start = World(a_door(contact_open, relock_on_close=relock_on_close))
    start.opened_at = 0.0 if contact_open else None
    moves = [m for m in MOVES if contact_open is not None or m[0] not in ("open", "close")]
    # Two histories that leave the same door have the same future: each such door is explored once.
    seen, queue, states = {start.key()}, deque([(start, 0)]), set()
    while queue:
        world, depth = queue.popleft()
        states.add(world.door.state)
        if depth == longest:
            continue
        for name, pause in moves:
            twin = world.copy()
            twin.move(name, pause)
            if (key := twin.key()) not in seen:
                seen.add(key)
                queue.append((twin, depth + 1))
    assert states == (set(State) if contact_open is not None else set(State) - {State.OPEN, State.HELD, State.FORCED})


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(INPUTS)), st.floats(0, 40)), max_size=60), st.booleans(), st.booleans()
)
def test_longer_histories(moves, contact_open, relock_on_close):
    world = World(a_door(contact_open, relock_on_close=relock_on_close))
    world.opened_at = 0.0 if contact_open else None
    for name, pause in moves:
        world.move(name, pause)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(sorted(set(INPUTS) - {"fire"})), st.floats(0, 10)), max_size=30))
def test_left_alone_it_locks(moves):
    world = World(a_door())
    for name, pause in moves:
        world.move(name, pause)
    while world.door.deadline < math.inf:
        world.move("tick", max(0.0, world.door.deadline - world.now) + 1e-6)
    assert world.relay == "secure"
