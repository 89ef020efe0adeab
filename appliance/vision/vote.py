"""Several frames of one visitor -> one Match. Pure: time and evidence are arguments.

A frame alone decides nothing. The probe is the mean of the last frames' templates, a person needs k of n
frames and the fused probe, and every liveness layer that spoke must agree. All ends are conclusions: a
person, unknown, or an attack; never silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Self

import numpy as np

from appliance.access.liveness import Needs, objection
from appliance.facts import TEMPLATE_DIMENSIONS, Challenge, Evidence, LivenessVerdict, Match, Surround, Vector
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.gallery import NOBODY, Candidate, Gallery
from appliance.vision.rest import SAME_FACE_COSINE

FRAME_SLACK = 0.08
"""A single frame may score this much less than the fused probe must: about one decade of FMR."""
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
    level: str = "standard"

    @classmethod
    def of(cls, recognition: RecognitionConfig, liveness: LivenessConfig) -> Self:
        """By the settings."""
        return cls(
            votes=recognition.votes,
            window=recognition.window,
            margin=recognition.margin,
            passive_threshold=liveness.passive_threshold,
            passive_frames=liveness.passive_frames,
            surround=liveness.surround,
            level=liveness.level,
        )

    def needs(self, challenge: Challenge) -> Needs:
        """What is asked of the layers; before the head was turned, no more than at `standard`."""
        asked = challenge is not Challenge.NOT_ASKED
        return Needs(self.level if asked else "standard", self.passive_threshold, self.passive_frames)


@dataclass(frozen=True, slots=True)
class Layers:
    """What the layers beside the passive network say of the visit so far."""

    surround: Surround = Surround.ABSTAINS
    share: float | None = None
    size: Evidence = Evidence.ABSTAINS
    width_cm: float | None = None
    light: Evidence = Evidence.ABSTAINS
    lit_gain: float | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What came before the head was turned, which the frames after it must continue."""

    template: Vector
    """(160,) float32 of length 1: the fused probe of then."""
    since: float
    at: float
    """Monotonic seconds: the first vote's first frame; the end of the challenge."""
    turns: int
    """Prompts answered."""


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
    layers: Layers = field(default_factory=Layers)
    """The same for the other layers; its `surround` is not used."""


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

    def __init__(self, rules: Rules, model: str, since: float, before: Before | None = None) -> None:
        """`before`: the visitor has just passed the challenge; the face must be the one that began it."""
        self.since = before.since if before else since
        self._before = before
        self._begun = since
        self._layers = Layers()
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
        seen, before = len(self._passives), self._before
        found = LivenessVerdict(
            live=False,
            passive=median(self._passives) if seen else 0.0,
            frames=seen,
            surround=self._surround,
            surround_share=self._layers.share if self._surround is not Surround.ABSTAINS else None,
            challenge=Challenge.PASSED if before else Challenge.NOT_ASKED,
            turns=before.turns if before else 0,
            size=self._layers.size,
            width_cm=self._layers.width_cm,
            light=self._layers.light,
            lit_gain=self._layers.lit_gain,
            level=self._rules.level,
        )
        against = objection(found, self._rules.needs(found.challenge))
        return replace(found, live=against is None, objection=against)

    @property
    def template(self) -> Vector:
        """(160,) float32 of length 1: the fused probe; zeros before the first frame was embedded."""
        return fused(self._templates) if self._templates else np.zeros(TEMPLATE_DIMENSIONS, np.float32)

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
        if template is None:
            return True
        known = [fused(self._templates)] if self._templates else []
        known += [self._before.template] if self._before else []
        return all(float(template @ one) >= SAME_FACE_COSINE for one in known)

    def add(self, seen: Sighting, gallery: Gallery, threshold: float) -> Match | None:
        """Take one more frame, which must continue this vote; the Match once it is concluded."""
        self._last = seen.at
        if seen.passive is not None:
            self._passives.append(seen.passive)
        self._surround = seen.surround if self._rules.surround else Surround.ABSTAINS
        self._layers = seen.layers
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
        return not self._rules.surround or at - self._begun >= SURROUND_SECONDS

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
