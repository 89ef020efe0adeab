"""How long one decision takes with ten thousand people, their hours, visits and sightings, and whether memory grows.

Run `python bench/decisions.py`. Each sample is one credential weighed by `access.decide`, and what it tells
remembered, as the door's loop does. The clock walks through a week, so hours, holidays and modes turn.
"""

import argparse
import gc
import json
import platform
import sys
import time
import tracemalloc
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[1]))

from appliance.access.book import Book
from appliance.access.decide import decide
from appliance.access.ledger import Ledger
from appliance.access.lockout import Lockouts
from appliance.access.modes import Mode, ModePlan
from appliance.access.proof import Asked, Known, Rules
from appliance.access.roster import Roster, RosterPerson
from appliance.access.schedule import CLOSED, Term, weekly
from appliance.access.terms import door_rules
from appliance.access.visitors import Visit
from appliance.facts import CardEntry, ClockQuality, LivenessVerdict, Match, Moment, PinEntry
from appliance.settings import AccessConfig

MODEL = "sha256:0123456789ab"
LIVE = LivenessVerdict(True, 0.95, 5)
BEGIN = 1_790_000_000.0
STEP_SECONDS = 61.0
GROUPS = 50


def people(count: int) -> tuple[Roster, Book]:
    """A large site: each in three groups of fifty, each group with hours and a year's holidays, a tenth visitors."""
    pids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(count)]
    roster = Roster(
        {
            pid: RosterPerson(
                pid,
                consent=True,
                has_templates=True,
                valid_until=BEGIN + 9e7,
                groups=frozenset(f"g{(n * step) % GROUPS}" for step in (1, 7, 11)),
            )
            for n, pid in enumerate(pids)
        },
        {digest(n): pid for n, pid in enumerate(pids)},
        1,
        {digest(n): pid for n, pid in enumerate(pids)},
    )
    holidays = {date(2026, month, day): CLOSED for month in range(1, 13) for day in (1, 15)}
    hours = {
        f"g{n}": (
            weekly(f"early {n}", {"mon-fri": "06:00-14:00"}, special=holidays),
            weekly(f"late {n}", {"mon-sat": "13:00-22:00"}, special=holidays),
        )
        for n in range(GROUPS)
    }
    night, noon = weekly("night", {"daily": "22:00-06:00+1"}), weekly("noon", {"mon-fri": "11:00-13:00"})
    plan = ModePlan(Mode.ANY, ((night, Mode.CARD_AND_FACE), (noon, Mode.FREE)))
    visits = {pid: Visit(Term(BEGIN, BEGIN + 9e6), uses=None) for pid in pids[::10]}
    sightings = {pid: ("inside", "entry", BEGIN - n) for n, pid in enumerate(pids)}
    return roster, Book(hours=hours, plan=plan, visits=visits, sightings=sightings)


def digest(number: int) -> bytes:
    """32 bytes in place of a hash."""
    return number.to_bytes(32, "big")


def asked(roster: Roster, number: int, mono: float) -> Asked:
    """One of three credentials in turn, of one person after another."""
    who = (number * 7919) % len(roster.people)
    if number % 3 == 0:
        return PinEntry(digest(who), "keypad", mono)
    if number % 3 == 1:
        return CardEntry(digest(who), "wiegand", mono)
    return Match(list(roster.people)[who], 0.8, 0.6, 0.3, LIVE, 3, mono - 0.5, mono, MODEL)


class Door:
    """What the door's loop does of a decision."""

    def __init__(self, count: int) -> None:
        self.roster, book = people(count)
        self.moment = Moment(1000.0, BEGIN, ClockQuality.SYNCED)
        self.ledger = Ledger(partial(door_rules, settings=AccessConfig(passback="timed")), ZoneInfo("Europe/Berlin"))
        self.ledger.load(book, self.moment)
        self.evidence, self.lockouts = Rules(models=frozenset([MODEL])), Lockouts()
        self.fell: dict[str, int] = {}

    def ask(self, number: int) -> float:
        """Milliseconds that one decision took."""
        self.moment = replace(self.moment, mono=self.moment.mono + STEP_SECONDS, utc=self.moment.utc + STEP_SECONDS)
        credential, ledger = asked(self.roster, number, self.moment.mono), self.ledger
        ledger.free(self.moment)  # as the loop does each second
        begin = time.perf_counter()
        known = Known(
            self.roster, self.lockouts, self.evidence, ledger.rules, ledger.state, ledger.zone, turns=ledger.turns
        )
        answer = decide(credential, known, self.moment)
        notes = ledger.keep(answer.verdict, self.moment) if answer.verdict is not None and answer.after else []
        took = (time.perf_counter() - begin) * 1000
        for note in notes:
            ledger.written(note.number)
        why = answer.decision.reason.value
        self.fell[why] = self.fell.get(why, 0) + 1
        return took


def growth(samples: int) -> int:
    """Bytes by which memory has grown over the second half of so many decisions, for 300 people."""
    tracemalloc.start()
    door, after_half = Door(300), 0
    for number in range(samples):
        if number == samples // 2:
            gc.collect()
            after_half = tracemalloc.get_traced_memory()[0]
        door.ask(number)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - after_half
    tracemalloc.stop()
    return grown


def main() -> None:
    """Print the figures as JSON, or for people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    door = Door(args.people)
    times = sorted(door.ask(number) for number in range(args.samples))
    told = {
        "machine": platform.machine(),
        "people": args.people,
        "samples": len(times),
        "p50_ms": round(times[len(times) // 2], 3),
        "p99_ms": round(times[int(len(times) * 0.99)], 3),
        "longest_ms": round(times[-1], 3),
        "grown_bytes": growth(args.samples),
        "decisions": door.fell,
    }
    if args.json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:12} {value}")


if __name__ == "__main__":
    main()
