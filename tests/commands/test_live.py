"""The terminal's view: it fits, says what is so, and lets nothing through that is not text."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from appliance.commands.live import LiveView, Process, Setting, Snapshot, render
from tests.web import states

SETTING = Setting("hq/front", ("camera", "lock"), "http://127.0.0.1:8480/", passive_threshold=0.7)
PROCESSES = (Process("door", 1201, 41.2), Process("vision", 1202, 187.4, 2), Process("net", None))
SIZES = [(80, 24), (120, 40), (60, 20), (200, 60)]


def snapshot(state: str = "idle", **more: Any) -> Snapshot:
    status, events = states.STATES[state]()
    taken = Snapshot(states.MONO, states.UTC, status, events, PROCESSES, ("door: ready", "net: broker away"))
    return replace(taken, **more)


def drawn(taken: Snapshot, width: int, height: int, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
    console = Console(file=file, width=width, height=height, color_system=None, legacy_windows=False)
    console.print(render(taken, SETTING), end="")
    file.seek(0)
    return file.read().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("state", states.STATES)
def test_each_state_fits_each_size(state: str, width: int, height: int) -> None:
    lines = drawn(snapshot(state), width, height)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_says_what_people_need(width: int, height: int) -> None:
    shown = "\n".join(drawn(snapshot("granted"), width, height))
    for words in ("Unlocked", "Lock: released", "Answer given", "0.71 of 0.62", "0.94 of 0.70", "3 frames agree"):
        assert words in shown
    for words in ("Let in", "Face", "3f2a91bc", "last unlock 412 ms", "Simulated: camera; lock"):
        assert words in shown
    for words in ("vision 1202 187 MB restarted 2x", "net down", "type a PIN", "way out", "quit", SETTING.url or ""):
        assert words in shown


def test_what_has_not_started_yet_is_no_alarm() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, height=24, legacy_windows=False)
    console.print(render(snapshot(status={}), SETTING, starting=True))
    assert "Starting…" in file.getvalue()
    assert "silent" not in file.getvalue()


def test_steps_that_do_not_fit_give_way_quickest_first() -> None:
    status, _ = states.checking()
    steps = {"detect": 9, "mesh": 8, "align": 0.4, "surround": 16, "liveness": 25, "embed": 30, "match": 0.1}
    seen = {**status, "vision": {**(status["vision"] or {}), "stages_ms": steps}}
    line = next(line for line in drawn(snapshot(status=seen), 80, 24) if "ms: " in line)
    assert "surround 16 live 25 embed 30" in line
    assert "match" not in line
    assert "match 0" in "\n".join(drawn(snapshot(status=seen), 120, 40))


def test_a_tall_screen_shows_the_log_newest_first() -> None:
    lines = drawn(snapshot(), 120, 40)
    newest = next(n for n, line in enumerate(lines) if "broker away" in line)
    assert "door: ready" in lines[newest + 1]


def test_a_pin_shows_as_dots() -> None:
    assert "PIN ••••" in drawn(snapshot(typed=4), 80, 24)[-1]


def test_the_gravest_alarm_is_seen_first() -> None:
    lines = drawn(snapshot("forced"), 80, 24)
    assert "Door forced open" in lines[-3]
    tall = "\n".join(drawn(snapshot("forced"), 120, 40))
    assert "Broker not connected" in tall or "Keypad paused" in tall


def test_nothing_known_yet_is_said_so() -> None:
    shown = "\n".join(drawn(snapshot(status={}, events=(), processes=(), log=()), 80, 24))
    for words in ("No word ", "No word from the camera", "Nobody has asked yet", "Nothing yet"):
        assert words in shown


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = drawn(snapshot("spoof"), 80, 24, encoding="ascii")
    assert any("Not a live face" in line for line in lines)


def test_hostile_text_stays_text() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[red]x[/red][link=http://evil]y[/link]"
    status, _ = states.idle()
    garbled = {**status, "door": {**(status["door"] or {}), "state": evil}, "vision": {"at": "now", "stage": []}}
    events = [states.event(99, 1, "door", evil, evil, pid="Anna Example"), {"seq": "x"}, "nonsense"]
    lines = drawn(snapshot(status=garbled, events=events, log=(evil,)), 120, 40)
    shown = "\n".join(lines)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "Anna Example" not in shown
    assert "[red]x[/red]" in shown
    assert {len(line) for line in lines} == {120}


def plain_view() -> tuple[LiveView, io.StringIO]:
    file = io.StringIO()
    return LiveView(Console(file=file, width=80), ("camera",), "http://127.0.0.1:8480/", place="hq/front"), file


def test_without_a_terminal_each_event_and_change_is_one_line() -> None:
    view, file = plain_view()
    with view:
        view.update(snapshot("idle"))
        view.update(snapshot("idle"))
        view.update(snapshot("granted"))
    lines = file.getvalue().splitlines()
    assert lines[0] == "lintel hq/front runs; simulated: camera; page at http://127.0.0.1:8480/; Ctrl-C stops it"
    assert lines[1:3] == ["20:00:00  door: Locked", "20:00:00  visitor: Nobody here"]
    assert lines[3:5] == [
        "19:59:59  Let in, Face, 3f2a91bc, Match 0.71, needed 0.62",
        "19:59:59  Unlocked, Face, 3f2a91bc, 412 ms",
    ]
    assert lines[5:] == ["20:00:00  door: Unlocked", "20:00:00  visitor: Answer given"]


def test_events_of_an_earlier_run_are_not_told_again() -> None:
    view, file = plain_view()
    with view:
        view.update(snapshot("idle"))
    assert "Let in" not in file.getvalue()


def test_on_a_terminal_it_takes_the_screen_and_gives_it_back() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"})
    with LiveView(console, place="hq/front") as view:
        view.update(snapshot("granted"))
        first = file.tell()
        view.update(snapshot("opened"))
    shown = file.getvalue()
    assert "\x1b[?1049h" in shown
    assert "\x1b[?1049l" in shown
    assert "\x1b[2J" not in shown[first:], "a redraw must not clear the screen: it would flicker"
