"""Simulated visitors: people walk up to a drawn doorway, in a script that repeats.

Public-domain portraits, cut out and moved over a still background (tests/data/README.md says whose
they are). The real detector, liveness layers and embedder see them as they would see a camera's
frames; only the light is made up.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.camera.pace import Pace
from appliance.errors import CameraError
from appliance.facts import Frame, Pixels, Vector

PEOPLE = Path(__file__).parent / "people"
RESIDENT, STRANGER = "obama", "biden"
CUTOUT_FACE_PX = 180
"""Width of the face in the pictures as they are kept (tests/data/make.py)."""
FAR, NEAR = 0.3, 0.96
"""Scale of a visitor who appears, and of one who stands at the door."""
EMPTY, WALK, STAND, LEAVE = 2.0, 2.0, 3.5, 1.0
"""Seconds of each part of a visit."""
VISIT = WALK + STAND + LEAVE
WAIST_BELOW = 22
"""Pixels by which a nod or a tilt may lift the lower edge of a cut-out, in a frame 480 high."""
NOISE_TILES = 7


@dataclass(frozen=True, slots=True)
class Scene:
    """What is on now, and for how long it has been, in seconds."""

    name: str
    since: float


SCRIPT = (
    ("empty", EMPTY),
    ("resident", VISIT),
    ("empty", EMPTY),
    ("stranger", VISIT),
    ("empty", EMPTY),
    ("photo", VISIT),
    ("empty", EMPTY),
    ("pin", 5.0),
)
"""In `pin` nobody is in the picture: somebody who wants no face scan stands beside it and types."""
CYCLE = sum(seconds for _, seconds in SCRIPT)


Script = Sequence[tuple[str, float]]
"""Scenes and their seconds. Beside those of SCRIPT: `poster`, the stranger's face on the wall, and `two`, who come
together."""


def scene_at(seconds: float, script: Script = SCRIPT) -> Scene:
    """The scene that far into the run."""
    left = seconds % sum(length for _, length in script)
    for name, length in script:
        if left < length:
            return Scene(name, left)
        left -= length
    return Scene(script[0][0], 0.0)


def resident_pictures() -> list[Path]:
    """Enrolment pictures of the resident, taken on other days than the one that walks up."""
    return [PEOPLE / "obama2.jpg", PEOPLE / "obama3.jpg"]


class Visitors:
    """Draws the script at a steady rate, as a camera would; never ends."""

    def __init__(
        self,
        width: int = 640,
        height: int = 480,
        rate: float = 30.0,
        realtime: bool = True,
        script: Script = SCRIPT,
    ) -> None:
        self._script = script
        self._size = (width, height)
        self._rate = rate
        self._pace = Pace(rate, realtime)
        self._wall = draw_doorway(width, height)
        # The pictures are made for a frame 480 high; a larger frame shows larger people.
        self._zoom = height / 480
        self._resident = Cutout.load(PEOPLE / f"{RESIDENT}.webp")
        self._stranger = Cutout.load(PEOPLE / f"{STRANGER}.webp")
        self._photo = self._resident.printed()
        rng = np.random.default_rng(1)
        # What a sensor adds: without it a still scene would be one frozen frame.
        self._noise = [rng.integers(0, 5, (height, width, 3), np.uint8) for _ in range(NOISE_TILES)]
        self._scratch = Scratch(width * height)
        self.scene = script[0][0]

    def frames(self) -> Iterator[Frame]:
        """In real time the latest frame, for ever."""
        for seq in self._pace.ticks():
            self.scene = scene_at(seq / self._rate, self._script).name
            yield Frame(seq, time.monotonic(), self.draw(seq))

    def draw(self, seq: int) -> Pixels:
        """Frame number `seq`, (height, width, 3) uint8 BGR; the same number draws the same frame."""
        at = seq / self._rate
        scene = scene_at(at, self._script)
        # The wall and the sensor's noise in one pass, into a picture of its own.
        pixels: Pixels = cv2.add(self._wall, self._noise[seq % NOISE_TILES])
        who = {"resident": self._resident, "stranger": self._stranger, "photo": self._photo}.get(scene.name)
        if who is not None:
            who.paste(pixels, self._pose(who, scene, at), self._scratch)
        if scene.name == "two":
            for one, aside in ((self._stranger, 0.27), (self._resident, -0.25)):
                pose = self._pose(one, scene, at + aside)
                pose[0, 2] += aside * self._size[0]
                one.paste(pixels, pose, self._scratch)
        if scene.name == "poster":
            pose = self._pose(self._stranger, Scene("poster", WALK), 0.0)
            self._stranger.paste(pixels, pose, self._scratch)
        return pixels

    def _pose(self, who: "Cutout", scene: Scene, at: float) -> Vector:
        """Where the visitor stands: a (2, 3) matrix from the picture, its origin in the face's middle, to the frame."""
        width, height = self._size
        walked = min(1.0, scene.since / WALK)
        gone = max(0.0, (scene.since - WALK - STAND) / LEAVE)
        scale = (FAR + (NEAR - FAR) * walked**2) * self._zoom
        # Nobody stands still: weight shifts from foot to foot, a head nods, a hand that holds a print shakes.
        sway = 16 * math.sin(2 * math.pi * 0.55 * at) + 5 * math.sin(2 * math.pi * 1.3 * at + 1)
        nod = 4 * math.sin(2 * math.pi * 0.8 * at + 2) + (6 * math.sin(2 * math.pi * 2.4 * at) * (1 - walked))
        tilt = math.radians(2.0 * math.sin(2 * math.pi * 0.4 * at))
        x = width / 2 + sway * self._zoom + gone * gone * (width + 300 * self._zoom) / 2
        # The cut-outs end at the waist, which must stay below the frame's edge.
        y = max(0.46 * height, height + WAIST_BELOW * self._zoom - scale * who.below) + nod * self._zoom
        cos, sin = scale * math.cos(tilt), scale * math.sin(tilt)
        return np.array([[cos, -sin, x], [sin, cos, y]], np.float32)

    def close(self) -> None:
        """End the frames."""
        self._pace.stop()


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A picture with an alpha channel, ready to be pasted."""

    picture: Pixels
    """(h, w, 4) uint8: blue, green, red, already multiplied by alpha; alpha."""
    middle: tuple[float, float]
    """The face's middle (x, y): the point that a pose places."""

    @property
    def below(self) -> float:
        """From the face's middle to the lower edge, in pixels."""
        return float(self.picture.shape[0] - self.middle[1])

    @classmethod
    def load(cls, path: Path) -> "Cutout":
        """From a picture with alpha made by tests/data/make.py: the face's middle is 1.6 face widths from the top."""
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
            raise CameraError(f"{path} is missing or damaged; install lintel again")
        height, width = picture.shape[:2]
        alpha = cv2.cvtColor(picture[..., 3], cv2.COLOR_GRAY2BGR)
        picture[..., :3] = cv2.multiply(picture[..., :3], alpha, scale=1 / 255)
        return cls(picture, (width / 2, min(1.6 * CUTOUT_FACE_PX, height * 0.38)))

    def printed(self) -> "Cutout":
        """The same person as a photo print on a sheet with its own, uneven background."""
        height, width = self.picture.shape[:2]
        sheet = draw_doorway(width, height, seed=9)
        Scratch(width * height).lay(self.picture, sheet)
        cv2.rectangle(sheet, (0, 0), (width - 1, height - 1), (235, 235, 235), 9)
        return Cutout(cv2.cvtColor(sheet, cv2.COLOR_BGR2BGRA), self.middle)

    def paste(self, pixels: Pixels, pose: Vector, scratch: "Scratch") -> None:
        """Draw over `pixels`; `pose` is a (2, 3) matrix that places `middle`."""
        matrix = pose.copy()
        matrix[:, 2] -= pose[:, :2] @ np.array(self.middle, np.float32)
        height, width = self.picture.shape[:2]
        corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float32)
        low, high = (matrix @ corners).min(axis=1), (matrix @ corners).max(axis=1)
        left, top = max(0, int(low[0])), max(0, int(low[1]))
        right, bottom = min(pixels.shape[1], int(high[0]) + 1), min(pixels.shape[0], int(high[1]) + 1)
        if left >= right or top >= bottom:
            return
        matrix[:, 2] -= (left, top)
        # Colour and alpha together: the warp is what costs.
        size = (right - left, bottom - top)
        warped = cv2.warpAffine(self.picture, matrix, size, dst=scratch.take(0, size[1], size[0], 4))
        scratch.lay(warped, pixels[top:bottom, left:right])


class Scratch:
    """Memory for drawing, kept from frame to frame: fresh pages cost more than the drawing does."""

    def __init__(self, most_pixels: int) -> None:
        self._flat = [np.empty(most_pixels * channels, np.uint8) for channels in (4, 3, 3)]

    def take(self, which: int, height: int, width: int, channels: int) -> Pixels:
        """A picture of any size that fits, in the memory of one of the three: 0 of 4 channels, 1 and 2 of 3."""
        return self._flat[which][: height * width * channels].reshape(height, width, channels)

    def lay(self, above: Pixels, below: Pixels) -> None:
        """Lay `above`, (h, w, 4) multiplied by its alpha, over `below`, (h, w, 3), in place."""
        height, width = below.shape[:2]
        alpha = cv2.extractChannel(above, 3, dst=self.take(1, height, width, 1))
        cv2.bitwise_not(alpha, dst=alpha)
        hidden = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=self.take(2, height, width, 3))
        cv2.multiply(below, hidden, dst=below, scale=1 / 255)
        cv2.add(below, cv2.cvtColor(above, cv2.COLOR_BGRA2BGR, dst=self.take(1, height, width, 3)), dst=below)


def draw_doorway(width: int, height: int, seed: int = 4) -> Pixels:
    """A lobby: wall with a picture rail, floor, plants and frames; corners enough for motion to be followed."""
    rng = np.random.default_rng(seed)
    wall = np.empty((height, width, 3), np.uint8)
    wall[:] = np.linspace((176, 188, 196), (142, 156, 168), height).astype(np.uint8)[:, None]
    floor = int(height * 0.82)
    wall[floor:] = np.linspace((84, 96, 110), (62, 72, 84), height - floor).astype(np.uint8)[:, None]
    cv2.line(wall, (0, floor), (width, floor), (60, 66, 74), 3)
    for column in range(6):
        x = int(width * (column + 0.5) / 6)
        for row in range(3):
            y = int(height * (0.12 + 0.27 * row))
            w, h = (int(v) for v in rng.integers(width // 16, width // 9, 2))
            ink = tuple(int(v) for v in rng.integers(50, 210, 3))
            cv2.rectangle(wall, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), ink, -1)
            cv2.rectangle(wall, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), (48, 52, 58), 2)
            cv2.line(wall, (x - w // 2, y + h // 4), (x + w // 3, y - h // 3), (230, 232, 235), 2)
    soft: Pixels = cv2.GaussianBlur(wall, (0, 0), 0.8)
    return soft
