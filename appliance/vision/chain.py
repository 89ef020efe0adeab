"""Frame by frame, from an empty doorway to a Match. Staged, so that nobody there costs little.

idle, far   the detector alone, on every n-th frame
near        the largest face only: landmarks on every frame, the detector on every sixth; bystanders' faces are
            never meshed or embedded
checking    the face is near, frontal, sharp and well lit: liveness and templates go to the vote; at a camera's
            pace every second frame is only skimmed
resting     a conclusion fell; nothing more until the face leaves or the rest is over
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter, thread_time

import numpy as np

from appliance.facts import Face, Frame, Match, Pixels, Surround, Vector
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision import quality
from appliance.vision.align import CROP, Roi, crop, face_of_mesh
from appliance.vision.gallery import Gallery, threshold
from appliance.vision.glimpse import Glimpse
from appliance.vision.liveness import SurroundMotion
from appliance.vision.quality import Hint
from appliance.vision.stages import VisionModels
from appliance.vision.vote import Rest, Rules, Sighting, Vote, same_place

__all__ = ["Chain", "Glimpse", "VisionModels"]

DETECT_STRIDE = 6
"""While a face is followed by its landmarks the detector looks on every sixth frame (0.2 s) for who else is there. The
followed one's identity does not hang on this: landmarks, place and template must go on from frame to frame."""
APPROACH = 0.75
"""From this share of the near width on the detector runs on every frame, so that `since` is the true start."""
LEAVE = 0.9
"""A face is followed down to this share of the near width, but judged only from the whole of it on: the passive
network is not to be trusted below."""
RIVAL = 0.8
"""A second near face this share of the first one's width leaves open who is asking."""
SHORT_RANGE_EVERY = 5
"""Of the looks at an idle scene: the short-range model sees who fills the picture."""
EXPECT_SECONDS = 1.0
"""After a near face was seen its absence is checked with the short-range model for this long."""
SKIM_SECONDS = 0.05
"""At this pace or faster, frames that need no template are skimmed: every second one while a vote is on."""
FOLLOW_SECONDS = 0.35
"""A longer gap between frames ends following: who is there may have changed."""


@dataclass(slots=True)
class _Visit:
    """One face that is followed. Ends whenever it may have become another."""

    face: Face
    last: float
    """Monotonic seconds of the last frame it was followed in."""
    undetected: int = 0
    """Frames since the detector saw it."""
    skimmed: bool = False
    """Whether the last frame was not looked at in full."""
    vote: Vote | None = None
    motion: SurroundMotion = field(default_factory=SurroundMotion)
    cpu_ms: float = 0.0
    """Processor time since the vote began."""


class Chain:
    """Holds the models and one visit at a time. One thread."""

    def __init__(
        self, models: VisionModels, gallery: Gallery, recognition: RecognitionConfig, liveness: LivenessConfig
    ) -> None:
        self._models = models
        self._recognition = recognition
        self._near_px = recognition.near_face_px
        self._rules = Rules(
            votes=recognition.votes,
            window=recognition.window,
            margin=recognition.margin,
            passive_threshold=liveness.passive_threshold,
            passive_frames=liveness.passive_frames,
            surround=liveness.surround,
        )
        self._visit: _Visit | None = None
        self._rest: Rest | None = None
        self._faces: list[Face] = []
        self._unlooked = recognition.idle_stride  # so that the very first frame is looked at
        self._empty_looks = 0
        self._near_seen = float("-inf")
        self._took: dict[str, float] = {}
        self._aligned = np.empty((CROP, CROP, 3), np.uint8)
        self.set_gallery(gallery)

    @property
    def model(self) -> str:
        """The embedder's id, which the gallery's templates must bear."""
        return self._models.stages.embedder.id

    @property
    def threshold(self) -> float:
        """The cosine that a fused probe must reach with the present gallery."""
        return self._threshold

    def set_gallery(self, gallery: Gallery) -> None:
        """From the next step on; a vote under way goes on with it."""
        self._gallery = gallery
        table = self._models.stages.embedder.fmr_table
        self._threshold = threshold(table, len(gallery), self._recognition.target_fpir)

    def step(self, frame: Frame) -> Glimpse:
        """Look at one frame. Frames come in order; a gap, or one out of order, ends the visit."""
        begun = thread_time()
        visit = self._visit
        if visit is not None and not 0 < frame.taken_at - visit.last <= FOLLOW_SECONDS:
            visit = self._visit = None
        glimpse = self._look(frame) if visit is None else self._follow(frame, visit)
        visit = self._visit
        if visit is None or visit.vote is None:
            return glimpse
        visit.cpu_ms += (thread_time() - begun) * 1e3
        if glimpse.match is None:
            return glimpse
        self._visit = None
        self._rest = Rest(visit.face, frame.taken_at, self._recognition.rest_seconds)
        return replace(glimpse, match=replace(glimpse.match, compute_ms=visit.cpu_ms))

    # Nobody is followed.

    def _look(self, frame: Frame) -> Glimpse:
        """The detector alone, as often as the scene deserves."""
        self._unlooked += 1
        if self._unlooked < self._stride():
            return self._waiting(frame)
        faces = self._detect(frame, self._expected(frame.taken_at))
        nearest = faces[0] if faces and faces[0].width >= self._near_px else None
        self._empty_looks = 0 if faces else self._empty_looks + 1
        if self._rest is not None and not self._rest.over(frame.taken_at, nearest):
            return self._waiting(frame)
        self._rest = None
        if nearest is None:
            return self._waiting(frame)
        return self._begin(frame, nearest)

    def _stride(self) -> int:
        """Frames from one look to the next."""
        approaching = any(face.width >= APPROACH * self._near_px for face in self._faces)
        return 1 if approaching and self._rest is None else self._recognition.idle_stride

    def _expected(self, at: float) -> bool:
        return at - self._near_seen <= EXPECT_SECONDS or self._empty_looks % SHORT_RANGE_EVERY == SHORT_RANGE_EVERY - 1

    def _waiting(self, frame: Frame) -> Glimpse:
        largest = self._faces[0] if self._faces else None
        if self._rest is not None:
            return self._glimpse(frame, "resting", largest)
        if largest is None:
            return self._glimpse(frame, "idle", None)
        return self._glimpse(frame, "far", largest, Hint.COME_CLOSER)

    def _begin(self, frame: Frame, face: Face) -> Glimpse:
        """Follow `face`, which the detector has just seen, from nothing."""
        self._visit = _Visit(face, frame.taken_at)
        return self._inspect(frame, self._visit, Roi.of_face(face))

    # Somebody is.

    def _follow(self, frame: Frame, visit: _Visit) -> Glimpse:
        """The same face one frame on; or the end of the visit."""
        gap, visit.last = frame.taken_at - visit.last, frame.taken_at
        visit.undetected += 1
        visit.skimmed = not visit.skimmed and gap <= SKIM_SECONDS
        if visit.skimmed and visit.vote is not None and visit.face.mesh is not None:
            wanted = visit.vote.wants(frame.taken_at, visit.motion.verdict)
            if not wanted.template:
                return self._skim(frame, visit, visit.vote, visit.face.mesh if wanted.passive else None)
        visit.skimmed = False
        if visit.face.mesh is not None and visit.undetected < DETECT_STRIDE:
            return self._inspect(frame, visit, Roi.of_mesh(visit.face.mesh))
        visit.undetected = 0
        faces = self._detect(frame, expected=True)
        if not faces or faces[0].width < LEAVE * self._near_px:
            self._visit = None
            return self._waiting(frame)
        if not same_place(visit.face, faces[0]):
            return self._begin(frame, faces[0])
        return self._inspect(frame, visit, Roi.of_face(faces[0]))

    def _inspect(self, frame: Frame, visit: _Visit, roi: Roi) -> Glimpse:
        """Landmarks and gates; a face that passes them goes to the vote."""
        self._near_seen = frame.taken_at
        with self._timed("mesh"):
            mesh = self._models.stages.landmarker.find(frame.pixels, roi)
        if mesh is None:
            visit.face, visit.vote = replace(visit.face, mesh=None), None
            return self._glimpse(frame, "near", visit.face, Hint.LOOK_STRAIGHT)
        face = face_of_mesh(mesh, visit.face.score)
        if not same_place(visit.face, face):
            visit.vote = None
        visit.face = face
        hint = self._place_hint(face, frame.pixels) or quality.pose_hint(quality.pose(mesh))
        if hint is not None:
            return self._glimpse(frame, "near", face, hint)
        with self._timed("align"):
            aligned = crop(frame.pixels, mesh, self._aligned)
            hint = quality.light_hint(quality.light(aligned))
        if hint is not None:
            return self._glimpse(frame, "near", face, hint)
        return self._check(frame, visit, mesh, aligned)

    def _place_hint(self, face: Face, pixels: Pixels) -> Hint | None:
        rival_px = max(self._near_px, RIVAL * face.width)
        if any(other.width >= rival_px for other in self._faces[1:]):
            return Hint.ONE_PERSON
        return quality.place_hint(face, (pixels.shape[0], pixels.shape[1]), self._near_px)

    def _check(self, frame: Frame, visit: _Visit, mesh: Vector, aligned: Pixels) -> Glimpse:
        """Measure what the vote wants of a good frame and hand it over."""
        at = frame.taken_at
        vote = visit.vote
        if vote is None or not vote.continues(at, None):
            vote = self._new_vote(visit, at)
        surround = self._surround(visit, frame.pixels, mesh)
        wanted = vote.wants(at, surround)
        template = self._embed(aligned) if wanted.template else None
        if not vote.continues(at, template):  # another face in the same place
            vote = self._new_vote(visit, at)
            surround = self._surround(visit, frame.pixels, mesh)
            wanted = vote.wants(at, surround)
        passive = self._passive(frame.pixels, mesh) if wanted.passive else None
        with self._timed("match"):
            match = vote.add(Sighting(at, passive, surround, template), self._gallery, self._threshold)
        return self._tallied(frame, visit, vote, match)

    def _tallied(self, frame: Frame, visit: _Visit, vote: Vote, match: Match | None = None) -> Glimpse:
        candidate = vote.tally.candidate
        return replace(
            self._glimpse(frame, "checking", visit.face),
            score=candidate.score if candidate.person else None,
            liveness=vote.verdict,
            votes=vote.tally.votes,
            person=candidate.person if vote.tally.agreed else None,
            match=match,
        )

    def _skim(self, frame: Frame, visit: _Visit, vote: Vote, mesh: Vector | None) -> Glimpse:
        """A frame between two that are looked at in full: the passive score where the face just was, or nothing.

        The network takes in 2.7 face widths and does not mind a fifth of one: its scores on the development set stay.
        """
        if mesh is None:
            return self._tallied(frame, visit, vote)
        passive = self._passive(frame.pixels, mesh)
        seen = Sighting(frame.taken_at, passive, visit.motion.verdict)
        return self._tallied(frame, visit, vote, vote.add(seen, self._gallery, self._threshold))

    def _new_vote(self, visit: _Visit, at: float) -> Vote:
        visit.vote = Vote(self._rules, self.model, at)
        visit.motion = SurroundMotion()
        visit.cpu_ms = 0.0
        return visit.vote

    # Stages, timed.

    def _detect(self, frame: Frame, expected: bool) -> list[Face]:
        self._unlooked = 0
        with self._timed("detect"):
            self._faces = self._models.stages.detector.find(frame.pixels, expected)
        return self._faces

    def _surround(self, visit: _Visit, pixels: Pixels, mesh: Vector) -> Surround:
        if self._rules.surround:
            with self._timed("surround"):
                visit.motion.add(pixels, mesh)
        return visit.motion.verdict

    def _passive(self, pixels: Pixels, mesh: Vector) -> float:
        with self._timed("liveness"):
            return self._models.passive.score(pixels, mesh)

    def _embed(self, aligned: Pixels) -> Vector:
        with self._timed("embed"):
            return self._models.stages.embedder.embed(aligned)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begun = perf_counter()
        yield
        self._took[stage] = (perf_counter() - begun) * 1e3

    def _glimpse(self, frame: Frame, stage: str, face: Face | None, hint: Hint | None = None) -> Glimpse:
        height, width = frame.pixels.shape[:2]
        box = (face.x / width, face.y / height, face.width / width, face.height / height) if face else None
        return Glimpse(stage, len(self._faces), hint, box, threshold=self._threshold, stages_ms=dict(self._took))
