"""`lintel pass`: QR codes for visitors, which open the door for a while or so many times."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from appliance.access.passes import Pass, signed, to_text
from appliance.commands.actions import Action, action
from appliance.commands.records import BY, Records, iso, local, open_records
from appliance.commands.times import beginning, ending, today_at
from appliance.config import Config
from appliance.errors import PassError
from appliance.store.database import transaction
from appliance.store.passes import Issued, Passbook
from appliance.store.person import Person
from appliance.system.clock import now
from appliance.system.passkey import PassKey

GROUP = "visitors"
"""The group of people who were added for a pass."""
SCALE = 12
"""Pixels of one module of the picture: sharp on a telephone and on paper."""
ERROR_LEVEL = "m"
"""Survives 15 % of damage: a scratched screen, a thumb over a corner."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sub-commands of `lintel pass`."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    issue = action(actions, "issue", _issue, "issue a pass and write it as a picture")
    issue.add_argument("name", metavar="NAME", help="the visitor; added if nobody is called so")
    issue.add_argument("--from", dest="begin", metavar="WHEN", help="a day, or as 2027-01-31T14:00; now if left out")
    issue.add_argument("--until", dest="end", metavar="WHEN", required=True, help="a day (its end) or a time")
    issue.add_argument("--uses", type=int, default=1, help="how often it opens; 0: as often as asked (1)")
    issue.add_argument("--door", action="append", metavar="DOOR", help="may be repeated; this door if left out")
    issue.add_argument("--any-door", action="store_true", help="every door of the site; with --uses 0")
    issue.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .png or .svg to show or print")
    action(actions, "list", _list, "show all passes and how often they were used")
    revoke = action(actions, "revoke", _revoke, "make a pass worthless")
    revoke.add_argument("id", metavar="ID", help="its id, or the beginning of it")


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0. Raises LintelError: no such pass, times that cannot be meant, no drawing package, store."""
    does: Action = args.action
    with open_records(config) as records:
        return does(args, config, records)


def _issue(args: argparse.Namespace, config: Config, records: Records) -> int:
    if args.out.suffix not in (".png", ".svg"):
        raise PassError(f"{args.out}: a pass is drawn as .png or .svg; name the file so")
    draw = _drawing()
    zone = config.site.timezone
    today = today_at(zone, now().utc)
    begin = int(now().utc) if args.begin is None else int(beginning(args.begin, zone, today))
    end = int(ending(args.end, zone, today))
    doors = () if args.any_door else tuple(args.door or [config.site.door])
    with transaction(records.db):
        person = _visitor(records, args.name)
        given = Pass(str(uuid4()), person.pid, config.site.site, doors, begin, end, args.uses)
        # Drawn inside: a pass that could not be written was not issued.
        _write(args.out, draw, to_text(signed(given, PassKey(records.keys).sign)))
        Passbook(records.db, records.log, now).issue(given, BY)
    fields: dict[str, Any] = {"id": given.id, "pid": person.pid, "from": iso(begin), "until": iso(end)}
    fields |= {"uses": args.uses, "doors": list(doors), "file": str(args.out)}
    if args.json:
        print(json.dumps(fields, ensure_ascii=False))
    else:
        span = f"{local(begin, zone)} to {local(end, zone)}"
        print(f"{args.out}: pass {given.id} for {person.name}, {_uses(args.uses)}, {span}")
        if not config.passes.camera:
            print("this door does not read passes yet: set passes.camera = true", file=sys.stderr)
    return 0


def _visitor(records: Records, name: str) -> Person:
    """Whoever is called so, or a new person: erasing them erases their passes."""
    if any(person.name.casefold() == name.strip().casefold() or person.pid == name for person in records.people.list()):
        return records.people.find(name)
    return records.people.add(name, by=BY, groups=[GROUP])


def _drawing() -> Any:
    try:
        return import_module("segno")
    except ImportError:
        raise PassError("drawing a pass needs the package segno; install it: pip install segno") from None


def _write(path: Path, draw: Any, text: str) -> None:
    try:
        draw.make(text, error=ERROR_LEVEL, micro=False).save(str(path), scale=SCALE, border=4)
        path.chmod(0o600)  # whoever has the picture can open the door
    except OSError as error:
        raise PassError(f"{path} cannot be written: {error.strerror}; choose another place") from None


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    passes = Passbook(records.db).list()
    names = {person.pid: person.name for person in records.people.list()}
    if args.json:
        print(json.dumps({"passes": [_fields(issued, names[issued.pid]) for issued in passes]}, ensure_ascii=False))
        return 0
    table = Table("Id", "Visitor", "From", "Until", "Used", "Doors", "Remarks", box=None, header_style="bold")
    zone = config.site.timezone
    for issued in passes:
        used = f"{issued.used} of {issued.uses}" if issued.uses else str(issued.used)
        span = local(issued.begin, zone), local(issued.end, zone)
        table.add_row(issued.id, names[issued.pid], *span, used, ", ".join(issued.doors) or "all", _remark(issued))
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    console.print(table if passes else "no passes yet; `lintel pass issue NAME --until DAY --out FILE` makes one")
    return 0


def _revoke(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = Passbook(records.db, records.log, now)
    book.revoke(args.id, BY)
    issued = book.find(args.id)
    if args.json:
        print(json.dumps({"id": issued.id, "revoked": True}))
    else:
        print(f"pass {issued.id} opens nothing any more")
    return 0


def _fields(issued: Issued, name: str) -> dict[str, Any]:
    return {
        "id": issued.id,
        "pid": issued.pid,
        "name": name,
        "from": iso(issued.begin),
        "until": iso(issued.end),
        "uses": issued.uses,
        "used": issued.used,
        "doors": list(issued.doors),
        "revoked": issued.revoked,
    }


def _remark(issued: Issued) -> str:
    if issued.revoked:
        return "withdrawn"
    if issued.uses and issued.used >= issued.uses:
        return "used up"
    return "over" if issued.end <= now().utc else ""


def _uses(count: int) -> str:
    return {0: "as often as asked", 1: "once"}.get(count, f"{count} times")
