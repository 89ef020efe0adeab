"""`lintel events`: what happened at the door."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.table import Table
from sqlite_utils import Database

from appliance.commands.records import local, open_database, open_records
from appliance.config import Config
from appliance.facts import EventType
from appliance.store.chain import ChainReport, StoredEvent
from appliance.store.database import data_version
from appliance.store.events import EventLog

POLL_SECONDS = 0.3
_STYLES = {
    "granted": "green",
    "spoof": "bold red",
    "forced": "bold red",
    "tamper": "bold red",
    "disk_full": "bold red",
    "gap": "yellow",
    "held": "yellow",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lintel events`."""
    parser.add_argument("-n", "--number", type=_count, default=20, metavar="N", help="how many of the newest; 20")
    parser.add_argument("--follow", action="store_true", help="go on showing new ones until interrupted")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, as on the broker (docs/mqtt)")
    kinds = [kind.value for kind in EventType]
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        choices=kinds,
        metavar="T",
        help=f"only {', '.join(kinds)}; repeat for more",
    )
    parser.add_argument("--names", action="store_true", help="names instead of ids, for people still enrolled")
    parser.add_argument(
        "--verify", action="store_true", help="check the chain of hashes from the first event to the last"
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Returns 0; with --verify 1 if the chain is broken. Raises StoreError, KeyFileError (with --names)."""
    names = _names(config) if args.names else {}
    with open_database(config) as db:
        log = EventLog(db)
        if args.verify:
            return _verify(log.verify_chain(), args.json)
        kinds = [EventType(word) for word in args.type]
        events = log.latest(args.number, kinds)
        last = events[-1].seq if events else log.head()[0]
        _show(args, config, events, names)
        if args.follow:
            for event in _new(db, log, last):
                if not kinds or event.type in kinds:
                    _show(args, config, [event], names, heading=False)
    return 0


def _new(db: Database, log: EventLog, last: int) -> Iterator[StoredEvent]:
    """Events after `last` as they are written, for ever."""
    seen = -1
    while True:
        version = data_version(db)
        if version != seen:
            seen = version
            while events := log.after(last):
                last = events[-1].seq
                yield from events
        time.sleep(POLL_SECONDS)


def _show(
    args: argparse.Namespace,
    config: Config,
    events: Iterable[StoredEvent],
    names: Mapping[str, str],
    *,
    heading: bool = True,
) -> None:
    if args.json:
        for event in events:
            who = {"name": names[event.person]} if event.person and event.person in names else {}
            print(json.dumps(event.wire(config.site) | who, ensure_ascii=False), flush=True)
        return
    table = Table(box=None, header_style="bold", show_header=heading, pad_edge=False)
    for title, width in (("No.", 6), ("Time", 19), ("Type", 7), ("Why", 16), ("Who", 14), ("By", 8), ("Detail", None)):
        table.add_column(
            title, min_width=width, no_wrap=title != "Detail", justify="right" if title == "No." else "left"
        )
    for event in events:
        table.add_row(*_cells(event, config.site.timezone, names), style=_STYLES.get(event.why))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(table)


def _cells(event: StoredEvent, zone: str, names: Mapping[str, str]) -> tuple[str, ...]:
    doubt = "" if event.quality.value == "synced" else "?"
    person = event.person or ""
    return (
        str(event.seq),
        f"{local(event.at.utc, zone)}:{event.t_ms // 1000 % 60:02d}{doubt}",
        event.type.value,
        event.why,
        names.get(person, person[:8]),
        event.by or "",
        _detail(event),
    )


def _detail(event: StoredEvent) -> str:
    said = {"score": event.score, "threshold": event.threshold, "live": event.live} | event.detail
    return "  ".join(f"{key} {_short(value)}" for key, value in said.items() if value is not None)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _verify(report: ChainReport, as_json: bool) -> int:
    if as_json:
        fields = {"holds": report.holds, "events": report.events, "gaps": report.gaps, "head": report.head}
        print(json.dumps(fields | {"broken_at": report.broken_at, "what": report.what}))
    elif report.holds:
        print(f"the chain holds: {report.events} events up to number {report.head}, {report.gaps} gaps on record")
    else:
        print(
            f"the chain is broken at event {report.broken_at}: {report.what}; keep a copy of the database as evidence"
        )
    return 0 if report.holds else 1


def _names(config: Config) -> dict[str, str]:
    with open_records(config) as records:
        return {person.pid: person.name for person in records.people.list()}


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise ValueError("0 to 1000000")
    return number
