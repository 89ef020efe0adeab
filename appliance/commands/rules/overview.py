"""`lintel rules list | check`: all rules at a glance, and what in them is hardly meant so."""

import argparse
from typing import TYPE_CHECKING

from appliance.commands.actions import action, tell
from appliance.commands.asking import ask
from appliance.commands.records import Records, local
from appliance.commands.rulecheck import Look, faults
from appliance.commands.rules.book import book_of
from appliance.commands.rules.hours import week_text
from appliance.config import Config
from appliance.store.rulebook import read
from appliance.system.clock import now

if TYPE_CHECKING:
    from appliance.commands.actions import Actions


def add_arguments(nouns: "Actions") -> None:
    """`list` and `check`."""
    action(nouns, "list", _list, "all rules at a glance")
    action(nouns, "check", _check, "what is hardly meant so: who can never enter, what is never on or used by nobody")


def _list(args: argparse.Namespace, config: Config, records: Records) -> int:
    book, zone, at = book_of(records), config.site.timezone, now()
    held = read(records.db, at.utc, door=config.site.door)
    schedules = {one.name: week_text(one.schedule.week) if one.schedule else "?" for one in book.schedules()}
    told = {
        "schedules": schedules,
        "holidays": [stored.name for stored in book.calendars()],
        "groups": {group: list(names) for group, names in book.group_hours().items()},
        "modes": [{"mode": line.mode, "on": line.schedule, "door": line.door or None} for line in book.modes()],
        "visits": sorted(held.visits),
        "blocked": sorted(held.bans),
        "alike": sorted(held.alike),
        "lockdown": held.lockdown,
    }
    names = {person.pid: person.name for person in records.people.list()}
    visits = (f"{names.get(p, p)} until {local(v.term.end, zone)}" for p, v in held.visits.items())
    modes = (f"{line.mode} {f'while {line.schedule}' if line.schedule else 'otherwise'}" for line in book.modes())
    lines = {
        "schedule": [f"{name}: {hours}" for name, hours in schedules.items()],
        "holidays": told["holidays"],
        "group": [f"{group}: {', '.join(used)}" for group, used in book.group_hours().items()],
        "mode": [f"{line}" for line in modes] or ["any at all times"],
        "visit": list(visits),
        "block": [f"{names.get(pid, pid)}: {ban.reason}" for pid, ban in held.bans.items()],
        "alike": sorted(names.get(pid, pid) for pid in held.alike),
        "lockdown": ["on: nobody comes in"] if held.lockdown else [],
    }
    text = [f"{what:<10} {line}" for what, entries in lines.items() for line in entries]  # type: ignore[attr-defined]
    none = ["no hours limit anybody; `lintel rules schedule add` and `lintel rules group set` set some"]
    return tell(args, told, "\n".join(text if held.hours or len(text) > 1 else text + none))


def _check(args: argparse.Namespace, config: Config, records: Records) -> int:
    found = faults(Look(ask(config, records), book_of(records), records.people.list(), config.site.timezone))
    told = {"ok": not found, "faults": [{"what": one.what, "remedy": one.remedy} for one in found]}
    text = "\n".join(f"{one.what}\n    -> {one.remedy}" for one in found) or "nothing to say against these rules"
    tell(args, told, text)
    return 1 if found else 0
