"""How `lintel people` changes one person and tells of it."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from appliance.access.book import Book
from appliance.commands.records import Records, Templates, iso, person_fields
from appliance.store.person import Person


def change(args: argparse.Namespace, records: Records, does: Callable[[str], object], done: str) -> int:
    """Change whoever `args.who` means, and tell. Raises LintelError."""
    person = records.people.find(args.who)
    does(person.pid)
    return tell(args, records.people.get(person.pid), f"{person.name} {done}")


def tell(
    args: argparse.Namespace,
    person: Person,
    done: str,
    digits: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> int:
    """The result, and a PIN if one was issued: it is shown nowhere else and never again. `more`: for scripts."""
    if args.json:
        fields = person_fields(person) | ({"digits": digits} if digits else {}) | dict(more or {})
        print(json.dumps(fields, ensure_ascii=False))
        return 0
    print(done)
    if digits:
        print(f"PIN: {digits}   (shown once; it cannot be read back)")
    return 0


def told_enrolment(taken: Templates | None) -> str:
    """How well the door will know them, and what would help, as lines to add."""
    if taken is None or taken.forecast is None:
        return ""
    found = taken.forecast
    lines = [
        f"expected to be missed at this door: {found.fnmr:.1%} of looks ({found.low:.1%} to {found.high:.1%})",
        *taken.advice,
    ]
    return "".join(f"\n  {line}" for line in lines)


def enrolment_fields(taken: Templates | None) -> dict[str, Any]:
    """The same as JSON values under `enrolment`; rates are fractions."""
    if taken is None or taken.forecast is None:
        return {}
    found = taken.forecast
    return {
        "enrolment": {
            "fnmr": round(found.fnmr, 4),
            "fnmr_90": [round(found.low, 4), round(found.high, 4)],
            "likeness": None if found.likeness is None else round(found.likeness, 3),
            "threshold": round(found.threshold, 3),
            "pictures": found.pictures,
            "advice": list(taken.advice),
            "alike": sorted(taken.alike),
        }
    }


def rule_fields(book: Book, pid: str) -> dict[str, Any]:
    """What the rules hold of one person, as JSON values."""
    visit, ban, seen = book.visits.get(pid), book.bans.get(pid), book.sightings.get(pid)
    return {
        "visit": visit
        and {
            "from": iso(visit.term.begin),
            "until": iso(visit.term.end),
            "uses": visit.uses,
            "used": book.used.get(pid, 0),
            "hosts": sorted(visit.hosts),
        },
        "blocked": ban and {"reason": ban.reason, "until": iso(ban.until)},
        "alike": pid in book.alike,
        "last_seen": seen and {"zone": seen[0], "reader": seen[1], "at": iso(seen[2])},
    }


def means(person: Person, *, card: bool, passes: int) -> list[str]:
    """What opens the door for a person. `passes`: how many of theirs are not revoked, over or used up."""
    face = [f"face ({person.templates})"] * (person.templates > 0)
    return face + ["PIN"] * person.has_pin + ["card"] * card + [f"pass ({passes})"] * (passes > 0)
