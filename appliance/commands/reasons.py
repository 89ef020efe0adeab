"""What rules say, in plain language."""

from collections.abc import Mapping
from types import MappingProxyType

from appliance.access.explain import Ways
from appliance.access.modes import Factor, Mode
from appliance.access.verdict import Outcome, Rule, Spoke, Why

MEANT: Mapping[Mode, str] = MappingProxyType(
    {
        Mode.ANY: "face, PIN, card or pass",
        Mode.FACE: "the face alone",
        Mode.PIN: "the PIN alone",
        Mode.FACE_AND_PIN: "face and PIN",
        Mode.CARD_AND_FACE: "card and face",
        Mode.FREE: "whoever comes first unlocks it for everybody",
        Mode.LOCKED: "nobody enters",
    }
)

FACTORS: Mapping[str, str] = MappingProxyType(
    {Factor.FACE: "face", Factor.PIN: "PIN", Factor.CARD: "card", Factor.PASS: "pass"}
)

_SAID: Mapping[tuple[Rule, Why], str] = MappingProxyType(
    {
        (Rule.PERSON, Why.KNOWN): "known here and not suspended",
        (Rule.PERSON, Why.NOT_ENROLLED): "not known here any more",
        (Rule.PERSON, Why.SUSPENDED): "suspended (lintel people resume)",
        (Rule.PERSON, Why.NO_CONSENT): "no consent to face recognition stands (lintel people enrol asks for one)",
        (Rule.BLOCKLIST, Why.BLOCKED): "on the blocklist: {what} (lintel rules block)",
        (Rule.CLOCK, Why.CLOCK_UNKNOWN): "nobody knows the time, so hours cannot be checked (lintel doctor)",
        (Rule.VALIDITY, Why.VALID): "within the days on which they may enter",
        (Rule.VALIDITY, Why.NOT_YET_VALID): "the days on which they may enter have not begun (lintel people valid)",
        (Rule.VALIDITY, Why.EXPIRED): "the days on which they may enter are over (lintel people valid)",
        (Rule.HOURS, Why.ALWAYS): "no hours limit their groups",
        (Rule.HOURS, Why.IN_HOURS): "{what} is on",
        (Rule.HOURS, Why.OUTSIDE_HOURS): "off now: {what} (lintel rules schedule show)",
        (Rule.VISIT, Why.VALID): "a visit that was granted",
        (Rule.VISIT, Why.CLOCK_UNKNOWN): "nobody knows the time, and a visit has its time",
        (Rule.VISIT, Why.NOT_YET_VALID): "the visit has not begun (lintel rules visit show)",
        (Rule.VISIT, Why.EXPIRED): "the visit is over (lintel rules visit add grants another)",
        (Rule.VISIT, Why.USED_UP): "the visit has opened as often as it may (lintel rules visit add)",
        (Rule.PASSBACK, Why.PASSED_BACK): "was let in and not seen to leave (lintel rules forgive)",
        (Rule.MODE, Why.DOOR_LOCKED): "the door lets nobody in at this hour (lintel rules mode list)",
        (Rule.LOOKALIKE, Why.LOOKALIKE): "somebody looks alike, so a second factor is needed with the face",
        (Rule.ESCORT, Why.ESCORTED): "a host is there",
        (Rule.ESCORT, Why.ESCORT_MISSING): "a host must enter too (lintel rules visit show)",
    }
)

_SHORT: Mapping[Why, str] = MappingProxyType(
    {
        Why.NOT_ENROLLED: "no means to open the door",
        Why.NO_CONSENT: "no consent to face recognition",
        Why.CLOCK_UNKNOWN: "nobody knows the time",
        Why.NOT_YET_VALID: "not yet valid",
        Why.EXPIRED: "validity is over",
        Why.OUTSIDE_HOURS: "outside their hours",
        Why.USED_UP: "the visit is used up",
        Why.PASSED_BACK: "not seen to leave",
        Why.DOOR_LOCKED: "the door is closed to everybody",
        Why.WRONG_FACTOR: "nothing they have is asked for",
        Why.SECOND_FACTOR: "they lack a second factor",
        Why.ESCORT_MISSING: "only with a host",
        Why.BLOCKED: "on the blocklist",
    }
)


def sentence(spoke: Spoke) -> str:
    """One rule's word."""
    if spoke.rule is Rule.MODE and spoke.why is Why.DOOR_MODE:
        return f"{spoke.what}: {MEANT[Mode(spoke.what)]}"
    if spoke.rule is Rule.FACTORS:
        return _factors(spoke)
    if spoke.rule is Rule.PERSON and spoke.why is Why.NOT_ENROLLED and spoke.what:
        return "no face is stored (lintel people enrol)"
    if spoke.rule is Rule.HOURS and spoke.why is Why.ALWAYS and spoke.what:
        return f"{spoke.what} is always on"
    said = _SAID.get((spoke.rule, spoke.why))
    return said.format(what=repr(spoke.what) if spoke.rule is Rule.HOURS else spoke.what) if said else spoke.why.value


def _factors(spoke: Spoke) -> str:
    shown = " and ".join(FACTORS.get(word, word) for word in spoke.what.split(", ") if word)
    if spoke.why is Why.ENOUGH:
        return f"{shown} suffices"
    if spoke.why is Why.WRONG_FACTOR:
        return f"{shown} is not asked for now" if shown else "they have nothing to show: no face, PIN, card or pass"
    return f"{shown or 'a second factor'} is missing"


def short(why: Why) -> str:
    """Why not, in a few words."""
    return _SHORT.get(why, why.value.replace("_", " "))


def ways_text(ways: Ways) -> str:
    """`by face, by PIN, or by face and card`."""
    said = [f"by {' and '.join(FACTORS[factor] for factor in sorted(way))}" for way in ways]
    return f"{', '.join(said[:-1])} or {said[-1]}" if len(said) > 1 else "".join(said)


def mark(spoke: Spoke) -> str:
    """Whether a rule is for or against it, in a word."""
    return {Outcome.ALLOW: "yes", Outcome.NOTE: "note", Outcome.MORE: "needs", Outcome.DENY: "no"}[spoke.outcome]
