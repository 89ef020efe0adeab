"""`lintel rules block | alike | forgive`: what holds for single people."""

import argparse
from typing import TYPE_CHECKING

from appliance.commands.actions import WHO, UsageError, action, noun, tell, tell_table
from appliance.commands.records import BY, Records, iso, local
from appliance.commands.rules.book import book_of
from appliance.commands.times import ending, today_at
from appliance.config import Config
from appliance.store.person import Person
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules block`, `alike` and `forgive`."""
    bans = noun(nouns, "block", "who must never be let in; security is told each time they ask")
    block = action(bans, "add", _block, "put somebody on the blocklist")
    block.add_argument("--reason", required=True, metavar="WORD", help="one short word, such as stolen_pin")
    block.add_argument("--until", metavar="WHEN", help="a day (its end) or a time; until removed if left out")
    action(bans, "list", _list, "show the blocklist")
    show = action(bans, "show", _show, "show why somebody is on it")
    unblock = action(bans, "remove", _unblock, "take somebody off the blocklist")
    for one in (block, show, unblock):
        one.add_argument("who", metavar="WHO", help=WHO)
    likes = noun(nouns, "alike", "people whose faces are too alike for a face alone: they need a second factor")
    mark = action(likes, "add", _alike, "mark two people or more as looking alike")
    mark.add_argument("people", metavar="WHO", nargs="+", help=WHO)
    for name in ("list", "show"):
        action(likes, name, _likes, "show everybody who is marked")
    clear = action(likes, "remove", _clear, "this person looks like nobody else after all")
    clear.add_argument("who", metavar="WHO", help=WHO)
    forgive = action(nouns, "forgive", _forgive, "anti-passback: forget where somebody was last seen")
    forgive.add_argument("who", metavar="WHO", nargs="?", help=WHO)
    forgive.add_argument("--everybody", action="store_true", help="after an evacuation")


def _block(args: argparse.Namespace, config: Config, records: Records) -> int:
    person, zone = records.people.find(args.who), config.site.timezone
    until = ending(args.until, zone, today_at(zone, now().utc)) if args.until else None
    book_of(records).ban(person.pid, args.reason, BY, until=until)
    told = {"pid": person.pid, "name": person.name, "reason": args.reason, "until": iso(until)}
    return tell(args, told, f"{person.name} is blocked until {local(until, zone, 'further notice')}: {args.reason}")


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    people, at, zone = {person.pid: person for person in records.people.list()}, now(), config.site.timezone
    bans = {pid: ban for pid, ban in book_of(records).bans().items() if pid in people}
    rows = [
        (
            people[pid].name,
            ban.reason,
            local(ban.until, zone, "further notice"),
            "" if ban.stands(at) else "over",
        )
        for pid, ban in bans.items()
    ]
    told = {
        "blocked": [
            {
                "pid": pid,
                "name": people[pid].name,
                "reason": ban.reason,
                "until": iso(ban.until),
                "stands": ban.stands(at),
            }
            for pid, ban in bans.items()
        ]
    }
    return tell_table(args, told, ("Name", "Reason", "Until", "Remarks"), rows, "nobody is blocked")


def _show(args: argparse.Namespace, config: Config, records: Records) -> int:
    person = records.people.find(args.who)
    ban = book_of(records).bans().get(person.pid)
    if ban is None:
        raise _not_blocked(person)
    until = local(ban.until, config.site.timezone, "further notice")
    told = {"pid": person.pid, "name": person.name, "reason": ban.reason, "until": iso(ban.until)}
    over = "" if ban.stands(now()) else "; that is over"
    return tell(args, told | {"stands": not over}, f"{person.name}: {ban.reason}, until {until}{over}")


def _unblock(args: argparse.Namespace, config: Config, records: Records) -> int:
    person, book = records.people.find(args.who), book_of(records)
    if person.pid not in book.bans():
        raise _not_blocked(person)
    book.unban(person.pid, BY)
    return tell(args, {"pid": person.pid, "removed": True}, f"{person.name} is not blocked any more")


def _not_blocked(person: Person) -> UsageError:
    return UsageError(f"{person.name} is not on the blocklist; `lintel rules block list` shows who is")


def _alike(args: argparse.Namespace, config: Config, records: Records) -> int:
    people = [records.people.find(who) for who in args.people]
    book_of(records).set_alike([person.pid for person in people], BY)
    names = ", ".join(person.name for person in people)
    return tell(
        args, {"alike": [person.pid for person in people]}, f"{names}: each needs a second factor with the face"
    )


def _likes(args: argparse.Namespace, config: Config, records: Records) -> int:
    marked = book_of(records).alike()
    people = [person for person in records.people.list() if person.pid in marked]
    told = {"alike": [{"pid": person.pid, "name": person.name, "pin": person.has_pin} for person in people]}
    rows = [(person.name, person.pid, "" if person.has_pin else "no PIN") for person in people]
    return tell_table(args, told, ("Name", "Id", "Remarks"), rows, "nobody is marked as looking like somebody else")


def _clear(args: argparse.Namespace, config: Config, records: Records) -> int:
    person, book = records.people.find(args.who), book_of(records)
    if person.pid not in book.alike():
        raise UsageError(f"{person.name} is not marked as looking alike; `lintel rules alike list` shows who is")
    book.clear_alike(person.pid, BY)
    return tell(args, {"pid": person.pid, "removed": True}, f"{person.name}: the face suffices again")


def _forgive(args: argparse.Namespace, config: Config, records: Records) -> int:
    if args.everybody == bool(args.who):
        raise UsageError("say whom to forgive: WHO, or --everybody")
    person = records.people.find(args.who) if args.who else None
    book_of(records).forgive(person.pid if person else None, BY)
    name = person.name if person else "everybody"
    off = "" if config.access.passback != "off" else " (anti-passback is off: access.passback)"
    told = {"pid": person.pid if person else None, "forgiven": True}
    return tell(args, told, f"{name}: nobody knows where they are; the next entry counts anew{off}")
