"""Several frames of one visitor -> one Match. Pure: time and evidence are arguments.

A frame alone decides nothing. The probe is the mean of the last frames' templates, a person needs k of n
frames and the fused probe, and every liveness layer that spoke must agree. All ends are conclusions: a
person, unknown, or an attack; never silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from appliance.facts import Face, LivenessVerdict, Match, Surround, Vector
from appliance.vision.gallery import NOBODY, Candidate, Gallery

FRAME_SLACK = 0.08
"""A single frame may score this much less than the fused probe must: about one decade of FMR."""
SAME_FACE_COSINE = 0.55
"""A template at least this close to those of the visit before it is the same face's. Living people of NUAA: at
least 0.81 from one stored frame to the next, 0.66 from the first to any; strangers reach 0.48 once in 100,000 pairs."""
STALE_SECONDS = 0.5
"""Evidence with a longer gap in it is not of one look at the camera."""
PATIENCE = 2
"""An attack is concluded after this many times `passive_frames`, so that one bad moment is no alarm."""
SURROUND_SECONDS = 0.25
"""How long an agreed vote waits for motion to judge the surround by, where there was none yet."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a vote needs; the fields are those of the settings."""

    votes: int
    window: int
    margin: float
    passive_threshold: float
    passive_frames: int
    surround: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What one good frame showed of the visitor."""

    at: float
    """Monotonic seconds when it was taken."""
    passive: float | None
    """The passive network's score, 0 (attack) to 1 (live), where it was asked."""
    surround: Surround
    """The verdict on the motion so far."""
    template: Vector | None = None
    """(160,) float32 of length 1, where this frame was embedded."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which models the next frame is worth."""

    passive: bool
    template: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """Where a vote stands."""

    candidate: Candidate
    """Whom the fused probe is nearest to."""
    votes: int
    """Frames of the window that name that person."""
    agreed: bool


class Vote:
    """One visitor's evidence. A new visitor, or one who may be new, gets a new vote."""

    def __init__(self, rules: Rules, model: str, since: float) -> None:
        self.since = since
        self.tally = Tally(NOBODY, 0, False)
        self._rules = rules
        self._model = model
        self._last = since
        self._passives: list[float] = []
        self._surround = Surround.ABSTAINS
        self._templates: list[Vector] = []
        self._embedded = 0

    @property
    def verdict(self) -> LivenessVerdict:
        """Liveness so far; not live before `passive_frames` frames were seen, whatever they showed."""
        seen = len(self._passives)
        passive = median(self._passives) if seen else 0.0
        live = (
            seen >= self._rules.passive_frames
            and passive >= self._rules.passive_threshold
            and self._surround is not Surround.MOVES
        )
        return LivenessVerdict(live, passive, seen, self._surround)

    def wants(self, at: float, surround: Surround) -> Wanted:
        """What to measure on the good frame taken at `at`.

        Templates of the first, the last and every second frame of the liveness window tie identity to it; one
        at the very end ties it to the conclusion, after a wait for motion that measures nothing else.
        """
        seen, last = len(self._passives), self._rules.passive_frames - 1
        if seen <= last:
            return Wanted(True, seen % 2 == 0 or seen == last)
        if not self.tally.agreed:
            return Wanted(True, True)
        if not self.verdict.live:
            return Wanted(True, False)
        return Wanted(False, surround is not Surround.ABSTAINS or self._waited(at))

    @property
    def waits_for_motion(self) -> bool:
        """Everything is agreed, but nothing moved yet that the surround could be judged by."""
        verdict = self.verdict
        return self.tally.agreed and verdict.live and verdict.surround is Surround.ABSTAINS

    def continues(self, at: float, template: Vector | None) -> bool:
        """Whether a sighting can be of the same visitor in the same look: no gap in time, and the same face."""
        if not 0 <= at - self._last <= STALE_SECONDS:
            return False
        if template is None or not self._templates:
            return True
        return float(template @ fused(self._templates)) >= SAME_FACE_COSINE

    def add(self, seen: Sighting, gallery: Gallery, threshold: float) -> Match | None:
        """Take one more frame, which must continue this vote; the Match once it is concluded."""
        self._last = seen.at
        if seen.passive is not None:
            self._passives.append(seen.passive)
        self._surround = seen.surround if self._rules.surround else Surround.ABSTAINS
        if seen.template is not None:
            self._templates = [*self._templates, seen.template][-self._rules.window :]
            self._embedded += 1
            self.tally = tally(self._templates, gallery, self._model, threshold, self._rules)
        return self._conclusion(threshold, fresh=seen.template is not None)

    def _conclusion(self, threshold: float, fresh: bool) -> Match | None:
        """`fresh`: the frame in hand was embedded; nobody is let in on the face of an earlier one."""
        verdict, rules = self.verdict, self._rules
        if not self._templates:
            return None
        if not verdict.live:
            return self._match(verdict, threshold) if verdict.frames >= PATIENCE * rules.passive_frames else None
        if self.tally.agreed:
            sure = verdict.surround is Surround.STILL or self._waited(self._last)
            return self._match(verdict, threshold) if sure and fresh else None
        return self._match(verdict, threshold) if self._embedded >= rules.window else None

    def _waited(self, at: float) -> bool:
        return not self._rules.surround or at - self.since >= SURROUND_SECONDS

    def _match(self, verdict: LivenessVerdict, threshold: float) -> Match:
        candidate = self.tally.candidate
        return Match(
            person=candidate.person if self.tally.agreed else None,
            score=candidate.score,
            threshold=threshold,
            margin=candidate.margin,
            liveness=verdict,
            votes=self.tally.votes,
            since=self.since,
            taken_at=self._last,
            model=self._model,
        )


def fused(templates: Sequence[Vector]) -> Vector:
    """The direction of the mean: (160,) float32 of length 1, or zeros where the templates cancel out."""
    total: Vector = np.sum(templates, axis=0, dtype=np.float32)
    length = float(np.linalg.norm(total))
    return total / np.float32(length) if length > 1e-6 else np.zeros_like(total)


def tally(templates: Sequence[Vector], gallery: Gallery, model: str, threshold: float, rules: Rules) -> Tally:
    """Score the fused probe and each frame of the window."""
    candidate, *frames = gallery.best_of_each(np.stack([fused(templates), *templates]), model)
    if candidate.person is None or not candidate.score >= threshold:
        return Tally(candidate, 0, False)
    votes = sum(one.person == candidate.person and one.score >= threshold - FRAME_SLACK for one in frames)
    return Tally(candidate, votes, votes >= rules.votes and candidate.margin >= rules.margin)


LEAST_OVERLAP = 0.4
MOST_GROWTH = 1.4
AWAY_SECONDS = 0.7


def same_place(before: Face, after: Face) -> bool:
    """Whether two boxes, a few frames apart, can be one head: large overlap and like size."""
    wide = max(0.0, min(before.x + before.width, after.x + after.width) - max(before.x, after.x))
    high = max(0.0, min(before.y + before.height, after.y + after.height) - max(before.y, after.y))
    common = wide * high
    union = before.width * before.height + after.width * after.height - common
    growth = after.width / max(before.width, 1e-6)
    return common >= LEAST_OVERLAP * union and 1 / MOST_GROWTH <= growth <= MOST_GROWTH


class Rest:
    """After a conclusion the same face is left alone until it leaves or the rest is over."""

    def __init__(self, face: Face, at: float, seconds: float) -> None:
        self._face = face
        self._seen = at
        self._until = at + seconds

    def over(self, at: float, nearest: Face | None) -> bool:
        """`nearest`: the largest near face of a frame taken at `at`, if any. True ends the rest for good."""
        if at >= self._until:
            return True
        if nearest is None:
            return at - self._seen >= AWAY_SECONDS
        if not same_place(self._face, nearest):
            return True
        self._face, self._seen = nearest, at
        return False
