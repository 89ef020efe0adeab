"""Lamps and buzzer: the table of patterns, and the thread that plays it on recording pins."""

import time

import pytest

from appliance.door.feedback import LAMPS, PATTERNS, Cue, Feedback, answer, levels, standing, wait
from appliance.door.machine import State
from appliance.door.pins import open_lines
from appliance.errors import LockError
from appliance.settings import PinsConfig
from tests.fakes import RecordingRelay

GRANTED = {"n": 1, "at": 1.0, "why": "granted", "by": "pin", "until": None}
DENIED = GRANTED | {"n": 2, "why": "unknown_pin"}


@pytest.mark.parametrize("cue", Cue)
def test_patterns_are_in_order_apart_and_within_their_length(cue):
    pattern = PATTERNS[cue]
    for lamp in LAMPS:
        edges = [edge for span in getattr(pattern, lamp) for edge in span]
        assert edges == sorted(set(edges))
        assert all(0 <= edge <= pattern.seconds for edge in edges)


@pytest.mark.parametrize("cue", Cue)
def test_playing_by_waits_sees_every_change(cue):
    seen, at = [], 0.0
    for _ in range(12):
        seen.append(levels(cue, at))
        pause = wait(cue, at)
        if pause is None:
            break
        assert pause > 0
        assert levels(cue, at + pause / 2) == seen[-1]
        at += pause
    else:
        assert PATTERNS[cue].repeats
        return
    assert not any(levels(cue, at + 100).values())


def test_yes_and_no_differ_in_light_and_in_rhythm():
    yes, no = PATTERNS[Cue.GRANTED], PATTERNS[Cue.DENIED]
    assert (bool(yes.green), bool(yes.red)) == (True, False)
    assert (bool(no.green), bool(no.red)) == (False, True)
    assert (len(yes.buzzer), len(no.buzzer)) == (1, 3)


def test_every_state_has_a_cue_and_an_alarm_is_not_interrupted():
    assert {standing({"state": state.value}) for state in State} == set(Cue) - {Cue.GRANTED, Cue.DENIED, Cue.MORE}
    assert answer({}, {"state": "UNLOCKED", "answer": GRANTED}) is Cue.GRANTED
    assert answer({"answer": GRANTED}, {"state": "LOCKED", "answer": GRANTED}) is None
    assert answer({"answer": GRANTED}, {"state": "LOCKED", "answer": DENIED}) is Cue.DENIED
    assert answer({}, {"state": "FORCED", "answer": DENIED}) is None


def eventually(check):
    end = time.monotonic() + 3
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_it_plays_an_answer_and_then_the_state_and_ends_dark():
    lines = open_lines(PinsConfig(driver="mock", green=5, red=6, buzzer=13))
    assert set(lines.lamps) == set(LAMPS)
    feedback = Feedback(lines.lamps)
    feedback.start()
    feedback.told({"state": "LOCKED", "answer": DENIED})
    eventually(lambda: lines.lamps["red"].energised and lines.lamps["buzzer"].energised)
    assert not lines.lamps["green"].energised
    feedback.told({"state": "UNLOCKED", "answer": GRANTED})
    eventually(lambda: lines.lamps["green"].energised and not lines.lamps["red"].energised)
    feedback.told({"state": "LOCKED", "answer": GRANTED})
    time.sleep(0.05)
    assert lines.lamps["green"].energised, "a welcome stays to be seen"
    feedback.told({"state": "FORCED", "answer": GRANTED})
    eventually(lambda: lines.lamps["red"].energised and not lines.lamps["green"].energised)
    feedback.close()
    assert not any(lamp.energised for lamp in lines.lamps.values())


def test_none_are_wired_unless_set():
    assert open_lines(PinsConfig(driver="mock")).lamps == {}


class BrokenLamp(RecordingRelay):
    def energise(self, on):
        raise LockError("GPIO line of red: gone; check pins.red")


def test_a_lamp_that_fails_is_said_once_and_the_others_go_on(caplog):
    green = RecordingRelay()
    feedback = Feedback({"red": BrokenLamp(), "green": green})
    feedback.start()
    feedback.told({"state": "UNLOCKED", "answer": GRANTED})
    eventually(lambda: green.told and green.told[-1])
    feedback.close()
    assert caplog.text.count("GPIO line of red") == 1
    assert green.told[-1] is False


def test_no_answer_is_missed_however_fast_they_come():
    green, red = RecordingRelay(), RecordingRelay()
    feedback = Feedback({"green": green, "red": red})
    feedback.start()
    for number in range(100):
        denied = number % 2
        feedback.told({"state": "LOCKED", "answer": (DENIED if denied else GRANTED) | {"n": number}})
        lamp = red if denied else green
        eventually(lambda lamp=lamp: lamp.told and lamp.told[-1])
    feedback.close()


@pytest.mark.parametrize("why", ["second_factor", "escort_missing"])
def test_what_is_still_missing_is_no_refusal(why):
    status = {"state": "LOCKED", "answer": {"n": 1, "why": why}}
    assert answer({}, status) is Cue.MORE
    assert not any(levels(Cue.MORE, tenths / 10)["red"] for tenths in range(30))
    assert levels(Cue.MORE, 0.05) == {"green": True, "red": False, "buzzer": True}
