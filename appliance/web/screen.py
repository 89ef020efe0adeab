"""What the visitor's screen says now: one message out of what the door and the camera last told.

Pure: statuses and the time go in, a frozen `Screen` comes out. It knows no score and no person, so that
the screen cannot tell whom the door took a visitor for, nor how near a forgery came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.facts import Credential, Reason
from appliance.web import plain
from appliance.web.view import fresh
from appliance.web.words import Tone

Status = Mapping[str, Any]

SETTLE_SECONDS = 0.25
"""A hint shows once it has lasted this long: a screen that flickers cannot be read."""
LEAST_SECONDS = 0.8
"""And it stays at least this long, but gives way at once to an answer or an alarm."""
PAUSE_LONGEST_SECONDS = 7200.0
FACTOR_SECONDS = 12.0
"""What is still asked of a visitor stays at least this long: about as long as the door waits for it."""

TONES: Mapping[str, Tone] = {
    "starting": "quiet",
    "idle": "quiet",
    "come_closer": "act",
    "step_back": "act",
    "look_straight": "act",
    "hold_still": "act",
    "more_light": "act",
    "less_light": "act",
    "lower_mask": "act",
    "uncover_face": "act",
    "one_person": "act",
    "checking": "act",
    "welcome": "good",
    "face_refused": "needs",
    "face_paused": "needs",
    "pin_refused": "needs",
    "pin_paused": "needs",
    "pass_refused": "needs",
    "not_allowed": "needs",
    "then_pin": "act",
    "then_card": "act",
    "then_face": "act",
    "then_either": "act",
    "use_pin": "needs",
    "use_card": "needs",
    "use_face": "needs",
    "use_either": "needs",
    "escort_missing": "act",
    "outside_hours": "needs",
    "door_closed": "needs",
    "ask_help": "needs",
    "passed_back": "needs",
    "free": "good",
    "turn_left": "act",
    "turn_right": "act",
    "lockdown": "needs",
    "face_off": "quiet",
    "out_of_service": "needs",
    "held": "needs",
    "forced": "alarm",
    "released": "alarm",
}
"""Every screen the device sends, and its tone."""

GUIDANCE = frozenset(
    {"idle", "come_closer", "step_back", "look_straight", "hold_still", "more_light", "less_light", "one_person"}
    | {"lower_mask", "uncover_face", "checking"}
)
"""Screens that follow the camera, and therefore settle first."""

# A face that did not prove itself is told one thing, whatever the cause: an attacker learns nothing from it.
_REFUSED = {Credential.FACE.value: "face_refused", Credential.PIN.value: "pin_refused"}
_PAUSED = {Credential.FACE.value: "face_paused", Credential.PIN.value: "pin_paused"}
_NOT_ALLOWED = frozenset({Reason.SUSPENDED, Reason.NOT_YET_VALID, Reason.EXPIRED, Reason.CLOCK_UNKNOWN})
# What a known person is told of the rules. Not to who typed a PIN: it would tell a guesser whose it is.
_RULES = {
    Reason.OUTSIDE_HOURS.value: "outside_hours",
    Reason.DOOR_LOCKED.value: "door_closed",
    Reason.PASSED_BACK.value: "passed_back",
    Reason.BLOCKED.value: "ask_help",
}
# What the visitor has to do next; said whatever the means, or nobody could come in by two of them.
_NEXT = {Reason.SECOND_FACTOR.value: "then", Reason.WRONG_FACTOR.value: "use"}
_SAME = {
    Reason.GRANTED.value: "welcome",
    Reason.LOCKDOWN.value: "lockdown",
    Reason.ESCORT_MISSING.value: "escort_missing",
    "not_ready": "starting",
}
"""Answers that are told alike whatever the means."""
_WAITED_FOR = frozenset({Reason.SECOND_FACTOR.value, Reason.ESCORT_MISSING.value})


@dataclass(frozen=True, slots=True)
class Screen:
    """One message, and whether the PIN pad is usable. Times are monotonic seconds."""

    show: str
    """A key of TONES."""
    tone: Tone
    answer: str | None = None
    """Names this answer among all others; None: it is no answer."""
    until: float | None = None
    """When the pause that is told of ends."""
    pin_until: float | None = None
    """When the pad's own pause ends; None: it is ready."""
    pin: bool = True
    """Whether a PIN can reach the door."""
    step: tuple[int, int] | None = None
    """Which turn of the head this is, of how many."""


def screen(door: object, vision: object, mono: float, *, answer_seconds: float, starting: bool = False) -> Screen:
    """The message for the two status dicts (None where missing), at `mono`.

    An answer stays for `answer_seconds`, a welcome also for as long as the door stays unlocked by it.
    """
    told = fresh(door, mono)
    if told is None:
        show = "starting" if starting else "out_of_service"
        return Screen(show, TONES[show], pin=False)
    shown = (
        _alarm(told)
        or _free(told)
        or _answer(told, mono, answer_seconds)
        or _state(told)
        or _guidance(told, vision, mono, starting)
    )
    return replace(shown, pin_until=_later(told.get("screen_until"), mono))


def _said(show: str, answer: str | None = None, until: float | None = None) -> Screen:
    return Screen(show, TONES[show], answer, until)


def _alarm(door: Status) -> Screen | None:
    return _said("released") if door.get("state") == "RELEASED" else None


def _free(door: Status) -> Screen | None:
    """Open to everybody: nobody who walks up then is told of a refusal."""
    return _said("free") if door.get("free") is True and door.get("state") in ("UNLOCKED", "OPEN") else None


def _answer(door: Status, mono: float, seconds: float) -> Screen | None:
    given = plain.mapping(door.get("answer"))
    at, number = plain.number(given.get("at")), plain.whole(given.get("n"))
    why, by = plain.text(given.get("why"), 40), plain.text(given.get("by"), 40)
    if at is None or number is None or why is None or at > mono + 1.0:
        return None
    welcome = why == Reason.GRANTED
    still_open = welcome and door.get("state") == "UNLOCKED" and at >= (plain.number(door.get("since")) or 0.0) - 1.0
    lasts = max(seconds, FACTOR_SECONDS) if why in _WAITED_FOR else seconds
    if mono - at > lasts and not still_open:
        return None
    name = f"{plain.whole(door.get('pid')) or 0}-{number}"
    until = _later(given.get("until"), mono)
    word = _answer_word(why, by or "", needed(given.get("needs")))
    return _said(word, name, until if why == Reason.LOCKED_OUT else None)


def needed(value: object) -> frozenset[str]:
    """Factor words of an answer: any of face, pin, card."""
    words = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return frozenset(word for word in words if word in (Credential.FACE, Credential.PIN, Credential.CARD))


def _answer_word(why: str, by: str, needs: frozenset[str]) -> str:
    if why in _SAME:
        return _SAME[why]
    if why == Reason.LOCKED_OUT:
        return _PAUSED.get(by, "pass_refused")
    if why in _NEXT and needs:
        return f"{_NEXT[why]}_{min(needs) if len(needs) == 1 else 'face' if 'face' in needs else 'either'}"
    if why in _RULES and by != Credential.PIN:
        return _RULES[why]
    # A PIN is told one thing too: whether it is someone's at another hour is not for a guesser.
    if why in _NOT_ALLOWED and by != Credential.PIN:
        return "not_allowed"
    return _REFUSED.get(by, "pass_refused")


def _state(door: Status) -> Screen | None:
    word = {"FORCED": "forced", "HELD": "held", "LOCKDOWN": "lockdown"}.get(str(door.get("state")))
    return _said(word) if word else None


def _guidance(door: Status, vision: object, mono: float, starting: bool) -> Screen:
    seen = fresh(vision, mono)
    if starting and seen is None:
        return _said("idle")
    if seen is None or door.get("vision") != "ok" or seen.get("stage") == "face_off":
        return _said("face_off")
    asked = _turn(plain.mapping(seen.get("challenge")), mono)
    if asked is not None:
        return asked
    hint, stage = seen.get("hint"), seen.get("stage")
    if isinstance(hint, str) and hint in GUIDANCE and hint not in ("idle", "checking"):
        return _said(hint)
    return _said("checking" if stage == "checking" else "idle")


def _turn(challenge: Status, mono: float) -> Screen | None:
    turn, n, of = challenge.get("turn"), plain.whole(challenge.get("n"), 1, 9), plain.whole(challenge.get("of"), 1, 9)
    if turn not in ("left", "right") or n is None or of is None or _later(challenge.get("until"), mono) is None:
        return None
    return replace(_said(f"turn_{turn}"), step=(min(n, of), of))


def _later(value: object, mono: float) -> float | None:
    at = plain.number(value)
    return at if at is not None and mono < at <= mono + PAUSE_LONGEST_SECONDS else None


class Steady:
    """Holds guidance back until it has settled. Answers and alarms pass at once."""

    def __init__(self) -> None:
        self._shown: Screen | None = None
        self._shown_at = self._wanted_at = 0.0
        self._wanted = ""

    def next(self, wanted: Screen, mono: float) -> Screen:
        """What to show at `mono`, now that `wanted` would be true."""
        shown = self._shown
        if wanted.show != self._wanted:
            self._wanted, self._wanted_at = wanted.show, mono
        if shown is None or not {wanted.show, shown.show} <= GUIDANCE or wanted.show == shown.show:
            return self._show(wanted, mono)
        settled = mono - self._wanted_at >= SETTLE_SECONDS and mono - self._shown_at >= LEAST_SECONDS
        return self._show(wanted, mono) if settled else replace(wanted, show=shown.show, tone=shown.tone)

    def _show(self, wanted: Screen, mono: float) -> Screen:
        if self._shown is None or self._shown.show != wanted.show:
            self._shown_at = mono
        self._shown = wanted
        return wanted
