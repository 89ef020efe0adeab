"""Did somebody else go through, behind the one who was let in? Pure, by the boxes of heads alone; nobody is embedded.

Counts a near head that leaves the view beside the camera, within 10 s of a decision that named somebody else or of
another near head leaving. It does not count who walks away (grows smaller, or turns round where they stand), nor the
one who was decided upon, nor what may be the same head seen anew.
"""

from collections.abc import Iterable, Sequence
from math import inf

from appliance.facts import Face, Passing
from appliance.vision.crowd import AWAY_SECONDS, Track, distance

AFTER_SECONDS = 10.0
GREW = 1.1
"""Growth within the last second of a head that comes towards the camera until it is out of view."""
SHRANK = 0.93
"""A head that has shrunk to this share within the last second walks away."""
SHRANK_CUT = 0.85
"""The same for a head that the frame's edge cuts: its box is measured narrower than it is, by 7 to 9 % where 4 of 40
people of LFW, drawn walking past, went uncounted."""
EDGE_WIDTHS = 0.35
"""A head whose box ends this near the frame's edge is about to leave the picture there."""
ANEW_WIDTHS, ANEW_SECONDS = 1.5, 2.0
"""A head that appears this near to where one was, this soon, may be the same one, lost and found."""
LEAST_LOOKS = 3
"""A head seen less often may be no head."""


class Doorway:
    """Keeps who left, and when somebody was let in, for AFTER_SECONDS."""

    def __init__(self, near_px: float) -> None:
        self._near_px = near_px
        self._named_at = -inf
        self._left: list[Track] = []
        self._passed_at = -inf

    def named(self, track: Track, at: float) -> None:
        """A decision named the person of `track`, alive."""
        track.named_at = self._named_at = at

    def gone(
        self, at: float, tracks: Iterable[Track], present: Sequence[Track], width: int, height: int
    ) -> Passing | None:
        """Some have left the view, others are `present`, in frames of `width` x `height` pixels."""
        self._left = [one for one in self._left if at - one.seen <= ANEW_SECONDS + AWAY_SECONDS]
        for track in (*present, *tracks):
            # One who is lost and found is still the one who was let in, or who has been counted already.
            for one in self._left:
                if _anew(one, track):
                    track.named_at, track.passed = max(track.named_at, one.named_at), track.passed or one.passed
        others = []
        for track in sorted(tracks, key=lambda one: one.seen):
            self._left.append(track)
            if track.passed or self._lost(track, present) or not self._passes(track, width, height):
                continue
            followed = track.seen - max(self._named_at, self._passed_at) <= AFTER_SECONDS
            track.passed, self._passed_at = True, track.seen
            if followed and track.named_at == -inf:
                others.append(track)
        return Passing(others[-1].seen, len(others)) if others else None

    def _passes(self, track: Track, width: int, height: int) -> bool:
        """Near at the last look, not walking away, and on its way out of the picture beside the camera."""
        if track.face.width < self._near_px or len(track.widths) < LEAST_LOOKS:
            return False
        widest = max(width for _, width in track.widths)
        least = min(width for _, width in track.widths)
        cut = _beyond(track.face, width, height, 0.0)
        if track.face.width < (SHRANK_CUT if cut else SHRANK) * widest:
            return False
        return track.face.width >= GREW * least or _beyond(track.face, width, height, EDGE_WIDTHS * track.face.width)

    @staticmethod
    def _lost(track: Track, present: Iterable[Track]) -> bool:
        """Whether it is still here under another track."""
        return any(_anew(track, one) for one in present)


def _anew(before: Track, after: Track) -> bool:
    """Whether `after` may be the head of `before`, lost and found: it appeared where that one was, soon after."""
    soon = -AWAY_SECONDS <= after.began - before.seen <= ANEW_SECONDS and after.began > before.began
    like = after.first.width >= 0.6 * before.face.width
    return soon and like and distance(before.face, after.first) <= ANEW_WIDTHS * before.face.width


def _beyond(face: Face, width: int, height: int, room: float) -> bool:
    """Whether the box comes nearer than `room` px to the frame's left, right or lower edge, or crosses it."""
    return face.x <= room or face.x + face.width >= width - room or face.y + face.height >= height - room
