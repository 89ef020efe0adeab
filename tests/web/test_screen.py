"""What the visitor's screen says, and what it must never say."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.facts import Credential, Reason
from appliance.vision.quality import Hint
from appliance.web import languages, plain
from appliance.web.screen import FACTOR_SECONDS, GUIDANCE, LEAST_SECONDS, SETTLE_SECONDS, TONES, Screen, Steady, screen
from tests.web import screens, states


def shown(status: states.Statuses, mono: float = states.MONO, **more: Any) -> Screen:
    return screen(status["door"], status["vision"], mono, answer_seconds=5.0, **more)


@pytest.mark.parametrize("name", screens.SCREENS)
def test_each_state_has_its_screen(name: str) -> None:
    assert shown(screens.SCREENS[name]()).show == name


def test_every_screen_is_reached_and_has_words() -> None:
    assert set(screens.SCREENS) | {"starting"} == set(TONES)
    assert set(TONES) <= set(languages.load()["en"].screens)


@pytest.mark.parametrize("hint", Hint)
def test_every_hint_has_a_screen(hint: Hint) -> None:
    assert shown(screens.hinted(hint.value)).show == hint.value


@pytest.mark.parametrize("by", Credential)
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_screen_and_only_a_grant_is_a_welcome(reason: Reason, by: Credential) -> None:
    told = shown(screens.answered(reason.value, by.value))
    assert (told.show == "welcome") is (reason is Reason.GRANTED)
    assert told.answer == "1201-7"


def test_a_face_that_did_not_prove_itself_is_told_one_thing() -> None:
    reasons = ("unknown_face", "spoof", "low_score", "ambiguous", "wrong_model", "not_enrolled", "no_consent")
    assert {shown(screens.answered(why)).show for why in reasons} == {"face_refused"}


def test_a_guesser_of_pins_is_told_one_thing() -> None:
    reasons = ("unknown_pin", "suspended", "expired", "not_yet_valid")
    assert {shown(screens.answered(why, "pin")).show for why in reasons} == {"pin_refused"}


def test_an_answer_is_forgotten_and_a_welcome_lasts_as_long_as_the_door_is_unlocked_by_it() -> None:
    refused, welcome = screens.answered("unknown_face"), screens.answered("granted", state="UNLOCKED")

    def later(status: states.Statuses, seconds: float, **more: Any) -> str:
        door, at = status["door"], states.MONO + seconds
        assert door is not None
        return shown({"door": {**door, **more, "at": at}, "vision": states.vision(at=at)}, at).show

    assert later(refused, 3.9) == "face_refused"
    assert later(refused, 4.1) == "idle"
    assert later(welcome, 19) == "welcome"
    assert later(welcome, 19, state="LOCKED") == "idle"


def test_who_leaves_is_no_welcome_to_who_waits_outside() -> None:
    left = screens.door("UNLOCKED", lock="released")
    assert shown(left).show == "idle"


def test_fire_stands_above_an_answer_and_an_answer_above_the_rest() -> None:
    for state, expected in (("RELEASED", "released"), ("HELD", "face_refused"), ("FORCED", "face_refused")):
        assert shown(screens.answered("unknown_face", state=state)).show == expected


def test_a_silent_camera_leaves_the_pin_and_a_silent_door_nothing() -> None:
    assert shown({"door": states.door(), "vision": None}).show == "face_off"
    assert shown({"door": states.door(), "vision": None}).pin
    assert not shown({"door": None, "vision": states.vision()}).pin
    assert shown({"door": None, "vision": None}, starting=True).show == "starting"


def test_neither_person_nor_score_reaches_the_screen() -> None:
    told = json.dumps(asdict(shown(screens.answered("low_score"))))
    assert set(json.loads(told)) == {"show", "tone", "answer", "until", "pin_until", "pin", "step"}
    assert states.ANNA not in told


def test_guidance_settles_and_stays_readable_and_answers_break_through() -> None:
    steady = Steady()
    idle, closer, still = (shown(screens.SCREENS[name]()) for name in ("idle", "come_closer", "hold_still"))
    refused = shown(screens.answered("unknown_face"))
    assert steady.next(idle, 0).show == "idle"
    assert steady.next(closer, 10).show == "idle"
    assert steady.next(closer, 10 + SETTLE_SECONDS).show == "come_closer"
    assert steady.next(still, 10.3).show == "come_closer"
    assert steady.next(closer, 10.4).show == "come_closer"
    assert steady.next(still, 10.5).show == "come_closer"
    assert steady.next(still, 10.25 + LEAST_SECONDS).show == "hold_still"
    assert steady.next(refused, 11.1).show == "face_refused"
    assert steady.next(idle, 11.2).show == "idle"
    assert {idle.show, closer.show, still.show} <= GUIDANCE


def test_a_pause_ends_and_one_that_cannot_be_is_not_told() -> None:
    paused = screens.SCREENS["pin_paused"]()
    assert shown(paused).until == shown(paused).pin_until == states.MONO + 29
    door = paused["door"]
    assert door is not None
    assert shown({**paused, "door": door | {"screen_until": 1e11}}).pin_until is None
    assert shown({**paused, "door": door | {"screen_until": states.MONO - 1}}).pin_until is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("n", "at", "why", "by")), inner),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None)
@given(
    door=st.dictionaries(st.sampled_from(("state", "since", "vision", "answer", "screen_until", "pid")), JSON),
    vision=st.dictionaries(st.sampled_from(("stage", "hint")), JSON),
)
def test_no_garbage_breaks_it(door: Any, vision: Any) -> None:
    told = plain.status("door", door | {"at": states.MONO})
    seen = plain.status("vision", vision | {"at": states.MONO})
    message = shown({"door": told, "vision": seen})
    json.dumps(asdict(replace(message)), allow_nan=False)
    assert message.show in TONES


@pytest.mark.parametrize("why", ["outside_hours", "door_locked", "passed_back", "blocked"])
def test_who_typed_a_pin_is_not_told_that_it_is_somebodys(why: str) -> None:
    assert shown(screens.answered(why, "pin")).show == "pin_refused"
    assert shown(screens.answered(why, "face")).show != "face_refused"


def test_nobody_is_told_of_a_blocklist() -> None:
    for language in languages.load().values():
        text = json.dumps(language.screens["ask_help"], ensure_ascii=False).lower()
        assert not any(word in text for word in ("block", "list", "sperr", "bloqu", "engel", "secur", "sicherheit"))


def test_a_second_factor_is_asked_for_as_long_as_the_door_waits_and_never_without_its_name() -> None:
    asked = screens.answered("second_factor", needs=["pin"])
    door = asked["door"]
    assert door is not None
    at = states.MONO + FACTOR_SECONDS - 1.5
    assert shown({"door": door | {"at": at}, "vision": states.vision(at=at)}, at).show == "then_pin"
    at = states.MONO + FACTOR_SECONDS
    assert shown({"door": door | {"at": at}, "vision": states.vision(at=at)}, at).show == "idle"
    for needs in (None, [], ["duress"], "pin", [1]):
        assert shown(screens.answered("second_factor", needs=needs)).show == "face_refused"
    assert shown(screens.answered("wrong_factor", "pin", needs=["pin", "face"])).show == "use_face"


def test_duress_is_an_ordinary_welcome() -> None:
    plainly, forced = (shown(screens.answered("granted", "pin", "UNLOCKED", **more)) for more in ({}, {"duress": True}))
    assert plainly == forced


def test_a_door_open_to_everybody_refuses_nobody_and_an_alarm_stands_above_it() -> None:
    door = screens.answered("unknown_face", state="UNLOCKED")["door"]
    assert door is not None
    assert shown({"door": door | {"free": True}, "vision": None}).show == "free"
    for state, expected in (("RELEASED", "released"), ("LOCKDOWN", "lockdown"), ("HELD", "held"), ("LOCKED", "idle")):
        assert shown({"door": states.door(state, free=True), "vision": states.vision()}).show == expected


@pytest.mark.parametrize(
    "broken", [{"turn": "up"}, {"n": 0}, {"of": None}, {"until": states.MONO - 1}, {"until": None}, {"n": "1"}]
)
def test_a_turn_that_cannot_be_or_is_over_is_not_asked_for(broken: dict[str, Any]) -> None:
    status = screens.asked("left", 1)
    vision = status["vision"]
    assert vision is not None
    assert shown(status).step == (1, 3)
    vision["challenge"] |= broken
    assert shown(status).show == "checking"
    assert shown(status).step is None
