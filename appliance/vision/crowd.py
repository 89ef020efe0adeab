"""Everybody in view: whose face is whose from look to look, who is next to be asked, who rests. Pure.

Faces are told apart by place and time alone. Only a face that has been asked is ever known by its template.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import hypot, inf

from appliance.facts import Face
from appliance.vision.intent import APPROACH, may_look
from appliance.vision.rest import Rest

LEAST_OVERLAP = 0.4
MOST_GROWTH = 1.4
AWAY_SECONDS = 0.7
"""Unseen for this long a face has left: a few looks of the detector may miss it."""
LINK_WIDTHS = 0.8
LINK_GROWTH = 1.6
"""From one look to the next a face that walks by moves and grows by no more than this. Wider than `same_place`: a face
that jumped is the same one for counting heads, but proves nothing about identity."""
GROWTH_SECONDS = 1.0


def same_place(before: Face, after: Face) -> bool:
    """Whether two boxes, a few frames apart, can be one head: large overlap and like size."""
    wide = max(0.0, min(before.x + before.width, after.x + after.width) - max(before.x, after.x))
    high = max(0.0, min(before.y + before.height, after.y + after.height) - max(before.y, after.y))
    common = wide * high
    union = before.width * before.height + after.width * after.height - common
    growth = after.width / max(before.width, 1e-6)
    return common >= LEAST_OVERLAP * union and 1 / MOST_GROWTH <= growth <= MOST_GROWTH


def distance(one: Face, other: Face) -> float:
    """Between the middles of two faces, in pixels."""
    return hypot(one.x + one.width / 2 - other.x - other.width / 2, one.y + one.height / 2 - other.y - other.height / 2)


@dataclass(slots=True, eq=False)
class Track:
    """One head for as long as it stays in view."""

    face: Face
    first: Face
    began: float
    seen: float
    """Monotonic seconds of its first and last look."""
    looking_since: float | None = None
    """Since when it has been near, or nearly, and looked at the camera without a break."""
    rest: Rest | None = None
    """Since it was decided upon."""
    named_at: float = -inf
    """When a decision named this one's person, alive."""
    passed: bool = False
    """Whether it was seen to go out of the view beside the camera."""
    widths: list[tuple[float, float]] = field(default_factory=list)
    """Time and width of the looks of the last GROWTH_SECONDS."""

    def moved(self, at: float, face: Face) -> None:
        """Seen again at `at`."""
        if not same_place(self.face, face):
            self.rest, self.looking_since = None, None
        self.face, self.seen = face, at
        self.widths = [(when, width) for when, width in self.widths if at - when <= GROWTH_SECONDS]
        self.widths.append((at, face.width))

    def look(self, at: float, looking: bool) -> None:
        """Count the dwell on, or end it."""
        if not looking:
            self.looking_since = None
        elif self.looking_since is None:
            self.looking_since = at

    def dwelt(self, at: float) -> float:
        """Seconds it has looked at the camera."""
        return at - self.looking_since if self.looking_since is not None else -inf

    def resting(self, at: float) -> bool:
        """Whether it is left alone."""
        return self.rest is not None and not self.rest.over(at)


class Crowd:
    """The heads in view. Looks come in order of time."""

    def __init__(self, near_px: float, gaze_degrees: float) -> None:
        self._near_px = near_px
        self._gaze = gaze_degrees
        self.tracks: list[Track] = []

    def see(self, at: float, faces: Sequence[Face]) -> list[Track]:
        """A look of the detector; returns those who have left by now."""
        linked: dict[int, Track] = {}
        for _, track, index in sorted(_links(self.tracks, faces), key=lambda link: link[0]):
            if index not in linked and track not in linked.values():
                linked[index] = track
        for index, face in enumerate(faces):
            if index in linked:
                linked[index].moved(at, face)
            else:
                self.tracks.append(Track(face, face, at, at, widths=[(at, face.width)]))
        for track in self.tracks:
            if track.seen == at:
                near = track.face.width >= APPROACH * self._near_px
                track.look(at, near and may_look(track.face, self._gaze))
        gone = [track for track in self.tracks if at - track.seen >= AWAY_SECONDS]
        self.tracks = [track for track in self.tracks if at - track.seen < AWAY_SECONDS]
        return gone

    def next(self, at: float) -> Track | None:
        """Of those seen at `at`, the nearest who is near, may look at the camera and does not rest."""
        asking = (
            track
            for track in self.tracks
            if track.seen == at
            and track.face.width >= self._near_px
            and track.looking_since is not None
            and not track.resting(at)
        )
        return max(asking, key=lambda track: track.face.width, default=None)

    def resting(self, at: float) -> Track | None:
        """Of those who were decided upon and are near, the nearest."""
        near = (track for track in self.tracks if track.resting(at) and track.face.width >= self._near_px)
        return max(near, key=lambda track: track.face.width, default=None)

    def approached(self, at: float) -> bool:
        """Whether somebody who does not rest is near, or nearly."""
        return any(track.face.width >= APPROACH * self._near_px and not track.resting(at) for track in self.tracks)


def _links(tracks: Iterable[Track], faces: Sequence[Face]) -> list[tuple[float, Track, int]]:
    """Which face of this look may be which head, with how far it would have moved, in face widths."""
    found = []
    for track in tracks:
        for index, face in enumerate(faces):
            wide = max(track.face.width, face.width, 1e-6)
            growth = face.width / max(track.face.width, 1e-6)
            moved = distance(track.face, face) / wide
            if moved <= LINK_WIDTHS and 1 / LINK_GROWTH <= growth <= LINK_GROWTH:
                found.append((moved, track, index))
    return found
