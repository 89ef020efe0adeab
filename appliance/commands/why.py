"""`lintel why`: why somebody can enter at some time, or cannot; asked of the rules by the code that decides."""

import argparse
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance.access.case import schedules_of
from appliance.access.explain import Explanation, Stretch, explain
from appliance.access.schedule import text_of
from appliance.commands.actions import WHO, UsageError, tell
from appliance.commands.asking import Asking, ask
from appliance.commands.reasons import mark, sentence, short, ways_text
from appliance.commands.records import Records, iso, open_records
from appliance.commands.times import beginning, today_at
from appliance.config import Config
from appliance.facts import ClockQuality, EventType
from appliance.store.chain import StoredEvent
from appliance.store.person import UnknownPersonError
from appliance.system.clock import now
from appliance.web.words import say_event

DECISIONS = (EventType.ACCESS, EventType.PIN, EventType.SPOOF)
WEEK_SECONDS = 7 * 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom, when, and how told."""
    parser.add_argument("who", metavar="PERSON", nargs="?", help=WHO)
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--at", metavar="WHEN", help="2027-01-31T14:00, at the site; now if left out")
    when.add_argument("--event", type=int, metavar="N", help="number of a recorded decision (lintel events)")
    parser.add_argument("--week", action="store_true", help="the seven days from then on")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0 if they can enter, 1 if not. Raises LintelError: nobody of that name, no such time or event."""
    if (args.who is None) == (args.event is None):
        raise UsageError("say whom it is about: lintel why PERSON, or lintel why --event N")
    if args.event is not None and args.week:
        raise UsageError("--week does not go with --event: ask for the person instead")
    with open_records(config) as records:
        if args.event is not None:
            return _event(args, config, records)
        person = records.people.find(args.who)
        zone = config.site.timezone
        utc = beginning(args.at, zone, today_at(zone, now().utc)) if args.at else None
        asking = ask(config, records, utc)
        return (_week if args.week else _moment)(args, config, asking, person.pid, person.name)


def _moment(args: argparse.Namespace, config: Config, asking: Asking, pid: str, name: str) -> int:
    told, text = _answer(config, asking, pid, name, now_=args.at is None)
    tell(args, told, "\n".join(text))
    return 0 if told["can_enter"] else 1


def _answer(config: Config, asking: Asking, pid: str, name: str, *, now_: bool) -> tuple[dict[str, Any], list[str]]:
    found, zone = explain(pid, asking.of(pid), asking.at), config.site.timezone
    shut = asking.book.lockdown and now_
    can = bool(found.ways) and not shut
    known = asking.at.quality is not ClockQuality.UNKNOWN
    stretches = asking.ahead(pid) if known else []
    told = _fields(found) | {
        "person": pid,
        "name": name,
        "at": iso(asking.at.utc),
        "can_enter": can,
        "lockdown": asking.book.lockdown,
        "next_change": iso(stretches[0].end) if len(stretches) > 1 else None,
    }
    when = "now" if now_ else f"on {_time(asking.at.utc, zone)}"
    if can:
        first = f"{name} can enter {when}, {ways_text(found.ways)}" + _with_host(found)
    else:
        first = f"{name} cannot enter {when}: {'the door is in lockdown' if shut else short(found.why)}"
    lines = [first, *(f"  {mark(spoke):<6} {spoke.rule:<10} {sentence(spoke)}" for spoke in found.reasons)]
    lines += _special(asking, pid, zone)
    if asking.book.lockdown:
        lines.append("  no     lockdown   nobody comes in until it is lifted (lintel lockdown off)")
    if len(stretches) > 1:
        lines.append(f"From {_time(stretches[0].end, zone)} on: {_stretch(stretches[1])}")
    return told, lines


def _special(asking: Asking, pid: str, zone: str) -> list[str]:
    """Schedules of theirs for which that day is not like others of its name."""
    if asking.at.quality is ClockQuality.UNKNOWN:
        return []
    door, day = asking.door, today_at(zone, asking.at.utc)
    return [
        f"  note   holiday    {schedule.name!r} has other hours on {day}: {text_of(schedule.special[day])}"
        for schedule in schedules_of(door.roster.person(pid), door.rules)
        if day in schedule.special
    ]


def _with_host(found: Explanation) -> str:
    return ", with a host" if found.why.value == "escort_missing" else ""


def _week(args: argparse.Namespace, config: Config, asking: Asking, pid: str, name: str) -> int:
    zone, stretches = config.site.timezone, asking.ahead(pid, WEEK_SECONDS)
    told = {
        "person": pid,
        "name": name,
        "lockdown": asking.book.lockdown,
        "week": [
            {
                "from": iso(one.begin),
                "until": iso(one.end),
                "can_enter": bool(one.ways),
                "ways": _ways(one.ways),
                "why": one.why.value,
            }
            for one in stretches
        ],
    }
    lines = [f"{name}, by the clock of {zone}:"]
    lines += [f"  {_time(one.begin, zone)} to {_time(one.end, zone)}  {_stretch(one)}" for one in stretches]
    if asking.book.lockdown:
        lines.append("The door is in lockdown: nobody comes in until it is lifted.")
    tell(args, told, "\n".join(lines))
    return 0 if any(one.ways for one in stretches) else 1


def _event(args: argparse.Namespace, config: Config, records: Records) -> int:
    event = _recorded(args.event, records)
    zone = config.site.timezone
    at = event.at.utc
    told: dict[str, Any] = {"event": event.wire(config.site), "rules": None}
    words = say_event(event.type.value, event.why)
    lines = [f"Event {event.seq}, {_time(at, zone)}, {event.type.value}: {words.title}"]
    lines += [f"  {words.help}"] if words.help else []
    lines += [f"  by {event.by}"] if event.by else []
    lines += [f"  {key} {value}" for key, value in _evidence(event).items()]
    if event.type not in DECISIONS:
        lines.append("It is no decision, so there is nothing to ask the rules.")
    elif event.person is None:
        lines.append("It names nobody, so there is nothing to ask the rules.")
    else:
        try:
            name = records.people.get(event.person).name
        except UnknownPersonError:
            lines.append(f"Whom it names ({event.person}) has been erased since.")
        else:
            rules, text = _answer(config, ask(config, records, at, event.quality), event.person, name, now_=False)
            told["rules"] = rules
            lines += ["By the rules as they are now, for that moment:", *text]
            lines += _difference(event, can=bool(rules["can_enter"]))
    return tell(args, told, "\n".join(lines))


def _recorded(seq: int, records: Records) -> StoredEvent:
    found = records.log.after(seq - 1, 1) if seq > 0 else []
    if not found or found[0].seq != seq:
        head = records.log.head()[0]
        raise UsageError(
            f"there is no event {seq} in the record; the newest is {head}, and old ones are deleted in time"
        )
    return found[0]


def _evidence(event: StoredEvent) -> dict[str, Any]:
    said: dict[str, Any] = {"score": event.score, "threshold": event.threshold, "live": event.live}
    return {key: value for key, value in (said | event.detail).items() if value is not None}


def _difference(event: StoredEvent, *, can: bool) -> list[str]:
    granted = event.why == "granted"
    if granted and not can:
        return ["The door let them in: rules, rights or uses have changed since."]
    if can and not granted:
        return ["The refusal was about what was shown, or rules and rights have changed since."]
    return []


def _fields(found: Explanation) -> dict[str, Any]:
    return {
        "why": found.why.value,
        "ways": _ways(found.ways),
        "reasons": [
            {
                "rule": spoke.rule.value,
                "outcome": spoke.outcome.value,
                "why": spoke.why.value,
                "what": str(spoke.what),
                "text": sentence(spoke),
            }
            for spoke in found.reasons
        ],
    }


def _ways(ways: tuple[frozenset[Any], ...]) -> list[list[str]]:
    return [sorted(factor.value for factor in way) for way in ways]


def _stretch(one: Stretch) -> str:
    return ways_text(one.ways) if one.ways else short(one.why)


def _time(utc: float, zone: str) -> str:
    return datetime.fromtimestamp(utc, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M")
