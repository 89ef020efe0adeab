"""After a decision the same face is left alone, twice as long each time if it stays. Pure.

So a poster cannot fill the record, while whoever was refused may try again soon after changing something: coming
nearer, lowering a mask. A new face in the same place does not rest at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.facts import Face, Vector

SAME_FACE_COSINE = 0.55
"""A template at least this close to those of the visit before it is the same face's. Living people of NUAA: at
least 0.81 from one stored frame to the next, 0.66 from the first to any; strangers reach 0.48 once in 100,000 pairs."""
SAME_LOOK_COSINE = 0.75
"""Below this the same face has changed its look (a mask, glasses); NUAA's fused templates stay above 0.8."""
NEARER = 1.15
"""Growth of a face that has come nearer since it was decided upon."""
STILL_WIDTHS, STILL_GROWTH = 0.08, 1.06
"""A thing on the wall that the detector lost for a moment comes back within this; hardly ever a person."""
CHECK_SECONDS = 1.0
"""How often a resting face is looked at, whether it is still the same one."""


@dataclass(slots=True, eq=False)
class Rest:
    """Of one face that was decided upon."""

    face: Face
    """Where it was then."""
    template: Vector
    """(160,) float32 of length 1: what was seen of it. In memory only, and only as long as `Rests` keeps it."""
    at: float
    """Monotonic seconds of the decision."""
    ordinary: float
    """Seconds of an ordinary rest."""
    seconds: float
    """Seconds of this one."""
    checked: float
    seen: float
    changed: bool = False
    """Whether its look or its distance has changed since: then the ordinary rest is enough."""

    def over(self, at: float) -> bool:
        """Whether it may be asked again."""
        return at - self.at >= (self.ordinary if self.changed else self.seconds)

    def still_there(self, at: float, face: Face) -> None:
        """Its head was seen again."""
        self.seen = at
        self.changed = self.changed or face.width >= NEARER * self.face.width

    def due(self, at: float) -> bool:
        """Whether it is time to look who it is."""
        return at - self.checked >= CHECK_SECONDS

    def same(self, at: float, template: Vector) -> bool:
        """Take a fresh template of the face in this place; False: it is another's."""
        self.checked = at
        near = float(template @ self.template)
        self.changed = self.changed or not near >= SAME_LOOK_COSINE
        return near >= SAME_FACE_COSINE


class Rests:
    """The faces decided upon lately. Forgets each when it has been gone for the longest rest."""

    def __init__(self, ordinary: float, longest: float) -> None:
        self._ordinary = ordinary
        self._longest = max(ordinary, longest)
        self._known: list[Rest] = []

    def begin(self, face: Face, template: Vector, at: float) -> Rest:
        """After a decision. Twice as long as the last one if it is the same face, unless that had changed."""
        self._forget(at)
        before = self._like(template)
        seconds = self._ordinary
        if before is not None:
            seconds = self._ordinary if before.changed else min(2 * before.seconds, self._longest)
            self._known.remove(before)
        rest = Rest(face, template, at, self._ordinary, seconds, at, at)
        self._known.append(rest)
        return rest

    def unmoved(self, face: Face, template: Vector, at: float) -> Rest | None:
        """The rest that goes on: of the same face, in exactly the same place, as only a thing comes back."""
        self._forget(at)
        rest = self._like(template)
        if rest is None or rest.over(at):
            return None
        beside = max(abs(face.x + face.width / 2 - rest.face.x - rest.face.width / 2),
                     abs(face.y + face.height / 2 - rest.face.y - rest.face.height / 2))  # fmt: skip
        growth = face.width / max(rest.face.width, 1e-6)
        there = beside <= STILL_WIDTHS * rest.face.width and 1 / STILL_GROWTH <= growth <= STILL_GROWTH
        return rest if there else None

    def _like(self, template: Vector) -> Rest | None:
        return _nearest(template, (rest for rest in self._known))

    def _forget(self, at: float) -> None:
        self._known = [rest for rest in self._known if at - rest.seen <= self._longest]


def _nearest(template: Vector, rests: Iterable[Rest]) -> Rest | None:
    alike = [rest for rest in rests if float(template @ rest.template) >= SAME_FACE_COSINE]
    return max(alike, key=lambda rest: float(template @ rest.template), default=None)
