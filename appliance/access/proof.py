"""What is a credential worth by itself? Is it fresh, live, a match, a PIN or card that somebody has? Pure.

Every check returns None, or the reason to refuse, and a comparison is written so that a nan, which
compares false with everything, refuses.
"""

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from appliance.access.liveness import Needs, contradiction, objection
from appliance.access.lockout import Lockouts, face_subjects, keypad_subject, pin_subjects
from appliance.access.modes import Factor
from appliance.access.passes import PassEntry, untimely
from appliance.access.roster import Roster
from appliance.access.verdict import DoorRules, State, Turns
from appliance.facts import AdminUnlock, CardEntry, Match, Moment, PinEntry, Reason

AGE_SECONDS = 2.0
"""Evidence older than this opens nothing."""
AHEAD_SECONDS = 0.1
"""Nor does evidence from further ahead than this."""
PIN_AGE_SECONDS = 5.0
"""A PIN may wait for the slow hash, behind others, on a slow board."""
LEAST_THRESHOLD = 0.25
"""No embedder in use separates people below this cosine: a match that claims less is misconfigured."""
CONFIRM_THRESHOLD = 0.44
"""Cosine from which a face confirms whom a card or a PIN has named (1:1): FMR 1e-4 a comparison at 0.41, measured for
the embedder on 4.3 million impostor pairs (models/manifest.toml), and 0.03 for what is fused (docs/evaluation.md)."""

PersonalCredential = Match | PinEntry | CardEntry | PassEntry
Asked = PersonalCredential | AdminUnlock


@dataclass(frozen=True, slots=True)
class Rules:
    """What this door asks of any credential's evidence."""

    unlock_seconds: float = 5.0
    extended_unlock_seconds: float = 20.0
    models: frozenset[str] = field(default_factory=frozenset)
    """Ids of the embedder in use. Empty: no face opens."""
    margin: float = 0.05
    votes: int = 3
    passive_threshold: float = 0.7
    passive_frames: int = 5
    level: str = "standard"
    """What a living face must prove (`access.liveness`)."""
    least_threshold: float = LEAST_THRESHOLD
    confirm_threshold: float = CONFIRM_THRESHOLD
    exit_reader: str = ""
    """Whose cards and PINs are shown on the way out: `facts.CardEntry.reader` or `facts.PinEntry.keypad`."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a decision is weighed against, at one instant."""

    roster: Roster | None = None
    """None: people and rules have not been read yet. Nobody comes in: there may be a lockdown among them."""
    lockouts: Lockouts = field(default_factory=Lockouts)
    evidence: Rules = field(default_factory=Rules)
    rules: DoorRules = field(default_factory=DoorRules)
    state: State = field(default_factory=State)
    zone: tzinfo = UTC
    """The site's: hours are meant as its wall clocks show them."""
    lockdown: bool = False
    turns: Turns | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a personal credential is worth by itself."""

    factor: Factor
    at: float
    """Monotonic seconds when it was given."""
    since: float
    """When the visitor began to ask."""
    person: str | None
    """Whom it names."""
    reason: Reason | None
    """Why it proves nothing; None: it does."""
    until: float | None = None
    """When a lock-out ends."""
    duress: bool = False
    leaving: bool = False
    """Given at the reader inside."""


def prove(credential: PersonalCredential, known: Known, now: Moment) -> Proof:
    """Weigh the evidence alone."""
    match credential:
        case Match():
            return _prove_face(credential, known, now)
        case PinEntry():
            return _prove_pin(credential, known, now)
        case CardEntry():
            return _prove_card(credential, known, now)
        case PassEntry():
            return _prove_pass(credential, known, now)


def _prove_face(match: Match, known: Known, now: Moment) -> Proof:
    until = known.lockouts.until(face_subjects(match.person), now.mono)
    reason = (
        aged(match.taken_at, now.mono, AGE_SECONDS)
        or unread(known)
        or not_live(match, known.evidence)
        or locked_out(until)
        or (not_confirmed if named(match.person, known, now) else not_matched)(match, known.evidence)
    )
    return Proof(Factor.FACE, match.taken_at, match.since, match.person, reason, until)


def _prove_pin(entry: PinEntry, known: Known, now: Moment) -> Proof:
    roster = known.roster or Roster()
    person = roster.by_pin(entry.digest)
    until = known.lockouts.until(pin_subjects(entry.keypad), now.mono)
    # Locked out comes before the answer whether the PIN was right: nothing is learnt while waiting.
    reason = (
        aged(entry.entered_at, now.mono, PIN_AGE_SECONDS)
        or unread(known)
        or locked_out(until)
        or (Reason.UNKNOWN_PIN if person is None else None)
    )
    whose = person.pid if person is not None and reason is None else None
    duress = entry.digest in roster.duress_pins and entry.digest not in roster.pins
    leaving = entry.keypad == known.evidence.exit_reader
    return Proof(Factor.PIN, entry.entered_at, entry.entered_at, whose, reason, until, duress, leaving)


def _prove_card(entry: CardEntry, known: Known, now: Moment) -> Proof:
    person = (known.roster or Roster()).by_card(entry.digest)
    until = known.lockouts.until([keypad_subject(entry.reader)], now.mono)
    # As for a PIN: while waiting, nothing is learnt of a card either.
    reason = (
        aged(entry.read_at, now.mono, AGE_SECONDS)
        or unread(known)
        or locked_out(until)
        or (Reason.MALFORMED if entry.digest is None else None)
        or (Reason.UNKNOWN_CARD if person is None else None)
    )
    whose = person.pid if person is not None and reason is None else None
    leaving = entry.reader == known.evidence.exit_reader
    return Proof(Factor.CARD, entry.read_at, entry.read_at, whose, reason, until, leaving=leaving)


def _prove_pass(entry: PassEntry, known: Known, now: Moment) -> Proof:
    """Weighs all but the last use: the door may act on a grant only once that is written (`door.passgate`)."""
    shown = entry.shown
    person = (known.roster or Roster()).person(shown.person) if shown is not None else None
    reason = (
        aged(entry.taken_at, now.mono, AGE_SECONDS)
        or unread(known)
        or entry.fault
        or (Reason.MALFORMED if shown is None else untimely(shown, now))
        or (Reason.NOT_ENROLLED if person is None else None)
    )
    whose = person.pid if person is not None else None
    return Proof(Factor.PASS, entry.taken_at, entry.taken_at, whose, reason)


def unread(known: Known) -> Reason | None:
    """Refuse before people and rules have been read."""
    return Reason.NOT_READY if known.roster is None else None


def aged(at: float, now: float, limit: float) -> Reason | None:
    """Refuse what is too old, or not yet."""
    return None if -AHEAD_SECONDS <= now - at <= limit else Reason.STALE


def not_live(match: Match, rules: Rules) -> Reason | None:
    """Refuse unless every layer that spoke, and every one that this door's level asks for, called it a living face."""
    seen = match.liveness
    needs = Needs(rules.level, rules.passive_threshold, rules.passive_frames)
    agreed = seen.live is True and objection(seen, needs) is None
    return None if agreed and contradiction(seen, needs) is None else Reason.SPOOF


def not_matched(match: Match, rules: Rules) -> Reason | None:
    """Refuse unless one person was named, by this door's model, clearly above threshold and above the next one."""
    if match.person is None:
        return Reason.UNKNOWN_FACE
    if match.model not in rules.models:
        return Reason.WRONG_MODEL
    if not (match.threshold >= rules.least_threshold and match.score >= match.threshold and match.votes >= rules.votes):
        return Reason.LOW_SCORE
    return None if match.margin >= rules.margin else Reason.AMBIGUOUS


def named(person: str | None, known: Known, now: Moment) -> bool:
    """Whether a card, a PIN or a pass has named that very person within the window for a second factor."""
    if person is None:
        return False
    return bool(known.state.shown.standing(person, now.mono, known.rules.factor_seconds) - {Factor.FACE})


def not_confirmed(match: Match, rules: Rules) -> Reason | None:
    """Refuse unless the face is that of whom another factor has named: one comparison, so nobody need come second.

    What vision did not call anybody (it holds a face against the whole gallery) confirms nobody, nor does a face to
    which somebody else comes nearer.
    """
    if match.model not in rules.models:
        return Reason.WRONG_MODEL
    if not (match.score >= rules.confirm_threshold and match.votes >= rules.votes):
        return Reason.LOW_SCORE
    return None if match.margin >= 0 else Reason.AMBIGUOUS


def locked_out(until: float | None) -> Reason | None:
    """Refuse while somebody must wait."""
    return None if until is None else Reason.LOCKED_OUT
