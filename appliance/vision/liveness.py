"""Layers against prints and screens: a passive network on each frame, and motion of what surrounds the head.

What they reach and what they do not: docs/evaluation.md and the README. Every layer fails closed.
"""

from dataclasses import dataclass, field
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.facts import Pixels, Surround, Vector
from appliance.vision.align import interocular
from appliance.vision.feed import Feed
from appliance.vision.models import Model

# The network was trained on another detector's boxes: the landmarks' hull, corrected to those, times 2.7.
HULL_WIDTH, HULL_HEIGHT, HULL_DOWN = 1.113, 1.004, 0.023
CONTEXT = 2.7

Plane = NDArray[np.complex128]


class PassiveNet:
    """A MiniFASNet-like classifier of one frame. Buffers are reused: not for two threads at a time."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._feed = Feed(model)
        self._crop = np.empty((self._feed.height, self._feed.width, 3), np.uint8)

    @property
    def id(self) -> str:
        """`sha256:` and 12 hex digits."""
        return f"sha256:{self._model.slot.sha256[:12]}"

    def score(self, pixels: Pixels, mesh: Vector) -> float:
        """0 (attack) to 1 (live) for the face of `mesh` in a (h, w, 3) uint8 BGR frame; 0 where it cannot tell."""
        left, top, right, bottom = context(mesh, pixels.shape[0], pixels.shape[1])
        size = (self._feed.width, self._feed.height)
        cv2.resize(pixels[top:bottom, left:right], size, dst=self._crop, interpolation=cv2.INTER_LINEAR)
        self._feed(self._crop)
        logits = self._model.invoke()[0][0]
        odds = np.exp(logits - logits.max())
        live = float(odds[0] / odds.sum())
        return live if np.isfinite(live) else 0.0


def context(mesh: Vector, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the head with its surround: shifted into the frame, never padded."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    hull_w, hull_h = (high - low).tolist()
    x, y = ((low + high) / 2).tolist()
    box_w, box_h = max(hull_w * HULL_WIDTH, 1.0), max(hull_h * HULL_HEIGHT, 1.0)
    scale = min(CONTEXT, (width - 1) / box_w, (height - 1) / box_h)
    wide, high_ = box_w * scale, box_h * scale
    left = min(max(x - wide / 2, 0.0), width - wide)
    top = min(max(y + HULL_DOWN * hull_h - high_ / 2, 0.0), height - high_)
    return int(left), int(top), int(left + wide), int(top + high_)


SMALL_SIDE = 160
"""Longer side, px, of the picture in which the surround is followed."""
RING_INNER, RING_OUTER, RING_BELOW = 1.65, 2.4, 0.5
"""The ring, in half axes of the landmarks' hull: outside hair and neck, and not below half a face height
under the middle, where shoulders move with a living head."""
FACE_OUTER = 0.9
"""The face's own corners are taken inside this share of the hull."""
SKULL_RISE = 0.1
"""The skull rises above the landmarks: the ring's middle is this share of a face height higher."""
LEAST_POINTS = 8
MOST_POINTS = 40
LEAST_MOTION = 0.05
"""Inter-ocular distances that the face must have moved (where the ring is) before its surround says anything."""
FOLLOWS = 0.5
"""Share of the face's motion that the surround makes too, from which they move as one. Development set, whole
sequences: living people at most 0.28, prints at least 0.61; single records: 4 % and 11 % on the wrong side."""
ROUND_TRIP_PX = 1.0


class SurroundMotion:
    """Does the surround move with the face? Follows corners in a ring round the head (pyramidal Lucas-Kanade).

    Only for a fixed camera. One visit each: a new visitor gets a new one.
    """

    def __init__(self) -> None:
        self._grey: Pixels | None = None
        self._eyes = 0.0
        self._points = _Points()
        self._shares: list[float] = []

    @property
    def share(self) -> float | None:
        """Median share of the face's motion that its surround made too; None: too little motion so far."""
        return median(self._shares) if self._shares else None

    @property
    def verdict(self) -> Surround:
        """By that share."""
        share = self.share
        if share is None:
            return Surround.ABSTAINS
        return Surround.STILL if share <= FOLLOWS else Surround.MOVES

    def add(self, pixels: Pixels, mesh: Vector) -> None:
        """The next frame, (h, w, 3) uint8 BGR, with the landmarks of the face in it."""
        scale = SMALL_SIDE / max(pixels.shape[:2])
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        # Bilinear aliases a little over a fourth, which corners survive; averaging costs 20 times as much.
        grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2GRAY)
        small = mesh[:, :2] * np.float32(scale)
        if self._grey is None or self._grey.shape != grey.shape:
            self._restart(grey, small)
            return
        self._points = self._points.followed(self._grey, grey)
        self._grey = grey
        share = self._share()
        if share is not None:
            self._shares.append(share)
        if share is not None or not self._points.enough:
            self._restart(grey, small)

    def _restart(self, grey: Pixels, mesh: Vector) -> None:
        height, width = grey.shape[:2]
        self._grey, self._eyes = grey, interocular(mesh)
        self._points = _Points.found(
            grey, ellipse_mask(mesh, height, width, 0.0, FACE_OUTER), ring(mesh, height, width)
        )

    def _share(self) -> float | None:
        """How much of the face's motion the surround made: 0 stays, 1 moves with it; None: too little to tell."""
        if not self._points.enough:
            return None
        start, now, expected = self._points.ring_motion()
        size = np.abs(expected - start)
        if float(size.mean()) < LEAST_MOTION * self._eyes:
            return None
        along = ((now - start) * (expected - start).conj()).real / np.maximum(size**2, 1e-6)
        return float(median(np.clip(along, -0.5, 1.5).tolist()))  # numpy's median would first import numpy.ma: 70 ms


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Corners followed from frame to frame; complex numbers, x + iy, in pixels of the small picture."""

    start: Plane = field(default_factory=lambda: np.empty(0, np.complex128))
    now: Plane = field(default_factory=lambda: np.empty(0, np.complex128))
    in_ring: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """Whether a corner belongs to the ring; otherwise it is the face's own."""

    @classmethod
    def found(cls, grey: Pixels, face: Pixels, ring_: Pixels) -> "_Points":
        """Corners inside each of two masks."""
        kinds = [_corners(grey, mask) for mask in (face, ring_)]
        points = np.concatenate(kinds)
        return cls(points, points, np.arange(len(points)) >= len(kinds[0]))

    @property
    def enough(self) -> bool:
        """Of both kinds."""
        ring_count = int(np.count_nonzero(self.in_ring))
        return min(ring_count, len(self.now) - ring_count) >= LEAST_POINTS

    def followed(self, before: Pixels, after: Pixels) -> "_Points":
        """Those that are found in the next frame, and from there back where they were."""
        if not len(self.now):
            return self
        points = np.stack([self.now.real, self.now.imag], axis=1).astype(np.float32)[:, None]
        moved, there, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(15, 15), maxLevel=3)
        back, here, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, winSize=(15, 15), maxLevel=3)
        error = np.linalg.norm((back - points)[:, 0], axis=1)
        kept = (there[:, 0] > 0) & (here[:, 0] > 0) & (error < ROUND_TRIP_PX)
        return _Points(self.start[kept], _plane(moved[kept, 0]), self.in_ring[kept])

    def ring_motion(self) -> tuple[Plane, Plane, Plane]:
        """Of the ring's corners: where they were, where they are, and where the face's motion would have put them.

        The face's motion is the least-squares similarity of its own corners.
        """
        source, target = self.start[~self.in_ring], self.now[~self.in_ring]
        spread = source - source.mean()
        turn = np.sum(spread.conj() * (target - target.mean())) / max(float(np.sum(np.abs(spread) ** 2)), 1e-9)
        start = self.start[self.in_ring]
        return start, self.now[self.in_ring], turn * (start - source.mean()) + target.mean()


def _corners(grey: Pixels, mask: Pixels) -> Plane:
    found = cv2.goodFeaturesToTrack(grey, MOST_POINTS, 0.01, 4, mask=mask)
    return np.empty(0, np.complex128) if found is None else _plane(found[:, 0])


def _plane(points: Vector) -> Plane:
    """(n, 2) -> x + iy."""
    return points[:, 0] + 1j * points[:, 1].astype(np.float64)


def ring(mesh: Vector, height: int, width: int) -> Pixels:
    """(height, width) uint8 mask, 255 in the ring round the head of `mesh`."""
    mask = ellipse_mask(mesh, height, width, RING_INNER, RING_OUTER)
    low, high = float(mesh[:, 1].min()), float(mesh[:, 1].max())
    mask[max(0, int((low + high) / 2 + RING_BELOW * (high - low))) :] = 0
    return mask


def ellipse_mask(mesh: Vector, height: int, width: int, inner: float, outer: float) -> Pixels:
    """(height, width) uint8 mask between two ellipses, in half axes of the hull of `mesh`."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    across, down = ((high - low) / 2).tolist()
    x, y = ((low + high) / 2).tolist()
    mask = np.zeros((height, width), np.uint8)
    middle = (int(x), int(y - SKULL_RISE * 2 * down * min(inner, 1)))
    for half_axes, value in ((outer, 255), (inner, 0)):
        if half_axes:
            cv2.ellipse(mask, middle, (int(across * half_axes), int(down * half_axes)), 0, 0, 360, value, -1)
    return mask
