"""The door's journal at work on a real store, with the net process's duties beside it, for ends of every kind."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from appliance.door.inbox import Item, Written
from appliance.door.journal import Journal
from appliance.door.memory import Memory
from appliance.errors import StoreError
from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store import database
from appliance.store.ballast import FILE as BALLAST
from appliance.store.ballast import Ballast
from appliance.store.database import truncate_log
from appliance.store.events import EventLog
from appliance.store.migrations import MIGRATIONS

START = 1_790_000_000.0
DAY = 86400.0
LIFE = 100_000
"""Tickets of one life."""
FILLER = "filler"
"""This file stands there while the disk is full."""
OLD_VERSION = 3
"""Steps of a database that is brought forward."""

Ack = tuple[int, int]
"""Ticket, which stands in the event as `n`, and its place in the record."""

KINDS = (
    (EventType.ACCESS, "granted"),
    (EventType.ACCESS, "unknown_face"),
    (EventType.SYS, "metrics"),
    (EventType.DOOR, "unlocked"),
)


class Acknowledged:
    """The journal's inbox: passes on which events it called durable, as soon as it did."""

    def __init__(self, tell: Callable[[list[Ack]], None]) -> None:
        self._tell = tell
        self.answered = 0

    def put(self, item: Item) -> None:
        if not isinstance(item, Written):
            return
        if item.durable and item.last is not None:
            first = item.last.seq - len(item.tickets) + 1
            self._tell([(ticket, first + place) for place, ticket in enumerate(item.tickets)])
        self.answered += len(item.tickets)


def moment(ticket: int) -> Moment:
    """Four events a day, so that some grow old; two days from one life to the next."""
    life, number = divmod(ticket, LIFE)
    since = (2 * life + number / 4) * DAY
    return Moment(since, START + since, ClockQuality.SYNCED)


def event(ticket: int, dice: random.Random) -> Event:
    kind, why = KINDS[ticket % len(KINDS)]
    return Event(kind, why, moment(ticket), by="face", detail={"n": ticket, "x": "y" * dice.randrange(200)})


def older_database(state: Path, connect: Callable[[Path], Any], tell: Callable[[list[Ack]], None]) -> None:
    """A record by an older release: a few events in it, none of its tables newer than `OLD_VERSION`."""
    newer, database.MIGRATIONS = database.MIGRATIONS, MIGRATIONS[:OLD_VERSION]
    try:
        db = connect(state / database.FILE)
        for ticket in range(5):
            stored = EventLog(db, "older").append(event(ticket, random.Random(ticket)))
            tell([(ticket, stored.seq)])
        db.close()
    finally:
        database.MIGRATIONS = newer


def neighbour(state: Path, connect: Callable[[Path], Any], ticket: Callable[[], int], dice: random.Random) -> None:
    """What the net process does to the record, once: settle, prune, thin, cut the log short."""
    db = connect(state / database.FILE)
    try:
        log = EventLog(db, "net")
        head = log.head()[0]
        duty = dice.choice(["settle", "settle", "prune", "thin", "log"])
        if duty == "settle" and head > 12:
            log.settle(range(max(1, head - 40), head - 8))
        elif duty == "prune":
            log.prune(moment(ticket()), days=10)
        elif duty == "thin":
            log.thin(moment(ticket()), 12_000)
        else:
            truncate_log(db, seconds=0.05)
    finally:
        db.close()


def ballast_comes_and_goes(state: Path, dice: random.Random) -> None:
    ballast = Ballast(state / BALLAST, 256 * 1024)
    if dice.random() < 0.5:
        ballast.release()
    else:
        ballast.keep()


def live(
    state: Path,
    first: int,
    count: int | None,
    tell: Callable[[list[Ack]], None],
    *,
    connect: Callable[[Path], Any] = database.connect,
    open_store: Callable[[], Memory],
    dice: random.Random,
    house: bool = True,
) -> None:
    """Events through the journal, from ticket `first` on; `count` of them, or for ever."""
    post = Acknowledged(tell)
    journal = Journal(open_store, post, lambda: moment(first))
    journal.start()
    latest = [first]
    ending = threading.Event()

    def duties() -> None:
        while not ending.wait(dice.random() * 0.006):
            try:
                neighbour(state, connect, lambda: latest[0], dice)
            except (StoreError, OSError):
                time.sleep(0.01)  # a full disk
            if connect is database.connect and not (state / FILLER).exists():
                ballast_comes_and_goes(state, dice)

    other = threading.Thread(target=duties, daemon=True)
    if house:
        other.start()
    while count is None or latest[0] < first + count:
        for _ in range(dice.choice([1, 1, 2, 7])):
            journal.put(event(latest[0], dice), ticket=latest[0])
            latest[0] += 1
        wanted = latest[0] - first
        until = time.monotonic() + 10
        while post.answered < wanted and time.monotonic() < until:
            time.sleep(0.0005)
    ending.set()
    if house:
        other.join()
    journal.close(10)


def faults_of(state: Path, acknowledged: Iterable[Ack]) -> tuple[list[str], int]:
    """What is wrong with a database after its end: damage in words, and how many acknowledged events are gone."""
    acknowledged = list(acknowledged)
    try:
        db = database.connect(state / database.FILE)
    except StoreError as error:
        return [str(error)], len(acknowledged)
    try:
        wrong = database.faults(db)
        log = EventLog(db, "check")
        report = log.verify_chain()
        wrong += [] if report.holds else [f"chain: {report.what}"]
        kept = {row.seq: row.detail.get("n") for row in log.after(0, 100_000)}
        gaps = db.execute("SELECT first, last FROM gaps").fetchall()
        lost = 0
        for ticket, seq in acknowledged:
            gone = any(start <= seq <= end for start, end in gaps)
            lost += not gone and kept.get(seq) != ticket
        log.append(Event(EventType.SYS, "started", moment(0)))
    except StoreError as error:
        return [str(error)], len(acknowledged)
    finally:
        db.close()
    return wrong, lost
