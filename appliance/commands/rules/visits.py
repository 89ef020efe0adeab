"""`lintel rules visit`: visitors, for a while, so many times, perhaps only with a host."""

import argparse
from typing import TYPE_CHECKING, Any

from appliance.access.schedule import Term
from appliance.access.visitors import Visit
from appliance.commands.actions import WHO, UsageError, action, noun, tell, tell_table
from appliance.commands.records import BY, Records, iso, local
from appliance.commands.rules.book import book_of
from appliance.commands.times import beginning, ending, today_at
from appliance.config import Config
from appliance.store.database import transaction
from appliance.store.person import Person
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions

GROUP = "visitors"
"""The group of people who were added for a visit."""


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules visit`."""
    actions = noun(nouns, "visit", "visitors: for a while, so many times, perhaps only with a host")
    add = action(actions, "add", _add, "grant somebody a visit, instead of the one they had")
    add.add_argument("who", metavar="WHO", help=WHO)
    add.add_argument("--new", action="store_true", help="add this visitor as a new person, and issue a PIN")
    add.add_argument("--from", dest="begin", metavar="WHEN", help="a day, or as 2027-01-31T14:00; now if left out")
    add.add_argument("--until", dest="end", metavar="WHEN", required=True, help="a day (its end) or a time")
    add.add_argument("--uses", type=int, default=1, metavar="N", help="how often it opens; 0: as often as asked (1)")
    add.add_argument(
        "--host", action="append", default=[], metavar="WHO", help="who must enter too; any one of several"
    )
    add.add_argument("--within", type=float, default=30.0, metavar="SECONDS", help="of the host's entry (30)")
    action(actions, "list", _list, "show all visits and how often they were used")
    show = action(actions, "show", _show, "show one visit")
    remove = action(actions, "remove", _remove, "end a visit: the person's other rights hold alone")
    for one in (show, remove):
        one.add_argument("who", metavar="WHO", help=WHO)


def _add(args: argparse.Namespace, config: Config, records: Records) -> int:
    zone, utc = config.site.timezone, now().utc
    today = today_at(zone, utc)
    begin = beginning(args.begin, zone, today) if args.begin else utc
    term = Term(begin, ending(args.end, zone, today))
    hosts = [records.people.find(host) for host in args.host]
    if args.uses < 0:
        raise UsageError(f"--uses {args.uses}: must be 1 or more, or 0 for no limit")
    visit = Visit(term, args.uses or None, frozenset(host.pid for host in hosts), args.within)
    digits = None
    with transaction(records.db):
        person = _new(records, args.who) if args.new else records.people.find(args.who)
        book_of(records).set_visit(person.pid, visit, BY)
    if args.new:
        digits = records.people.set_pin(person.pid, by=BY)
    text = f"{person.name} ({person.pid}): {_told(visit, 0, zone, [host.name for host in hosts])}"
    if digits:
        text += f"\nPIN: {digits}   (shown once; it cannot be read back)"
    return tell(args, _fields(person, visit, 0) | ({"digits": digits} if digits else {}), text)


def _new(records: Records, name: str) -> Person:
    if any(person.name.casefold() == name.strip().casefold() for person in records.people.list()):
        raise UsageError(f"somebody is called {name!r} already: leave --new out, or give the visitor another name")
    return records.people.add(name, by=BY, groups=[GROUP])


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    people = {person.pid: person for person in records.people.list()}
    visits = {pid: entry for pid, entry in book_of(records).visits().items() if pid in people}
    zone = config.site.timezone
    rows = [
        (
            people[pid].name,
            local(visit.term.begin, zone),
            local(visit.term.end, zone),
            _count(visit, used),
            ", ".join(people[host].name for host in visit.hosts if host in people) or "-" * (not visit.hosts),
            _remark(visit, used),
        )
        for pid, (visit, used) in visits.items()
    ]
    told = {"visits": [_fields(people[pid], *entry) for pid, entry in visits.items()]}
    none = "no visits yet; `lintel rules visit add WHO --until DAY` grants one"
    return tell_table(args, told, ("Visitor", "From", "Until", "Used", "With", "Remarks"), rows, none)


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    person, visit, used = _find(args, records)
    hosts = [records.people.get(host).name for host in visit.hosts]
    return tell(args, _fields(person, visit, used), _told(visit, used, config.site.timezone, hosts))


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    person, _, _ = _find(args, records)
    book_of(records).remove_visit(person.pid, BY)
    text = f"{person.name} is no visitor any more; what else they may, they may (lintel why {person.pid[:8]})"
    return tell(args, {"pid": person.pid, "removed": True}, text)


def _find(args: argparse.Namespace, records: Records) -> tuple[Person, Visit, int]:
    person = records.people.find(args.who)
    visits = book_of(records).visits()
    if person.pid not in visits:
        raise UsageError(f"{person.name} has no visit; `lintel rules visit list` shows who has")
    visit, used = visits[person.pid]
    return person, visit, used


def _told(visit: Visit, used: int, zone: str, hosts: list[str]) -> str:
    span = f"from {local(visit.term.begin, zone)} until {local(visit.term.end, zone)}"
    company = f", only within {visit.escort_seconds:g} s of {' or '.join(hosts) or 'a host, who is gone'}"
    return f"{span}, used {_count(visit, used)}" + company * bool(visit.hosts)


def _count(visit: Visit, used: int) -> str:
    return f"{used} of {visit.uses}" if visit.uses else f"{used}, no limit"


def _remark(visit: Visit, used: int) -> str:
    if visit.uses and used >= visit.uses:
        return "used up"
    return "over" if visit.term.end is not None and visit.term.end <= now().utc else ""


def _fields(person: Person, visit: Visit, used: int) -> dict[str, Any]:
    return {
        "pid": person.pid,
        "name": person.name,
        "from": iso(visit.term.begin),
        "until": iso(visit.term.end),
        "uses": visit.uses or 0,
        "used": used,
        "hosts": sorted(visit.hosts),
        "within": visit.escort_seconds,
    }
