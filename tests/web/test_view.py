"""From statuses and events, however bad, to words and checked numbers."""

import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.web import plain
from appliance.web.rows import clock_words, merged, rows
from appliance.web.view import SILENT_SECONDS, Now, now
from tests.web import states

BERLIN = ZoneInfo("Europe/Berlin")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=12), part, max_size=4),
    max_leaves=12,
)
DOOR_KEYS = ("at", "state", "since", "lock", "contact", "vision", "simulated", "keypad", "store", "last")
VISION_KEYS = (
    *("at", "camera", "fps", "faces", "stage", "hint", "face", "score", "threshold", "passive", "surround"),
    *("votes", "person", "stages_ms", "simulated", "scene"),
)
EVENT_KEYS = ("seq", "t", "type", "why", "pid", "by", "score", "thr", "live", "detail", "latency_ms")


def seen(state: str) -> Now:
    status, events = states.STATES[state]()
    return now(status, merged(rows(events, BERLIN)), states.MONO, passive_threshold=0.7)


def test_a_visitor_who_was_let_in() -> None:
    view = seen("granted")
    assert (view.door.state.title, view.door.lock.title, view.door.ajar) == ("Unlocked", "Released", False)
    assert view.visitor.person == "3f2a91bc"
    assert (view.evidence.score, view.evidence.threshold, view.evidence.votes) == (0.713, 0.62, 3)
    assert view.decision is not None
    assert (view.decision.title, view.decision.by, view.decision.granted) == ("Let in", "Face", True)
    assert view.unlock is not None
    assert view.unlock.latency_ms == 412.4
    assert [step.key for step in view.steps] == ["detect", "mesh", "liveness", "embed", "match"]
    assert view.alarms == ()


def test_alarms_come_gravest_first_and_each_cause_once() -> None:
    assert [alarm.key for alarm in seen("forced").alarms] == [
        *("state_forced", "keypad_locked_out", "mqtt_offline", "vision_silent"),
    ]
    assert [alarm.key for alarm in seen("blind").alarms] == ["camera_stalled"]
    assert [alarm.key for alarm in seen("held").alarms] == ["state_held"]
    assert {alarm.key for alarm in seen("silent").alarms} == {"door_silent", "vision_silent"}


def test_the_figures_behind_an_answer_stay_while_its_visitor_rests() -> None:
    status, _ = states.checking()
    checked = now(status, [], states.MONO)
    resting = {**status, "vision": states.vision("resting", faces=1)}
    rested = now(resting, [], states.MONO, before=checked)
    assert rested.evidence == checked.evidence
    assert now(resting, [], states.MONO, before=rested).evidence == checked.evidence
    left = now({**status, "vision": states.vision("idle")}, [], states.MONO, before=rested)
    assert left.evidence.score is None


def test_a_broken_camera_is_not_told_as_an_empty_doorway() -> None:
    assert seen("blind").visitor.stage.title == "No picture from the camera"


def test_a_status_that_grew_old_counts_as_none() -> None:
    status, _ = states.idle()
    late = now(status, [], states.MONO + SILENT_SECONDS + 1)
    assert late.door.state.title == "No word"
    assert {alarm.key for alarm in late.alarms} == {"door_silent", "vision_silent", "net_silent"}
    ahead = now(status, [], states.MONO - 60)
    assert ahead.door.state.title == "No word", "a time that is still to come cannot be true"


def test_a_process_on_its_way_up_is_no_alarm_and_a_forced_door_still_is() -> None:
    view = now({}, [], states.MONO, starting=True)
    assert (view.door.state.title, view.visitor.stage.title, view.alarms) == ("Starting…", "Starting…", ())
    forced = now(states.forced()[0], [], states.MONO, starting=True)
    assert [alarm.key for alarm in forced.alarms] == ["state_forced", "keypad_locked_out", "mqtt_offline"]


def test_the_way_out_is_no_figure_of_speed() -> None:
    only_rex = [states.event(1, 5, "door", "unlocked", "rex", detail={"latency_ms": 2.0})]
    assert now({}, rows(only_rex, BERLIN), states.MONO).unlock is None


def test_an_unlock_joins_the_answer_that_caused_it() -> None:
    listed = merged(rows(states.history() + states.arrival(1), BERLIN))
    assert (listed[0].title, listed[0].latency_ms, listed[0].score) == ("Let in", 412.4, 0.713)
    assert [row.seq for row in listed] == [13, 12, 10, 9, 8, 7, 6, 5, 3, 2, 1]


def test_an_unlock_by_another_means_stands_alone() -> None:
    events = [states.event(1, 2, "access", "granted", "pin"), states.event(2, 2, "door", "unlocked", "rex")]
    assert len(merged(rows(events, BERLIN))) == 2


def test_times_are_those_of_the_site() -> None:
    assert clock_words(states.UTC, BERLIN) == ("21:00:00", "Sun 22 Nov 2026, 21:00:00 CET")
    assert clock_words(None, BERLIN)[0] == "--:--:--"
    assert clock_words(1e300, BERLIN)[0] == "--:--:--"


def test_a_name_in_the_place_of_an_id_is_not_shown() -> None:
    status, _ = states.granted()
    vision = {**(status["vision"] or {}), "person": "Anna Example"}
    event = states.event(1, 1, "access", "granted", "face", pid="Anna Example")
    view = now({**status, "vision": vision}, rows([event], BERLIN), states.MONO)
    assert "Anna" not in json.dumps(asdict(view))
    assert "Anna" not in json.dumps([plain.status("vision", vision), plain.event(event)])


def test_an_administrator_is_not_named() -> None:
    row = rows([states.event(1, 1, "access", "granted", states.BEN)], BERLIN)[0]
    assert (row.by, row.means) == ("Administrator", "")


@pytest.mark.parametrize(
    ("given_box", "shown"),
    [
        ([0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
        ([-0.5, 0.5, 1.0, 1.0], (0.0, 0.5, 0.5, 0.5)),
        ([0.5, 0.5, -0.1, 0.2], None),
        ([0.5, 0.5, float("nan"), 0.2], None),
        ([0.5, 0.5, 0.2], None),
        ("0.5", None),
        ([True, 0, 1, 1], None),
    ],
)
def test_a_face_is_cut_to_the_picture(given_box: Any, shown: Any) -> None:
    assert plain.box(given_box) == shown


@settings(max_examples=60, deadline=None)
@given(
    door=st.none() | st.dictionaries(st.sampled_from(DOOR_KEYS), JSON) | JSON,
    vision=st.none() | st.dictionaries(st.sampled_from(VISION_KEYS), JSON) | JSON,
    events=st.lists(st.dictionaries(st.sampled_from(EVENT_KEYS), JSON) | JSON, max_size=5),
    fresh=st.booleans(),
)
def test_no_garbage_breaks_the_view(door: Any, vision: Any, events: Any, fresh: bool) -> None:
    for status in (door, vision):
        if fresh and isinstance(status, dict):
            status["at"] = states.MONO
    cut = {"door": plain.status("door", door), "vision": plain.status("vision", vision), "net": None}
    for given_status in (cut, {"door": door, "vision": vision}):
        listed = merged(rows(events, BERLIN))
        view = now(given_status, listed, states.MONO, passive_threshold=0.7)
        json.dumps([asdict(view), [asdict(row) for row in listed], cut], allow_nan=False)
