"""`lintel rules mode`: what the door asks for, by the hour."""

import argparse
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appliance.access.modes import Mode
from appliance.commands.actions import UsageError, action, noun, tell, tell_table
from appliance.commands.reasons import MEANT
from appliance.commands.records import BY, Records, iso, local
from appliance.commands.rules.book import book_of
from appliance.commands.rules.schedules import find
from appliance.config import Config
from appliance.store.rulebook import read
from appliance.store.timetables import EVERY_DOOR, DoorMode
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(nouns: "Actions") -> None:
    """Sub-commands of `lintel rules mode`."""
    actions = noun(nouns, "mode", "what the door asks for, by the hour")
    put = action(actions, "set", _set, "while a schedule is on, or at all other times; the way out is always free")
    modes = "; ".join(f"{mode}: {about}" for mode, about in MEANT.items())
    put.add_argument("mode", metavar="MODE", choices=[mode.value for mode in Mode], help=modes)
    put.add_argument("--on", metavar="SCHEDULE", help="while that is on; left out: while no other is")
    put.add_argument("--first", action="store_true", help="decide before the other schedules that are on")
    remove = action(actions, "remove", _remove, "forget what is asked while a schedule is on, or the usual mode")
    which = remove.add_mutually_exclusive_group(required=True)
    which.add_argument("--on", metavar="SCHEDULE")
    which.add_argument("--usual", action="store_true", help="then the door asks for any one means")
    for one in (put, remove):
        one.add_argument("--door", default=EVERY_DOOR, metavar="DOOR", help="one door's id; every door if left out")
    for name in ("list", "show"):
        action(actions, name, _list, "show what is asked for when, and now")


def _set(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, mode = book_of(records), Mode(args.mode)
    if args.on is None and args.first:
        raise UsageError("--first is about schedules: give --on too, or leave it out")
    if args.on is None:
        book.set_default_mode(mode, BY, door=args.door)
    else:
        schedule = find(book.schedules(), args.on)
        book.set_mode(schedule.name, mode, BY, door=args.door, place=0 if args.first else None)
    when = f"while {args.on!r} is on" if args.on else "while no schedule of the plan is on"
    told = {"mode": mode.value, "on": args.on, "door": args.door or None}
    return tell(args, told, f"{_place(args.door)}: {when}, {mode} ({MEANT[mode]})")


def _remove(args: argparse.Namespace, config: Config, records: Records) -> int:
    book = book_of(records)
    if args.usual:
        book.set_default_mode(None, BY, door=args.door)
    else:
        book.remove_mode(" ".join(args.on.split()), BY, door=args.door)
    what = f"on {args.on!r}" if args.on else "its usual mode"
    return tell(
        args, {"on": args.on, "door": args.door or None, "removed": True}, f"{_place(args.door)}: no mode {what}"
    )


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    lines, zone, utc = book_of(records).modes(), config.site.timezone, now().utc
    plan = read(records.db, utc, door=config.site.door).plan
    current, change = plan.at(utc, ZoneInfo(zone)), plan.next_change(utc, ZoneInfo(zone))
    told = {
        "now": current.value,
        "next_change": iso(change),
        "modes": [{"mode": line.mode, "on": line.schedule, "door": line.door or None} for line in lines],
    }
    rows = [_row(line) for line in lines]
    none = "no modes set: the door asks for any one means; `lintel rules mode set MODE --on SCHEDULE` sets one"
    tell_table(args, told, ("Door", "While", "Mode", "Asks for"), rows, none)
    if not args.json:
        print(f"\nnow: {current} ({MEANT[current]})" + (f" until {local(change, zone)}" if change else ""))
    return 0


def _row(line: DoorMode) -> tuple[str, ...]:
    about: Any = MEANT.get(Mode(line.mode)) if line.mode in tuple(Mode) else "cannot be understood; set it again"
    return line.door or "every", line.schedule or "otherwise", line.mode, str(about)


def _place(door: str) -> str:
    return f"door {door}" if door else "every door"
