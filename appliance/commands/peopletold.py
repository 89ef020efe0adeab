"""How `lintel people` changes one person and tells of it."""

import argparse
import json
from collections.abc import Callable

from appliance.commands.records import Records, person_fields
from appliance.store.person import Person


def change(args: argparse.Namespace, records: Records, does: Callable[[str], object], done: str) -> int:
    """Change whoever `args.who` means, and tell. Raises LintelError."""
    person = records.people.find(args.who)
    does(person.pid)
    return tell(args, records.people.get(person.pid), f"{person.name} {done}")


def tell(args: argparse.Namespace, person: Person, done: str, digits: str | None = None) -> int:
    """The result, and a PIN if one was issued: it is shown nowhere else and never again."""
    if args.json:
        print(json.dumps(person_fields(person) | ({"digits": digits} if digits else {}), ensure_ascii=False))
        return 0
    print(done)
    if digits:
        print(f"PIN: {digits}   (shown once; it cannot be read back)")
    return 0


def means(person: Person, *, card: bool, passes: int) -> list[str]:
    """What opens the door for a person. `passes`: how many of theirs are not revoked, over or used up."""
    face = [f"face ({person.templates})"] * (person.templates > 0)
    return face + ["PIN"] * person.has_pin + ["card"] * card + [f"pass ({passes})"] * (passes > 0)
