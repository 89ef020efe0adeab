"""May this credential open this door now? The one place where evidence and right meet; it fails closed.

First the evidence (`proof.py`). Then the right: `rules.judge` says whether that person may enter now,
by what they have shown. A grant takes both, and no lockdown.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

from appliance.access.leaving import leave
from appliance.access.proof import AGE_SECONDS, Asked, Known, Proof, aged, prove, unread
from appliance.access.rules import judge
from appliance.access.verdict import Request, State, Verdict, Why
from appliance.facts import AdminUnlock, Credential, Decision, Match, Moment, Reason

REASONS = MappingProxyType({why: Reason(why.value) for why in Why if why.value in set(Reason)})
"""What a rule's word is called in a decision. Words that refuse nothing are missing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, and what the rules said beside it."""

    decision: Decision
    verdict: Verdict | None = None
    """None: the evidence did not suffice, so no rule was asked; or no rule is asked (an administrator)."""

    @property
    def waits(self) -> bool:
        """Whether nothing was refused but a second factor or a host is missing. Not granted either."""
        verdict, decision = self.verdict, self.decision
        return verdict is not None and verdict.waits and decision.reason is REASONS.get(verdict.why)

    @property
    def after(self) -> State | None:
        """What to remember from now on; None: nothing has changed."""
        verdict, granted = self.verdict, self.decision.granted
        return verdict.after if verdict is not None and (self.waits or (granted and verdict.granted)) else None

    @property
    def needs(self) -> tuple[str, ...]:
        """Which factors would help now, if a second one is missing."""
        missing = self.waits and self.decision.reason is Reason.SECOND_FACTOR and self.verdict
        return tuple(sorted(factor.value for factor in missing.needs)) if missing else ()


def decide(credential: Asked, known: Known, now: Moment) -> Answer:
    """Grant only what is fresh AND proven AND allowed now.

    An administrator is asked for no right: theirs was proven where the order came from, and they may open a door
    whose mode is `locked`. A lockdown holds against them too.
    """
    if isinstance(credential, AdminUnlock):
        reason = aged(credential.at, now.mono, AGE_SECONDS) or unread(known) or locked_down(known.lockdown)
        seconds = 0.0 if reason else known.evidence.unlock_seconds
        granted = reason is None
        return Answer(
            Decision(granted, reason or Reason.GRANTED, Credential.ADMIN, unlock_seconds=seconds, since=credential.at)
        )
    proof = prove(credential, known, now)
    answer = Answer(_decision(proof, proof.reason)) if proof.reason is not None else _judged(proof, known, now)
    if not isinstance(credential, Match):
        return answer
    # Whom a refused face was taken for matters to the record even if he is gone from the roster.
    seen, live = credential, credential.liveness.live
    told = replace(answer.decision, person=seen.person, score=seen.score, threshold=seen.threshold, live=live)
    return replace(answer, decision=told)


def _judged(proof: Proof, known: Known, now: Moment) -> Answer:
    """The evidence is good: ask the rules. They speak during a lockdown too, for their alarms."""
    if known.roster is None or proof.person is None:
        return Answer(_decision(proof, Reason.NOT_ENROLLED))
    request = Request(proof.person, proof.factor, proof.at, proof.duress)
    if proof.leaving:
        verdict = leave(request, known.roster, known.rules, known.state, now)
    else:
        verdict = judge(request, known.roster, known.rules, known.state, now, zone=known.zone, turns=known.turns)
    reason = REASONS.get(verdict.why, Reason.NOT_ENROLLED)
    if verdict.granted or verdict.waits:
        reason = locked_down(known.lockdown) or reason
    if not (verdict.granted and reason is Reason.GRANTED):
        return Answer(_decision(proof, reason), verdict)
    entering = [known.roster.person(pid) for pid in (proof.person, *verdict.companions)]
    longer = any(person is not None and person.extended for person in entering)
    seconds = known.evidence.extended_unlock_seconds if longer else known.evidence.unlock_seconds
    return Answer(replace(_decision(proof, reason), granted=True, unlock_seconds=seconds), verdict)


def _decision(proof: Proof, reason: Reason) -> Decision:
    """Not granted."""
    until = proof.until if reason is Reason.LOCKED_OUT else None
    by = Credential(proof.factor.value)
    return Decision(False, reason, by, proof.person, since=proof.since, until=until, leaving=proof.leaving)


def locked_down(lockdown: bool) -> Reason | None:
    """Refuse everybody from outside while the door is locked down."""
    return Reason.LOCKDOWN if lockdown else None
