"""`lintel events` on a real record."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.keys import DeviceKey

START = 1_800_000_000.0


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "lintel.toml"
    path.write_text(
        f'[site]\ndoor = "front"\ntimezone = "Europe/Berlin"\n[paths]\nstate = "{tmp_path}"\nrun = "{tmp_path}"\n'
    )
    return path


@pytest.fixture
def log(tmp_path: Path, config: Path) -> EventLog:
    return EventLog(connect(tmp_path / FILE))


def event(kind: EventType, why: str, seconds: float = 0, **fields: object) -> Event:
    return Event(kind, why, Moment(1.0, START + seconds, ClockQuality.SYNCED), **fields)  # type: ignore[arg-type]


def run(config: Path, *words: str) -> int:
    return main(["--config", str(config), "events", *words])


def test_a_table_in_the_sites_time(config: Path, log: EventLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.append(
        event(EventType.ACCESS, "granted", by="face", score=0.71, threshold=0.5, live=True, person="1b0e2f4e-9f0d")
    )
    log.append(event(EventType.DOOR, "unlocked", 1, detail={"latency_ms": 312.5}))
    assert run(config) == 0
    head, granted, unlocked = capsys.readouterr().out.splitlines()
    assert head.split() == ["No.", "Time", "Type", "Why", "Who", "By", "Detail"]
    assert granted.split()[:7] == ["1", "2027-01-15", "09:00:00", "access", "granted", "1b0e2f4e", "face"]
    assert granted.rstrip().endswith("score 0.71  threshold 0.5  live yes")
    assert unlocked.rstrip().endswith("latency_ms 312.5")


def test_json_lines_are_what_the_broker_gets(config: Path, log: EventLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.append_many([event(EventType.ACCESS, "granted", n) for n in range(5)])
    log.append(event(EventType.SPOOF, "spoof", 6))
    assert run(config, "--json", "-n", "3") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seq"] for line in lines] == [4, 5, 6]
    assert {line["dev"] for line in lines} == {"front"}
    assert run(config, "--json", "--type", "spoof", "--type", "door") == 0
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [6]


def test_names_are_shown_only_when_asked(
    config: Path, log: EventLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = People(connect(tmp_path / FILE), DeviceKey.load(tmp_path, create=True))
    ada = people.add("Ada Lovelace", by="cli")
    assert run(config) == 0
    assert "Ada" not in capsys.readouterr().out
    assert run(config, "--names") == 0
    assert "Ada Lovelace" in capsys.readouterr().out
    assert run(config, "--names", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "Ada Lovelace"
    people.remove(ada.pid, "cli")
    assert run(config, "--names") == 0
    assert "Ada" not in capsys.readouterr().out


def test_verify_says_where_it_broke(
    config: Path, log: EventLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.append_many([event(EventType.ACCESS, "unknown_face", n) for n in range(5)])
    assert run(config, "--verify") == 0
    assert "the chain holds: 5 events up to number 5" in capsys.readouterr().out
    with connect(tmp_path / FILE) as db:
        db.execute("DELETE FROM events WHERE seq = 3")
    assert run(config, "--verify") == 1
    assert "the chain is broken at event 3" in capsys.readouterr().out
    assert run(config, "--verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["broken_at"] == 3


def test_follow_shows_events_as_they_are_written(config: Path, log: EventLog) -> None:
    log.append(event(EventType.SYS, "boot"))
    command = [sys.executable, "-m", "appliance", "--config", str(config), "events", "--follow", "--json"]
    shown = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert shown.stdout is not None
        assert json.loads(shown.stdout.readline())["why"] == "boot"
        wanted = []
        for n in range(3):
            time.sleep(0.1)
            wanted.append(log.append(event(EventType.ACCESS, "granted", n)).seq)
        assert [json.loads(shown.stdout.readline())["seq"] for _ in range(3)] == wanted
    finally:
        shown.terminate()
        shown.wait()
    assert shown.stdout.read() == ""


def test_an_unknown_clock_is_marked(config: Path, log: EventLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.append(Event(EventType.SYS, "boot", Moment(1.0, 0.0, ClockQuality.UNKNOWN)))
    assert run(config) == 0
    assert "1970-01-01 01:00:00?" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["-n", "-1"], ["-n", "x"], ["--type", "party"]])
def test_wrong_use_ends_with_2(config: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(config, *words)
    assert caught.value.code == 2
