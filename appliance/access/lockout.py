"""Who must wait after failing too often: per keypad, per person, and for all PINs and all faces of the door.

After NIST SP 800-63B 5.2.2 and 5.2.3: after 5 wrong PINs, or 3 attacks on the camera, at least
30 s, twice as long with each further one. Two things differ on purpose. A PIN alone names the
person, so a wrong one is nobody's: it counts against the keypad. And a good PIN does not clear
a keypad's count, since on a busy door every fifth visitor would buy a guesser five more tries;
wrong tries are forgotten one by one with time instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from appliance.facts import Credential, Reason

FACE = "face"
"""The subject that stands for every face at this door."""
PINS = "pins"
"""The subject that stands for every PIN typed at this door, wherever."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is forgiven."""

    after: int
    """This many failures lock out."""
    first_seconds: float
    """The first lock-out; each further failure doubles it."""
    longest_seconds: float
    forget_seconds: float
    """One failure is forgotten each time this has passed."""


PIN_POLICY = Policy(after=5, first_seconds=30, longest_seconds=3600, forget_seconds=1800)
"""A guesser who never rests gets about 2 tries an hour: 50 a day among a million codes."""
DOOR_PIN_POLICY = Policy(after=8, first_seconds=30, longest_seconds=3600, forget_seconds=1800)
"""All inputs of the door together: a second keypad is no second set of tries. A little later than one input's, so
that five slips at one leave the others free."""
FACE_POLICY = Policy(after=3, first_seconds=30, longest_seconds=3600, forget_seconds=1800)


@dataclass(frozen=True, slots=True)
class Count:
    """What stands against one subject. Times are monotonic seconds."""

    failures: int
    since: float
    """When the oldest failure that still counts began to be forgotten."""
    until: float
    """When its lock-out ends."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision as far as it matters here; a stored event tells as much."""

    reason: Reason
    by: Credential
    person: str | None = None
    keypad: str | None = None


@dataclass(frozen=True, slots=True)
class Lockouts:
    """All counts at one instant. Replaced, never edited."""

    counts: Mapping[str, Count] = field(default_factory=lambda: MappingProxyType({}))

    def until(self, subjects: Iterable[str], now: float) -> float | None:
        """When the last lock-out among `subjects` ends, or None if none of them is locked out."""
        ends = [self.counts[s].until for s in subjects if s in self.counts and self.counts[s].until > now]
        return max(ends, default=None)

    def after(self, outcome: Outcome, now: float) -> "Lockouts":
        """The counts once `outcome` fell at `now`. A refusal because of a lock-out itself counts nothing."""
        match outcome:
            case Outcome(Reason.UNKNOWN_PIN, Credential.PIN, _, keypad):
                counted = self._failed([keypad_subject(keypad or "")], PIN_POLICY, now)
                return counted._failed([PINS], DOOR_PIN_POLICY, now)
            case Outcome(Reason.UNKNOWN_CARD, Credential.CARD, _, reader):
                return self._failed([keypad_subject(reader or "")], PIN_POLICY, now)
            case Outcome(Reason.SPOOF, Credential.FACE, person, _):
                return self._failed(face_subjects(person), FACE_POLICY, now)
            case Outcome(Reason.GRANTED, Credential.FACE, person, _):
                return self._cleared(face_subjects(person))
        return self

    def _failed(self, subjects: Iterable[str], policy: Policy, now: float) -> "Lockouts":
        fresh = {subject: one_more(self.counts.get(subject), policy, now) for subject in subjects}
        return Lockouts(MappingProxyType({**self.counts, **fresh}))

    def _cleared(self, subjects: Iterable[str]) -> "Lockouts":
        gone = set(subjects)
        return Lockouts(MappingProxyType({s: count for s, count in self.counts.items() if s not in gone}))


def one_more(count: Count | None, policy: Policy, now: float) -> Count:
    """The count after one more failure at `now`, with what time has forgiven taken off first."""
    left, since = 0, now
    if count is not None:
        steps = max(0, int((now - count.since) // policy.forget_seconds))
        left = max(0, count.failures - steps)
        since = count.since + steps * policy.forget_seconds if left else now
    failures = left + 1
    return Count(failures, since, now + lockout_seconds(failures, policy))


def lockout_seconds(failures: int, policy: Policy) -> float:
    """How long that many failures lock out; 0 while they are few."""
    if failures < policy.after:
        return 0.0
    return min(policy.longest_seconds, policy.first_seconds * 2.0 ** min(failures - policy.after, 32))


def keypad_subject(keypad: str) -> str:
    """The subject of one keypad."""
    return f"keypad:{keypad}"


def pin_subjects(keypad: str) -> list[str]:
    """The subjects of a PIN typed there: that input, and all of the door's."""
    return [keypad_subject(keypad), PINS]


def face_subjects(person: str | None) -> list[str]:
    """The subjects of a look into the camera: everybody's, and that of whoever it was taken for."""
    return [FACE] if person is None else [FACE, f"person:{person}"]
