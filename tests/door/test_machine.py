"""The machine, by example, then exhaustively: every state by every sequence of inputs, against named invariants."""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.door.machine import (
    EGRESS_SECONDS,
    GRACE_SECONDS,
    Contact,
    Door,
    Fire,
    Free,
    Lockdown,
    State,
    Tamper,
)
from appliance.door.table import PASSABLE, SETTLE, TABLE, Signal
from appliance.facts import Credential, Decision, DoorCommand, Event, Moment, Passing, Reason, RexPress

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


def test_free_access():
    door = a_door()
    assert play(door, (1, GRANT), (1, Free(100.0))) == ["release", "unlocked", "free"]
    assert play(door, (2, OPEN), (3, CLOSED), (20, OPEN), (21, CLOSED)) == ["opened", "closed", "opened", "closed"]
    assert door.state is State.UNLOCKED
    assert door.deadline == 100
    assert play(door, (99.9, None), (100, None)) == ["secure", "locked", "free_end"]
    assert door.state is State.LOCKED
    assert not door.free


def test_nobody_is_let_in_by_free_access_alone():
    door = a_door()
    assert play(door, (1, Free(math.inf))) == []
    play(door, (2, REX))
    assert play(door, (3, Free(math.inf))) == []  # who goes out lets nobody in
    play(door, (20, GRANT))
    assert play(door, (25, Free(math.inf))) == ["secure", "locked"]  # the grant is over
    assert door.lock == "secure"


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (Free(-math.inf), ["secure", "locked", "free_end"]),
        (Free(math.nan), ["secure", "locked", "free_end"]),
        (Free(50.0), ["secure", "locked", "free_end"]),
        (Lockdown(True), ["secure", "locked", "lockdown", "free_end"]),
        (Fire(True), ["release", "released", "free_end"]),
    ],
)
def test_free_access_for_good_ends_when_told(ends, told):
    door = a_door()
    play(door, (1, GRANT), (1, Free(math.inf)))
    assert door.deadline == math.inf
    assert play(door, (50, ends)) == told
    play(door, (51, Fire(False)))
    assert door.lock == "secure"


def test_free_access_ends_but_whoever_was_let_in_last_is_not_cut_short():
    door = a_door()
    play(door, (1, GRANT), (1, Free(math.inf)), (40, GRANT))
    assert play(door, (41, Free(-math.inf))) == ["free_end"]
    assert play(door, (44.9, None), (45, None)) == ["secure", "locked"]


def test_free_access_ending_with_the_door_open_secures_it_and_it_is_still_held_in_time():
    door = a_door()
    play(door, (1, GRANT), (1, Free(20.0)), (10, OPEN))
    assert play(door, (20, None)) == ["secure", "locked", "free_end"]
    assert door.state is State.OPEN
    assert play(door, (39.9, None), (40, None)) == ["held"]


def test_free_access_does_not_begin_during_a_fire_or_a_lockdown():
    for ends in (Fire(True), Lockdown(True)):
        door = a_door()
        play(door, (1, ends), (2, GRANT))
        assert play(door, (2, Free(math.inf))) == []
        assert not door.free


def test_a_second_person_behind_the_only_one_let_in_is_told_once():
    door = a_door()
    play(door, (1, GRANT), (2, OPEN))
    assert play(door, (3, Passing(2.9, 1)), (4, Passing(3.9, 1))) == ["tailgating"]
    play(door, (5, CLOSED), (6, GRANT))
    event = door.step(at(7), Passing(6.5, 2))[0]
    assert (event.type, event.why, event.detail) == ("door", "tailgating", {"faces": 2})


@pytest.mark.parametrize(
    "moves",
    [
        [(1, REX)],
        [(1, GRANT), (1.1, GRANT)],
        [(1, GRANT), (1, Free(99.0))],
        [(1, OPEN)],
        [(1, GRANT), (1.5, Fire(True))],
        [(1, GRANT), (6, None)],
        [(1.95, GRANT)],
    ],
    ids=["out", "two let in", "free", "forced", "fire", "over", "before the grant"],
)
def test_no_tailgating_where_nobody_or_more_than_one_was_let_in(moves):
    door = a_door()
    play(door, *moves)
    assert play(door, (2 if moves[-1][0] < 2 else 7, Passing(1.9, 1))) == []


def test_who_was_let_in_while_the_door_stood_open_may_still_come():
    door = a_door()
    play(door, (1, GRANT), (2, OPEN), (3, GRANT), (4, CLOSED))
    assert door.state is State.UNLOCKED
    assert play(door, (5, Passing(4.9, 1))) == ["tailgating"]  # the second one's release is still there for a third


# --- exhaustive -------------------------------------------------------------------------------------------------

INPUTS = {
    "grant": GRANT, "longer": LONGER, "deny": DENY, "rex": REX, "open": OPEN, "close": CLOSED, "fire": Fire(True),
    "fire end": Fire(False), "lockdown": Lockdown(True), "lift": Lockdown(False), "tamper": Tamper(True), "tick": None,
    "free": Free(math.inf), "free a while": lambda now: Free(now + 8.0), "free end": Free(-math.inf),
    "passing": lambda now: Passing(now, 1), "passed before": lambda now: Passing(now - 0.15, 1),
}  # fmt: skip
BEGINNING = ("free", "free a while")


@dataclass
class World:
    """A door, and what a witness beside it would know: who asked for what, until when, and what the relay does."""

    door: Door
    relock_on_close: bool = True
    now: float = 0.0
    relay: str = "secure"
    entry_until: float = -math.inf
    egress_until: float = -math.inf
    egress_least: float = -math.inf
    free_until: float = -math.inf
    secured_at: float = -math.inf
    opened_at: float | None = None
    asked_while_open: bool = False
    guests: int = 0
    later_guests: int = 0
    guest_at: float = math.inf
    tailgated: bool = False
    trail: tuple[str, ...] = ()

    def copy(self) -> "World":
        twin, door = object.__new__(World), object.__new__(Door)
        door.__dict__.update(self.door.__dict__)
        twin.__dict__.update(self.__dict__)
        twin.door = door
        return twin

    def key(self):
        door, now = self.door, self.now
        opened = -math.inf if self.opened_at is None else self.opened_at
        times = (self.entry_until, self.egress_until, self.egress_least, self.free_until, self.secured_at, opened)
        times += (
            door._entry_until,
            door._egress_until,
            door._egress_least,
            door._free_until,
            door._relocked_at,
            door._held_at,
        )
        relative = tuple([round(max(-99.0, min(99.0, t - now)), 3) for t in times])
        flags = (door.state, door.contact_open, door.fire, door.lockdown, door._asked_while_open, door._tampered)
        # Two guests are as many as three, and one of long ago is one of long ago.
        later = max(-0.2, round(self.guest_at - now, 3))
        guests = (min(self.guests, 2), min(self.later_guests, 2), later, self.tailgated, self.asked_while_open)
        counted = (min(door._guests, 2), min(door._later_guests, 2))
        return (*flags, self.relay, *relative, *guests, *counted)

    def move(self, name: str, pause: float) -> None:
        """Play one input `pause` seconds on, then hold every invariant against what came of it."""
        self.now += pause
        self.trail = (*self.trail[-59:], f"{name}+{pause:g}")
        door, given_ = self.door, INPUTS[name]
        if isinstance(given_, Callable):
            given_ = given_(self.now)
        before = Before(
            door.state,
            bool(door.contact_open),
            self.relay,
            door.lockdown,
            door.fire,
            self.free_until > self.now - pause,
        )
        self.witness(name, given_, before)
        out = door.step(at(self.now), given_)
        for command in out:
            if isinstance(command, DoorCommand):
                self.secured_at = self.now if command == "secure" != self.relay else self.secured_at
                self.relay = command
        whys = [o.why for o in out if isinstance(o, Event)]
        for invariant in INVARIANTS:
            assert invariant(self, name, before, whys), f"{invariant.__name__}: {' '.join(self.trail)}"
        self.afterwards(name, before, "tailgating" in whys)

    def witness(self, name: str, given_, before: "Before") -> None:
        over = max(self.entry_until, self.egress_until, self.free_until) <= self.now
        if before.state is State.UNLOCKED and over:  # locked again before this came
            self.guests, self.tailgated = 0, False
        if name in ("grant", "longer") and not before.lockdown:
            self.entry_until = max(self.entry_until, self.now + given_.unlock_seconds)
            self.asked_while_open = before.contact_open
            self.guests, self.guest_at = self.guests + 1, self.now
            self.later_guests += before.contact_open
        if name == "rex":
            self.egress_until = max(self.egress_until, self.now + UNLOCK)
            self.egress_least = self.now + EGRESS_SECONDS
            self.asked_while_open = before.contact_open
        if name == "fire" and not before.fire:
            self.asked_while_open = before.contact_open
        if name in BEGINNING and self.entry_until > self.now and not (before.lockdown or before.fire):
            self.free_until = given_.until
        if name in ("free end", "lockdown", "fire"):
            self.free_until = -math.inf

    def afterwards(self, name: str, before: "Before", tailgated: bool) -> None:
        door, passed = self.door, before.contact_open and not self.door.contact_open
        self.tailgated = (self.tailgated or tailgated) and not passed and door.state in PASSABLE
        if bool(door.contact_open) != before.contact_open:
            self.opened_at = self.now if door.contact_open else None
        if passed:
            if self.relock_on_close and not self.asked_while_open and not door.fire:
                self.entry_until = -math.inf
                self.egress_until = min(self.egress_until, self.egress_least)
            self.guests, self.later_guests = self.later_guests, 0
        if door.contact_open and not before.contact_open:
            self.asked_while_open, self.later_guests = False, 0
        if door.state not in PASSABLE:
            self.guests = self.later_guests = 0
        if name in ("lockdown", "fire") or (name == "fire end" and before.state is State.RELEASED):
            self.entry_until = -math.inf
        if self.relay == "secure":  # whatever was asked for is used up
            self.entry_until = self.egress_until = self.free_until = -math.inf

    @property
    def free(self) -> bool:
        return self.free_until > self.now

    @property
    def cause(self) -> bool:
        return max(self.entry_until, self.egress_until, self.free_until) > self.now or self.door.fire


@dataclass(frozen=True)
class Before:
    state: State
    contact_open: bool
    relay: str
    lockdown: bool
    fire: bool
    free: bool


def the_relay_is_where_the_machine_believes_it_is(world, name, before, whys):
    return world.relay == world.door.lock


def egress_always_opens(world, name, before, whys):
    return name != "rex" or world.relay == "release"


def who_pressed_has_three_seconds_whatever_the_contact_says(world, name, before, whys):
    return world.egress_least <= world.now or world.relay == "release"


def fire_always_opens_and_stays_open(world, name, before, whys):
    return not world.door.fire or (world.relay == "release" and world.door.state is State.RELEASED)


def no_release_without_a_grant_the_button_or_a_fire(world, name, before, whys):
    return world.relay == "secure" or world.cause


def whatever_is_released_has_a_time_at_which_it_ends(world, name, before, whys):
    if world.relay == "secure" or world.door.fire:
        return True
    latest = max(world.now + 20, world.free_until)
    return world.now < world.door.deadline <= latest


def nobody_is_cut_short(world, name, before, whys):
    if not (before.relay == "release" and world.relay == "secure"):
        return True
    over = max(world.entry_until, world.egress_until, world.free_until) <= world.now
    taken_back = name in ("lockdown", "fire end") and world.egress_until <= world.now
    passed_through = name == "close" and before.contact_open and not world.free
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


def free_access_begins_only_in_the_wake_of_a_grant(world, name, before, whys):
    if "free" not in whys:
        return True
    return name in BEGINNING and world.entry_until > world.now and not (before.lockdown or before.fire)


def free_access_is_what_the_witness_knows_and_stands_open(world, name, before, whys):
    return world.door.free == world.free and (not world.free or world.relay == "release")


def free_access_ends_with_lockdown_fire_an_order_or_its_time(world, name, before, whys):
    return not (world.free and (world.door.lockdown or world.door.fire))


def the_beginning_and_the_end_of_free_access_are_told(world, name, before, whys):
    # It may also run out just as another begins.
    began, ended = "free" in whys, "free_end" in whys
    return not (began and before.free and not ended) and (not ended or before.free) and (world.free or not began)


def tailgating_is_told_once_an_opening_after_one_grant(world, name, before, whys):
    behind_one = before.state in PASSABLE and world.door.state in PASSABLE and world.guests == 1 and not world.tailgated
    late = name == "passing" or (name == "passed before" and world.now - 0.15 >= world.guest_at)
    return ("tailgating" in whys) == (behind_one and late and not world.free)


INVARIANTS = [
    the_relay_is_where_the_machine_believes_it_is,
    egress_always_opens,
    who_pressed_has_three_seconds_whatever_the_contact_says,
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
    free_access_begins_only_in_the_wake_of_a_grant,
    free_access_is_what_the_witness_knows_and_stands_open,
    free_access_ends_with_lockdown_fire_an_order_or_its_time,
    the_beginning_and_the_end_of_free_access_are_told,
    tailgating_is_told_once_an_opening_after_one_grant,
]


# Each input may come a moment after the one before. Time may also pass alone: to the next deadline, past all.
MOVES = [(name, 0.1) for name in INPUTS] + [("tick", 5.0), ("tick", 31.0)]


@pytest.mark.parametrize("contact_open", [False, True, None])
@pytest.mark.parametrize("relock_on_close", [True, False])
@pytest.mark.parametrize("longest", [4, pytest.param(6, marks=pytest.mark.slow)])
def test_every_sequence_of_inputs(contact_open, relock_on_close, longest):
    start = World(a_door(contact_open, relock_on_close=relock_on_close), relock_on_close)
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


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(INPUTS)), st.floats(0, 40)), max_size=60), st.booleans(), st.booleans()
)
def test_longer_histories(moves, contact_open, relock_on_close):
    world = World(a_door(contact_open, relock_on_close=relock_on_close), relock_on_close)
    world.opened_at = 0.0 if contact_open else None
    for name, pause in moves:
        world.move(name, pause)


PAUSES = (0.0, 0.001, 0.1, 0.4, 0.5, 1.0, 4.9, 5.0, 8.0, 20.0, 31.0)


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_random_inputs_without_end(count):
    """One door lives through all of them: what only shows after a long time shows here.

    The million: pytest -m slow tests/door/test_machine.py -k random
    """
    chance, names = random.Random(count), sorted(INPUTS)
    worlds = [World(a_door(False, relock_on_close=relock), relock) for relock in (True, False)]
    states = set()
    for _ in range(count // len(worlds)):
        for world in worlds:
            pause = chance.choice(PAUSES) if chance.random() < 0.7 else chance.uniform(0, 10)
            # Every other input a likely one, or a fire and a lockdown would stand most of the time.
            likely = chance.random() < 0.5
            world.move(
                chance.choice(("grant", "open", "close", "tick", "lift", "fire end") if likely else names), pause
            )
            states.add(world.door.state)
    assert states == set(State)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(set(INPUTS) - {"fire", "free"})), st.floats(0, 10)), max_size=30))
def test_left_alone_it_locks(moves):
    world = World(a_door())
    for name, pause in moves:
        world.move(name, pause)
    while world.door.deadline < math.inf:
        world.move("tick", max(0.0, world.door.deadline - world.now) + 1e-6)
    assert world.relay == "secure"
