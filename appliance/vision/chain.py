"""Frame by frame, from an empty doorway to a Match. Staged, so that nobody there costs little.

idle, far   the detector alone, on every n-th frame
near        the nearest face that looks at the camera, and nobody else's: landmarks on every frame, the detector on
            every sixth; until it has looked for the dwell it is not embedded
checking    the face is near, frontal, sharp and well lit: liveness and templates go to the vote; at a camera's
            pace every second frame is only skimmed; at level `high` the head is turned as asked, then voted on again
resting     everybody near has been decided upon; a newcomer, or whoever changes, is asked
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random, SystemRandom
from time import thread_time

from appliance.facts import Face, Frame, Match, Passing, Pixels, Vector
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision import quality
from appliance.vision.align import Roi, face_of_mesh
from appliance.vision.bench import Bench
from appliance.vision.challenge import HeadTurns
from appliance.vision.crowd import Crowd, Track, same_place
from appliance.vision.gallery import Gallery
from appliance.vision.glimpse import Glimpse
from appliance.vision.intent import looks
from appliance.vision.judge import Judge
from appliance.vision.passing import Doorway
from appliance.vision.quality import Hint
from appliance.vision.recheck import recheck
from appliance.vision.rest import Rests
from appliance.vision.stages import VisionModels
from appliance.vision.visit import Visit
from appliance.vision.vote import Rules, Vote

__all__ = ["Chain", "Glimpse", "VisionModels"]

DETECT_STRIDE = 6
"""While a face is followed by its landmarks the detector looks on every sixth frame (0.2 s) for who else is there. The
followed one's identity does not hang on this: landmarks, place and template must go on from frame to frame."""
LEAVE = 0.9
"""A face is followed down to this share of the near width, but judged only from the whole of it on: the passive
network is not to be trusted below."""
NEARER = 1.25
"""Somebody whose face is wider by this factor than the one being asked has stepped in front, and is asked instead."""
SHORT_RANGE_EVERY = 5
"""Of the looks at an idle scene: the short-range model sees who fills the picture."""
EXPECT_SECONDS = 1.0
"""After a near face was seen its absence is checked with the short-range model for this long."""
SKIM_SECONDS = 0.05
"""At this pace or faster, frames that need no template are skimmed: every second one while a vote is on."""
FOLLOW_SECONDS = 0.35
"""A longer gap between frames ends following: who is there may have changed."""


class Chain:
    """Holds the models and one visit at a time. One thread."""

    def __init__(
        self,
        models: VisionModels,
        gallery: Gallery,
        recognition: RecognitionConfig,
        liveness: LivenessConfig,
        random: Callable[[], Random] = SystemRandom,
    ) -> None:
        """`random` makes the prompts; only a test may know what comes."""
        self._bench = Bench(models)
        self._recognition = recognition
        self._near_px = recognition.near_face_px
        self._visit: Visit | None = None
        self._crowd = Crowd(recognition.near_face_px, recognition.gaze_degrees)
        self._doorway = Doorway(recognition.near_face_px)
        self._rests = Rests(recognition.rest_seconds, recognition.rest_longest_seconds)
        rules = Rules.of(recognition, liveness)
        self._judge = Judge(self._bench, rules, recognition.target_fpir, self._rests, random())
        self._faces: list[Face] = []
        self._passing: Passing | None = None
        self._unlooked = recognition.idle_stride  # so that the very first frame is looked at
        self._empty_looks = 0
        self._near_seen = float("-inf")
        self.set_gallery(gallery)

    @property
    def model(self) -> str:
        """The embedder's id, which the gallery's templates must bear."""
        return self._bench.model

    @property
    def threshold(self) -> float:
        """The cosine that a fused probe must reach with the present gallery."""
        return self._judge.threshold

    def set_gallery(self, gallery: Gallery, site: Sequence[tuple[float, float]] = ()) -> None:
        """From the next step on; a vote under way goes on with it. `site`: the site's own table, if calibrated."""
        self._judge.set_gallery(gallery, site)

    def step(self, frame: Frame) -> Glimpse:
        """Look at one frame. Frames come in order; a gap, or one out of order, ends the visit."""
        begun, self._passing = thread_time(), None
        visit = self._visit
        if visit is not None and not 0 < frame.taken_at - visit.last <= FOLLOW_SECONDS:
            visit = self._visit = None
        glimpse = self._look(frame) if visit is None else self._follow(frame, visit)
        visit = self._visit
        if visit is not None and visit.vote is not None:
            visit.cpu_ms += (thread_time() - begun) * 1e3
            if glimpse.match is not None:
                glimpse = self._concluded(frame, visit, visit.vote, glimpse, glimpse.match)
        return glimpse if self._passing is None else replace(glimpse, passing=self._passing)

    # Nobody is followed.

    def _look(self, frame: Frame) -> Glimpse:
        """The detector alone, as often as the scene deserves."""
        self._unlooked += 1
        if self._unlooked < self._stride(frame.taken_at):
            return self._waiting(frame)
        self._detect(frame, self._expected(frame.taken_at))
        self._empty_looks = 0 if self._faces else self._empty_looks + 1
        return self._next(frame)

    def _next(self, frame: Frame) -> Glimpse:
        """Ask whoever is to be asked now, as the detector has just seen."""
        self._visit = None
        for seen in self._crowd.tracks:
            if seen.seen == frame.taken_at:
                recheck(self._bench, seen, frame, self._near_px, self._recognition.gaze_degrees)
        track = self._crowd.next(frame.taken_at)
        return self._waiting(frame) if track is None else self._begin(frame, track)

    def _stride(self, at: float) -> int:
        """Frames from one look to the next."""
        return 1 if self._crowd.approached(at) else self._recognition.idle_stride

    def _expected(self, at: float) -> bool:
        return at - self._near_seen <= EXPECT_SECONDS or self._empty_looks % SHORT_RANGE_EVERY == SHORT_RANGE_EVERY - 1

    def _waiting(self, frame: Frame) -> Glimpse:
        resting = self._crowd.resting(frame.taken_at)
        if resting is not None:
            return self._glimpse(frame, "resting", resting.face)
        if not self._faces:
            return self._glimpse(frame, "idle", None)
        if self._faces[0].width >= self._near_px:
            return self._glimpse(frame, "near", self._faces[0], Hint.LOOK_STRAIGHT)
        return self._glimpse(frame, "far", self._faces[0], Hint.COME_CLOSER)

    def _begin(self, frame: Frame, track: Track) -> Glimpse:
        """Follow whom the detector has just seen, from nothing."""
        self._visit = Visit(track, frame.taken_at, track.face)
        return self._inspect(frame, self._visit, Roi.of_face(track.face))

    # Somebody is.

    def _follow(self, frame: Frame, visit: Visit) -> Glimpse:
        """The same face one frame on; or the end of the visit."""
        gap, visit.last = frame.taken_at - visit.last, frame.taken_at
        visit.undetected += 1
        mesh = visit.face.mesh
        visit.skimmed = not visit.skimmed and gap <= SKIM_SECONDS and visit.turns is None
        skimmed = self._skim(frame, visit) if visit.skimmed else None
        if skimmed is not None:
            return skimmed
        visit.skimmed = False
        if mesh is not None and visit.undetected < DETECT_STRIDE:
            return self._inspect(frame, visit, Roi.of_mesh(mesh))
        visit.undetected = 0
        self._detect(frame, expected=True)
        own = visit.track
        if own.seen != frame.taken_at:
            if visit.turns is not None and mesh is not None:  # a head that is turned far escapes the detector
                return self._inspect(frame, visit, Roi.of_mesh(mesh))
            return self._next(frame)
        if own.face.width < LEAVE * self._near_px or not same_place(visit.face, own.face) or self._ousted(frame, visit):
            return self._next(frame)
        return self._inspect(frame, visit, Roi.of_face(own.face))

    def _ousted(self, frame: Frame, visit: Visit) -> bool:
        """Whether somebody else is asking rather than this one: nearer by far, or looking while this one does not."""
        other = self._crowd.next(frame.taken_at)
        if other is None or other is visit.track or visit.turns is not None:
            return False
        return other.face.width >= NEARER * visit.face.width or visit.track.looking_since is None

    def _inspect(self, frame: Frame, visit: Visit, roi: Roi) -> Glimpse:
        """Landmarks and gates; a face that passes them goes to the vote."""
        self._near_seen, visit.good = frame.taken_at, False
        mesh = self._bench.mesh(frame.pixels, roi)
        if mesh is None:
            visit.face, visit.vote, visit.turns, visit.before = replace(visit.face, mesh=None), None, None, None
            return self._glimpse(frame, "near", visit.face, Hint.LOOK_STRAIGHT)
        face = face_of_mesh(mesh, visit.face.score)
        if not same_place(visit.face, face):
            visit.vote = visit.turns = visit.before = None
        visit.face = face
        visit.track.moved(frame.taken_at, face)
        pose = quality.pose(mesh)
        if visit.turns is not None:
            return self._turning(frame, visit, visit.turns, pose.yaw)
        looking = looks(pose, self._recognition.gaze_degrees)
        visit.track.look(frame.taken_at, looking)
        hint = quality.place_hint(face, (frame.pixels.shape[0], frame.pixels.shape[1]), self._near_px)
        if hint is not None or not looking:
            return self._glimpse(frame, "near", face, hint or Hint.LOOK_STRAIGHT)
        aligned, hint = self._bench.aligned(frame.pixels, mesh)
        if hint is not None:
            return self._glimpse(frame, "near", face, hint)
        visit.good = True
        if visit.vote is None and visit.track.dwelt(frame.taken_at) < self._recognition.dwell_seconds:
            return self._glimpse(frame, "near", face)
        return self._check(frame, visit, mesh, aligned)

    def _check(self, frame: Frame, visit: Visit, mesh: Vector, aligned: Pixels) -> Glimpse:
        """A good frame goes to the vote."""
        checked = self._judge.check(frame, visit, mesh, aligned)
        if checked is None:
            self._visit = None
            return self._glimpse(frame, "resting", visit.face)
        return self._tallied(frame, visit, *checked)

    def _tallied(self, frame: Frame, visit: Visit, vote: Vote, match: Match | None = None) -> Glimpse:
        candidate = vote.tally.candidate
        return replace(
            self._glimpse(frame, "checking", visit.face),
            score=candidate.score if candidate.person else None,
            liveness=vote.verdict,
            votes=vote.tally.votes,
            person=candidate.person if vote.tally.agreed else None,
            match=match,
        )

    def _skim(self, frame: Frame, visit: Visit) -> Glimpse | None:
        """A frame between two that are looked at in full, or None where this one is needed in full too."""
        at, vote, mesh = frame.taken_at, visit.vote, visit.face.mesh
        if mesh is None:
            return None
        if vote is None:
            dwells = visit.good and visit.track.dwelt(at) < self._recognition.dwell_seconds
            return self._glimpse(frame, "near", visit.face) if dwells else None
        wanted = vote.wants(at, visit.surround)
        if wanted.template:
            return None
        return self._tallied(frame, visit, vote, self._judge.skim(frame, visit, vote, wanted, mesh))

    # The head is to be turned, or all is said.

    def _concluded(self, frame: Frame, visit: Visit, vote: Vote, glimpse: Glimpse, match: Match) -> Glimpse:
        """The end of the visit, unless the level asks for more."""
        if self._judge.asks_more(visit, vote, match, frame.taken_at):
            return replace(glimpse, match=None, hint=Hint.LOOK_STRAIGHT)
        return replace(glimpse, match=self._ended(frame, visit, vote, match))

    def _ended(self, frame: Frame, visit: Visit, vote: Vote, match: Match) -> Match:
        at = frame.taken_at
        self._visit = None
        visit.track.rest = self._rests.begin(visit.face, vote.template, at)
        if match.person is not None and match.liveness.live:
            self._doorway.named(visit.track, at)
        return replace(match, compute_ms=visit.cpu_ms)

    def _turning(self, frame: Frame, visit: Visit, turns: HeadTurns, yaw: float) -> Glimpse:
        """One frame of the challenge."""
        vote, mesh = visit.vote, visit.face.mesh
        if vote is None or mesh is None:
            visit.turns = None
            return self._glimpse(frame, "near", visit.face, Hint.LOOK_STRAIGHT)
        match = self._judge.turn(frame, visit, turns, mesh, yaw)
        shown = replace(self._tallied(frame, visit, vote), challenge=turns.prompt)
        if match is not None:
            return replace(shown, liveness=match.liveness, match=self._ended(frame, visit, vote, match))
        return shown if shown.challenge else replace(shown, hint=Hint.LOOK_STRAIGHT)

    # Looks and words.

    def _detect(self, frame: Frame, expected: bool) -> None:
        self._unlooked = 0
        self._faces = self._bench.detect(frame.pixels, expected)
        gone = self._crowd.see(frame.taken_at, self._faces)
        height, width = frame.pixels.shape[:2]
        self._passing = self._doorway.gone(frame.taken_at, gone, self._crowd.tracks, width, height)

    def _glimpse(self, frame: Frame, stage: str, face: Face | None, hint: Hint | None = None) -> Glimpse:
        height, width = frame.pixels.shape[:2]
        box = (face.x / width, face.y / height, face.width / width, face.height / height) if face else None
        took = dict(self._bench.took)
        return Glimpse(stage, len(self._faces), hint, box, threshold=self.threshold, stages_ms=took)
