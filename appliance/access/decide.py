"""May this credential open this door now? The one place where evidence is weighed; it fails closed.

Every check returns None, or the reason to refuse. A comparison is written so that a nan, which
compares false with everything, refuses.
"""

from dataclasses import dataclass, field, replace

from appliance.access.lockout import Lockouts, face_subjects, keypad_subject
from appliance.access.passes import PassEntry, untimely
from appliance.access.roster import Roster, RosterPerson
from appliance.facts import (
    AdminUnlock,
    CardEntry,
    ClockQuality,
    Credential,
    Decision,
    Match,
    Moment,
    PinEntry,
    Reason,
    Surround,
)

AGE_SECONDS = 2.0
"""Evidence older than this opens nothing."""
AHEAD_SECONDS = 0.1
"""Nor does evidence from further ahead than this."""
PIN_AGE_SECONDS = 5.0
"""A PIN may wait for the slow hash, behind others, on a slow board."""
LEAST_THRESHOLD = 0.25
"""No embedder in use separates people below this cosine: a match that claims less is misconfigured."""

PersonalCredential = Match | PinEntry | CardEntry | PassEntry
Asked = PersonalCredential | AdminUnlock


@dataclass(frozen=True, slots=True)
class Rules:
    """What this door asks of any credential."""

    unlock_seconds: float = 5.0
    extended_unlock_seconds: float = 20.0
    models: frozenset[str] = field(default_factory=frozenset)
    """Ids of the embedder in use. Empty: no face opens."""
    margin: float = 0.05
    votes: int = 3
    passive_threshold: float = 0.7
    least_threshold: float = LEAST_THRESHOLD


def decide(
    credential: Asked, roster: Roster, now: Moment, lockouts: Lockouts, rules: Rules, *, lockdown: bool = False
) -> Decision:
    """Grant only what is fresh AND proven AND allowed now."""
    match credential:
        case Match():
            return _decide_face(credential, roster, now, lockouts, rules, lockdown=lockdown)
        case PinEntry():
            return _decide_pin(credential, roster, now, lockouts, rules, lockdown=lockdown)
        case CardEntry():
            return _decide_card(credential, roster, now, lockouts, rules, lockdown=lockdown)
        case PassEntry():
            return _decide_pass(credential, roster, now, rules, lockdown=lockdown)
        case AdminUnlock():
            reason = aged(credential.at, now.mono, AGE_SECONDS) or locked_down(lockdown)
            return _verdict(reason, rules, None, by=Credential.ADMIN, since=credential.at)


def _decide_face(
    match: Match, roster: Roster, now: Moment, lockouts: Lockouts, rules: Rules, *, lockdown: bool
) -> Decision:
    person = roster.person(match.person)
    until = lockouts.until(face_subjects(match.person), now.mono)
    reason = (
        aged(match.taken_at, now.mono, AGE_SECONDS)
        or not_live(match, rules)
        or locked_out(until)
        or not_matched(match, rules)
        or not_enrolled(person)
        or not_allowed(person, now)
        or locked_down(lockdown)
    )
    decision = _verdict(reason, rules, person, by=Credential.FACE, since=match.since, until=until)
    # Whom a refused face was taken for matters to the record even if he is gone from the roster.
    return replace(
        decision, person=match.person, score=match.score, threshold=match.threshold, live=match.liveness.live
    )


def _decide_pin(
    entry: PinEntry, roster: Roster, now: Moment, lockouts: Lockouts, rules: Rules, *, lockdown: bool
) -> Decision:
    person = roster.by_pin(entry.digest)
    until = lockouts.until([keypad_subject(entry.keypad)], now.mono)
    # Locked out comes before the answer whether the PIN was right: nothing is learnt while waiting.
    reason = (
        aged(entry.entered_at, now.mono, PIN_AGE_SECONDS)
        or locked_out(until)
        or (Reason.UNKNOWN_PIN if person is None else None)
        or not_allowed(person, now)
        or locked_down(lockdown)
    )
    named = None if reason in (Reason.LOCKED_OUT, Reason.STALE) else person
    return _verdict(reason, rules, named, by=Credential.PIN, since=entry.entered_at, until=until)


def _decide_card(
    entry: CardEntry, roster: Roster, now: Moment, lockouts: Lockouts, rules: Rules, *, lockdown: bool
) -> Decision:
    person = roster.by_card(entry.digest)
    until = lockouts.until([keypad_subject(entry.reader)], now.mono)
    # As for a PIN: while waiting, nothing is learnt of a card either.
    reason = (
        aged(entry.read_at, now.mono, AGE_SECONDS)
        or locked_out(until)
        or (Reason.MALFORMED if entry.digest is None else None)
        or (Reason.UNKNOWN_CARD if person is None else None)
        or not_allowed(person, now)
        or locked_down(lockdown)
    )
    named = None if reason in (Reason.LOCKED_OUT, Reason.STALE) else person
    return _verdict(reason, rules, named, by=Credential.CARD, since=entry.read_at, until=until)


def _decide_pass(entry: PassEntry, roster: Roster, now: Moment, rules: Rules, *, lockdown: bool) -> Decision:
    """Weighs all but the last use: the door may act on a grant only once that is written (`door.passgate`)."""
    shown = entry.shown
    person = roster.person(shown.person) if shown is not None else None
    reason = (
        aged(entry.taken_at, now.mono, AGE_SECONDS)
        or entry.fault
        or (Reason.MALFORMED if shown is None else untimely(shown, now))
        or not_allowed(person, now)
        or locked_down(lockdown)
    )
    return _verdict(reason, rules, person, by=Credential.PASS, since=entry.taken_at)


def aged(at: float, now: float, limit: float) -> Reason | None:
    """Refuse what is too old, or not yet."""
    return None if -AHEAD_SECONDS <= now - at <= limit else Reason.STALE


def not_live(match: Match, rules: Rules) -> Reason | None:
    """Refuse unless every layer that spoke called it a living face; the passive score is judged again here."""
    seen = match.liveness
    proven = seen.live is True and seen.passive >= rules.passive_threshold and seen.frames > 0
    return None if proven and seen.surround is not Surround.MOVES else Reason.SPOOF


def not_matched(match: Match, rules: Rules) -> Reason | None:
    """Refuse unless one person was named, by this door's model, clearly above threshold and above the next one."""
    if match.person is None:
        return Reason.UNKNOWN_FACE
    if match.model not in rules.models:
        return Reason.WRONG_MODEL
    if not (match.threshold >= rules.least_threshold and match.score >= match.threshold and match.votes >= rules.votes):
        return Reason.LOW_SCORE
    return None if match.margin >= rules.margin else Reason.AMBIGUOUS


def not_enrolled(person: RosterPerson | None) -> Reason | None:
    """Refuse a face whose owner is gone, has no template any more, or no standing consent."""
    if person is None or not person.has_templates:
        return Reason.NOT_ENROLLED
    return None if person.consent else Reason.NO_CONSENT


def not_allowed(person: RosterPerson | None, now: Moment) -> Reason | None:
    """Refuse who is not known, suspended, or outside the days on which he may enter."""
    if person is None:
        return Reason.NOT_ENROLLED
    return _outside_days(person, now) if person.active else Reason.SUSPENDED


def _outside_days(person: RosterPerson, now: Moment) -> Reason | None:
    if person.valid_from is None and person.valid_until is None:
        return None
    if now.quality is ClockQuality.UNKNOWN:
        return Reason.CLOCK_UNKNOWN  # which day it is cannot be told
    if person.valid_from is not None and not now.utc >= person.valid_from:
        return Reason.NOT_YET_VALID
    if person.valid_until is not None and not now.utc < person.valid_until:
        return Reason.EXPIRED
    return None


def locked_out(until: float | None) -> Reason | None:
    """Refuse while somebody must wait."""
    return None if until is None else Reason.LOCKED_OUT


def locked_down(lockdown: bool) -> Reason | None:
    """Refuse everybody from outside while the door is locked down."""
    return Reason.LOCKDOWN if lockdown else None


def _verdict(
    reason: Reason | None,
    rules: Rules,
    person: RosterPerson | None,
    *,
    by: Credential,
    since: float,
    until: float | None = None,
) -> Decision:
    longer = person is not None and person.extended
    seconds = rules.extended_unlock_seconds if longer else rules.unlock_seconds
    return Decision(
        granted=reason is None,
        reason=reason or Reason.GRANTED,
        by=by,
        person=person.pid if person is not None else None,
        unlock_seconds=seconds if reason is None else 0.0,
        since=since,
        until=until if reason is Reason.LOCKED_OUT else None,
    )
