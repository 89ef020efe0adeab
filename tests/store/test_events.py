"""The record: what is written, that it stays, and that a change to it shows."""

import errno
import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.facts import ClockQuality, EventType, Moment
from appliance.settings import SiteConfig
from appliance.store.chain import uuid7
from appliance.store.database import connect, faults, transaction
from appliance.store.events import EventLog
from appliance.store.retention import _runs, unsettled_bytes

from .conftest import DAY, START, event
from .conftest import moment as at

PID = "1b0e2f4e-9f0d-4a57-9f51-1b2c3d4e5f60"
WIRE = {"v", "id", "dev", "boot", "seq", "t", "tq", "mono_ms", "type", "why", "pid", "by"} | {
    *("score", "thr", "live", "cfg", "roster", "mdl", "prev"),
}


def test_an_event_goes_to_the_broker_with_these_fields(db: Database) -> None:
    log = EventLog(db, "boot-1", config="c0ffee")
    moment = Moment(12.3456, START + 0.25, ClockQuality.HOLDOVER)
    detail = {"latency_ms": 312.5, "model": "sha256:0123456789ab"}
    stored = log.append(
        event(at=moment, person=PID, by="face", score=0.71234567, threshold=0.52, live=True, detail=detail)
    )
    wire = stored.wire(SiteConfig(site="hq", door="front"))
    assert next(iter(wire)) == "dev"
    assert set(wire) == WIRE | {"detail"}
    assert json.loads(json.dumps(wire)) == wire
    UUID(wire.pop("id"))
    assert wire == {
        "v": 1,
        "dev": "front",
        "boot": "boot-1",
        "seq": 1,
        "t": "2027-01-15T08:00:00.250Z",
        "tq": "holdover",
        "mono_ms": 12345,
        "type": "access",
        "why": "granted",
        "pid": PID,
        "by": "face",
        "score": 0.7123,
        "thr": 0.52,
        "live": True,
        "cfg": "c0ffee",
        "roster": 0,
        "mdl": "sha256:0123456789ab",
        "prev": "0" * 64,
        "detail": {"latency_ms": 312.5},
    }
    assert set(log.append(event()).wire(SiteConfig())) == WIRE, "detail only where it says something"


def test_what_was_read_is_what_was_written(log: EventLog) -> None:
    written = log.append_many([event(detail={"ü": [1, 2.5, None, {"b": True}]}), event(score=0.5, live=False)])
    assert log.after(0) == written
    assert log.latest(1) == written[1:]
    assert log.latest(5, [EventType.DOOR]) == []
    assert written[1].at == Moment(1000.0, START, ClockQuality.SYNCED)


def test_a_host_can_check_the_chain_from_what_it_received(log: EventLog) -> None:
    wires = [log.append(event(detail={"n": n})).wire(SiteConfig()) for n in range(3)]
    for before, wire in pairwise(wires):
        told = {key: value for key, value in before.items() if key != "dev"}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert wire["prev"] == sha256(text.encode()).hexdigest()


def test_ids_are_uuid7_and_sort_by_time() -> None:
    ids = [uuid7(START + n / 1000) for n in range(50)]
    assert ids == sorted(ids)
    assert {(UUID(i).version, UUID(i).variant) for i in ids} == {(7, "specified in RFC 4122")}
    assert UUID(ids[0]).int >> 80 == int(START * 1000)
    UUID(uuid7(-5.0))


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_becomes_null(log: EventLog, score: float) -> None:
    assert log.append(event(score=score)).score is None


@pytest.mark.parametrize("detail", [{"x": math.nan}, {"x": b"bytes"}, {"x": object()}, {"x": "y" * 3000}])
def test_a_detail_that_cannot_travel_is_refused_and_leaves_no_hole(log: EventLog, detail: dict[str, object]) -> None:
    with pytest.raises(StoreError, match=r"event access/granted cannot be written: detail"):
        log.append_many([event(), event(detail=detail)])
    assert log.append(event()).seq == 1


def test_an_event_is_part_of_the_transaction_around_it(db: Database, log: EventLog) -> None:
    with pytest.raises(KeyError), transaction(db):  # noqa: PT012 - the whole block is what fails
        assert log.append(event()).seq == 1
        raise KeyError
    with transaction(db):
        log.append(event())
    assert log.head()[0] == 1
    assert log.verify_chain().holds


def test_the_outbox_holds_what_no_host_has(log: EventLog) -> None:
    log.append_many([event() for _ in range(10)])
    log.settle([1, 2, 3, 5, 99])
    assert [e.seq for e in log.unsettled()] == [4, 6, 7, 8, 9, 10]
    assert [e.seq for e in log.unsettled(limit=2, after=6)] == [7, 8]
    log.settle_through(8)
    log.settle_through(8)
    assert log.count_unsettled() == 2
    assert [e.settled for e in log.latest(3)] == [True, False, False]
    assert log.verify_chain().holds


def test_rows_cannot_be_changed_by_plain_sql(db: Database, log: EventLog) -> None:
    log.append(event())
    for column in ("why", "score", '"by"', "hash", "t_ms"):
        with pytest.raises(sqlite3.IntegrityError, match="written once"):
            db.execute(f"UPDATE events SET {column} = {column}")


TAMPERINGS = {
    "altered": "UPDATE events SET why = 'granted' WHERE seq = 5",
    "altered score": "UPDATE events SET score = 0.9 WHERE seq = 5",
    "cut out": "DELETE FROM events WHERE seq = 5",
    "cut out with renumbering": (
        "DELETE FROM events WHERE seq = 5; UPDATE events SET seq = seq - 1 WHERE seq > 5;"
        "UPDATE sqlite_sequence SET seq = seq - 1"
    ),
    "beheaded": "DELETE FROM events WHERE seq = 1",
    "cut short": "DELETE FROM events WHERE seq > 5",
    "emptied": "DELETE FROM events",
    "a gap made up": (
        "INSERT INTO gaps SELECT 5, 5, prev, zeroblob(32), 'retention' FROM events WHERE seq = 5;"
        "DELETE FROM events WHERE seq = 5"
    ),
    "swapped": "UPDATE events SET seq = 105 WHERE seq = 5; UPDATE events SET seq = 5 WHERE seq = 6;"
    "UPDATE events SET seq = 6 WHERE seq = 105",
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_a_forged_record_shows(db: Database, log: EventLog, how: str) -> None:
    log.append_many([event(why="unknown_face", detail={"n": n}) for n in range(9)])
    assert log.verify_chain().holds
    db.conn.executescript(f"DROP TRIGGER events_are_written_once; {TAMPERINGS[how]}")
    report = log.verify_chain()
    assert not report.holds
    assert report.what
    log.append(event())
    assert not log.verify_chain().holds, "what comes after does not heal it"


def test_old_settled_events_leave_and_the_chain_holds(log: EventLog) -> None:
    for day in range(10):
        log.append(event(at=at(START + day * DAY)))
    log.settle([1, 2, 3, 5, 9, 10])
    now = at(START + 9 * DAY)
    assert log.prune(now, days=4) == 4
    assert [e.seq for e in log.after(0)] == [4, 6, 7, 8, 9, 10], "what no host has stays"
    report = log.verify_chain()
    assert (report.holds, report.gaps, report.events) == (True, 2, 6)
    assert log.prune(now, days=4) == 0
    assert log.prune(now, days=4, undelivered=True) == 1
    assert log.verify_chain().gaps == 1, "neighbouring gaps are one"
    assert log.prune(Moment(1000.0 + 91 * DAY, START + 100 * DAY), days=1, undelivered=True) == 0, "clock unknown"
    later = Moment(1000.0 + 91 * DAY, START + 100 * DAY, ClockQuality.SYNCED)
    assert log.prune(later, days=1, undelivered=True) == 5
    assert log.after(0) == []
    assert log.verify_chain().holds
    assert log.append(event()).seq == 11
    assert log.verify_chain().holds


def test_nothing_is_pruned_on_the_word_of_a_wrong_clock(log: EventLog) -> None:
    log.append(event(at=at(0.0, ClockQuality.UNKNOWN)))
    log.append(event(at=at(START)))
    log.settle([1, 2])
    assert log.prune(at(START + 999 * DAY, ClockQuality.UNKNOWN), days=1) == 0
    assert log.prune(at(START + DAY / 2), days=1) == 0, "a row of 1970 between fresh ones is fresh"
    assert log.prune(at(START + 2 * DAY), days=1) == 2


def test_a_full_outbox_loses_the_least_telling_first(db: Database, log: EventLog) -> None:
    kinds = [
        (EventType.SYS, "metrics"),
        (EventType.ACCESS, "unknown_face"),
        (EventType.DOOR, "closed"),
        (EventType.SPOOF, "spoof"),
        (EventType.ACCESS, "granted"),
        (EventType.TAMPER, "tamper"),
        (EventType.AUDIT, "pin_set"),
        (EventType.DOOR, "forced"),
    ]
    log.append_many([event(kind, why) for _ in range(300) for kind, why in kinds])
    size = unsettled_bytes(db)

    def left() -> dict[str, int]:
        return dict(db.execute("SELECT why, COUNT(*) FROM events WHERE settled_at IS NULL GROUP BY why").fetchall())

    assert log.thin(at(START), size) == 0
    log.thin(at(START), size - 1000)
    assert left()["unknown_face"] == 300
    assert left()["metrics"] < 300
    log.thin(at(START), int(size * 0.88))
    assert "metrics" not in left()
    assert left()["unknown_face"] < 300
    assert left()["closed"] == left()["spoof"] == 300
    log.thin(at(START), 1)
    assert {why for why in left() if why != "gap"} == {"granted", "tamper", "pin_set", "forced"}
    assert left()["granted"] == left()["tamper"] == left()["pin_set"] == left()["forced"] == 300
    told: dict[str, int] = {}
    for gap in (e for e in log.after(0, 5000) if e.why == "gap"):
        for kind, count in gap.detail["dropped"].items():
            told[kind] = told.get(kind, 0) + count
        assert gap.detail["count"] == sum(gap.detail["dropped"].values())
    assert told == {"sys/metrics": 300, "access/unknown_face": 300, "door/closed": 300, "spoof/spoof": 300}
    assert log.verify_chain().holds


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from(["granted", "unknown_face", "metrics"])),
            st.tuples(st.just("settle"), st.lists(st.integers(0, 40), max_size=10)),
            st.tuples(st.just("prune"), st.integers(0, 40)),
            st.tuples(st.just("thin"), st.integers(0, 20000)),
            st.tuples(st.just("fail"), st.none()),
        ),
        max_size=60,
    )
)
def test_whatever_is_done_in_whatever_order_the_chain_holds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    db = connect(tmp_path_factory.mktemp("chain") / "lintel.db")
    db.execute("PRAGMA synchronous = OFF")
    log = EventLog(db, "boot")
    now, appended = START, 0
    for step, value in steps:
        now += DAY
        if step == "append":
            kind = EventType.SYS if value == "metrics" else EventType.ACCESS
            log.append(event(kind, str(value), at(now)))
            appended += 1
        elif step == "settle":
            log.settle(value)  # type: ignore[arg-type]
        elif step == "prune":
            log.prune(at(now), int(value))  # type: ignore[call-overload]
        elif step == "thin":
            log.thin(at(now), int(value))  # type: ignore[call-overload]
        else:
            with pytest.raises(StoreError):
                log.append_many([event(), event(detail={"x": b""})])
        report = log.verify_chain()
        assert report.holds, report
    gaps = [e for e in log.after(0, 1000) if e.why == "gap"]
    kept = [e for e in log.after(0, 1000) if e.why == "granted"]
    assert len(gaps) <= report.head if steps else True
    assert len(kept) <= appended
    db.close()


@given(st.sets(st.integers(1, 200)))
def test_runs_cover_exactly_the_numbers_given(numbers: set[int]) -> None:
    runs = _runs(sorted(numbers))
    assert {n for first, last in runs for n in range(first, last + 1)} == numbers
    assert all(a[1] + 1 < b[0] for a, b in pairwise(runs))


WRITER = """
import sys
from pathlib import Path
from appliance.facts import Event, EventType, Moment
from appliance.store.database import connect
from appliance.store.events import EventLog
log = EventLog(connect(Path(sys.argv[1])))
for n in range(int(sys.argv[2])):
    stored = log.append(Event(EventType.SYS, "test", Moment(1.0, 1.8e9), by=sys.argv[3], detail={"n": n}))
    sys.stdout.write(f"{stored.seq} {n}\\n")
    sys.stdout.flush()
"""


def test_three_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), "150", name], stdout=subprocess.PIPE, text=True)
        for name in ("door", "vision", "net")
    ]
    said = [writer.communicate(timeout=120)[0].splitlines() for writer in writers]
    assert [len(lines) for lines in said] == [150] * 3
    with connect(path) as db:
        log = EventLog(db)
        events = log.after(0, 1000)
        assert [e.seq for e in events] == list(range(1, 451))
        assert log.verify_chain().holds
        for name, lines in zip(("door", "vision", "net"), said, strict=True):
            assert [f"{e.seq} {e.detail['n']}" for e in events if e.by == name] == lines


def write_until_killed(path: Path, pipe: int) -> None:
    """In a child process: append for ever, and say each number once it is durable."""
    log = EventLog(connect(path))
    while True:
        os.write(pipe, b"%d\n" % log.append(event()).seq)


def test_an_acknowledged_event_survives_a_kill(path: Path) -> None:
    """30 times: kill the writer at a random moment; every number it said must be there."""
    connect(path).close()
    dice, acknowledged = random.Random(1), 0
    for _ in range(30):
        reader, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            write_until_killed(path, pipe)
        os.close(pipe)
        with os.fdopen(reader) as said:
            for _ in range(dice.randrange(1, 60)):
                acknowledged = int(said.readline())
            time.sleep(dice.random() * 0.003)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            rest = said.read().splitlines()
        acknowledged = int(rest[-1]) if rest else acknowledged
        with connect(path) as db:
            assert EventLog(db).head()[0] >= acknowledged
    with connect(path) as db:
        assert faults(db) == []
        report = EventLog(db).verify_chain()
    assert report.holds
    assert report.events >= acknowledged > 300


def test_a_full_disk_without_ballast_is_said_and_nothing_is_half_written(path: Path) -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path\n"
        "from appliance.errors import StoreError\n"
        "from appliance.facts import Event, EventType, Moment\n"
        "from appliance.store.database import connect\n"
        "from appliance.store.events import EventLog\n"
        "log = EventLog(connect(Path(sys.argv[1])))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "for n in range(10_000):\n"
        "    try: log.append(Event(EventType.SYS, 'test', Moment(1.0, 1.8e9)))\n"
        "    except StoreError as error: print(n, error.errno, error); break\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    count, number, message = run.stdout.strip().split(" ", 2)
    assert int(number) in (errno.EIO, errno.ENOSPC)
    assert "cannot be written" in message
    with connect(path) as db:
        assert EventLog(db).head()[0] == int(count) > 10
        assert EventLog(db).verify_chain().holds
        assert faults(db) == []


@pytest.mark.parametrize(
    "damage",
    [
        """detail = '{"keypad'""",
        "detail = '[]'",
        "tq = 'synbed'",
        "type = 'pio'",
        "t_ms = 9223372036854775807",
    ],
)
def test_a_damaged_row_is_passed_over_named_once_and_owned_up_to(
    db: Database, log: EventLog, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        log.append(event(by="face"))
    spoil(db, damage)
    for _ in range(3):
        assert [e.seq for e in log.latest()] == [1, 3]
        assert [e.seq for e in log.unsettled(2)] == [1, 3], "the limit counts what can be read"
        assert [e.seq for e in log.after(0)] == [1, 3]
        assert [e.seq for e in log.latest(1)] == [3]
    assert [record.getMessage().split(" of the record")[0] for record in caplog.records] == ["event 2"]
    assert log.verify_chain().broken_at == 2
    events, faults_ = log.latest_readable([("granted", "face")], 10)
    assert ([e.seq for e in events], len(faults_)) == ([1, 3], 1)

    assert log.own_up(at(START)) == [2]
    assert log.own_up(at(START)) == []
    told = log.unsettled()[-1]
    assert (told.seq, told.type, told.why, told.detail) == (4, "sys", "event_damaged", {"seq": 2})
    assert log.count_unsettled() == 3, "nobody waits for it any more"
    assert [e.seq for e in EventLog(db).unsettled()] == [1, 3, 4]
    assert EventLog(db).own_up(at(START)) == []


def test_nothing_but_damaged_rows_is_an_empty_outbox(db: Database, log: EventLog) -> None:
    log.append_many([event() for _ in range(250)])
    spoil(db, "detail = 'x'", "seq <= 240")
    assert [e.seq for e in log.unsettled(5)] == [241, 242, 243, 244, 245]
    assert len(log.own_up(at(START))) == 240


def spoil(db: Database, damage: str, which: str = "seq = 2") -> None:
    db.execute("PRAGMA ignore_check_constraints = 1")
    db.execute("DROP TRIGGER events_are_written_once")
    db.execute(f"UPDATE events SET {damage} WHERE {which}")
    db.execute("PRAGMA ignore_check_constraints = 0")


@pytest.mark.parametrize(
    "damage", ["why = CAST(x'ff41' AS TEXT)", "detail = '{\"x\":NaN}'", 'detail = \'{"x":"\\ud800"}\'']
)
def test_a_row_that_still_reads_but_was_altered_is_named_too(db: Database, log: EventLog, damage: str) -> None:
    for _ in range(3):
        log.append(event())
    spoil(db, damage)
    assert len(log.latest()) == 3
    assert log.verify_chain().broken_at == 2
    sendable = [e.seq for e in log.unsettled()]
    assert sendable == ([1, 2, 3] if "why" in damage else [1, 3]), "what is no JSON cannot be sent"


def test_what_counts_is_found_by_an_index(db: Database, log: EventLog) -> None:
    plan = db.execute(
        'EXPLAIN QUERY PLAN SELECT * FROM events WHERE why = ? AND "by" = ? ORDER BY seq DESC LIMIT 9', ("w", "b")
    ).fetchall()
    assert ["events_why" in step[3] for step in plan] == [True], "no sorting either"
