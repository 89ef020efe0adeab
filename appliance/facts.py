"""The nouns that rooms hand each other. Frozen, without behaviour beyond their own arithmetic.

Durations and ages use the monotonic clock (seconds, CLOCK_MONOTONIC: one value for the whole
machine, so processes may compare it). Records use UTC.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEMPLATE_DIMENSIONS = 160
"""Length of a template: effective rank of the embedder's last layer (models/cards/embedder.md)."""

Pixels = NDArray[np.uint8]
Vector = NDArray[np.float32]


class ClockQuality(StrEnum):
    """How far the wall clock can be believed."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks."""

    mono: float
    """Monotonic seconds."""
    utc: float
    """Seconds since the Unix epoch, UTC."""
    quality: ClockQuality = ClockQuality.UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from the camera."""

    seq: int
    """Counts up from 0 as the camera numbers them; a gap is a dropped frame."""
    taken_at: float
    """Monotonic seconds at exposure, or the nearest the source can tell."""
    pixels: Pixels
    """(height, width, 3) uint8, BGR, C-contiguous."""
    lens_dioptres: float | None = None
    """Where the lens is focused, 1 / metres, if an autofocus that has settled on the face tells."""
    lit: bool | None = None
    """Whether the appliance's own lamp lit this frame, where it flashes on every other one."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in one frame, in that frame's pixels."""

    x: float
    y: float
    width: float
    height: float
    score: float
    """Detector confidence, 0 to 1."""
    keypoints: Vector
    """(6, 2) float32: the person's right eye, left eye, nose tip, mouth, right and left ear."""
    mesh: Vector | None = None
    """(468, 3) float32 in frame pixels once the landmark model ran; z in the same units."""


class Surround(StrEnum):
    """What the motion around the head says."""

    STILL = "still"
    """The face moves, its surround does not: as a person before a wall."""
    MOVES = "moves"
    """The surround moves with the face: as a print or a screen held up."""
    ABSTAINS = "abstains"
    """Too little motion to tell: no evidence."""


class Evidence(StrEnum):
    """What a layer says that only some doors have the hardware for."""

    FOR = "for"
    AGAINST = "against"
    ABSTAINS = "abstains"
    """The hardware is absent, or showed too little: no evidence."""


class Challenge(StrEnum):
    """How a visitor answered the prompts to turn the head."""

    NOT_ASKED = "not_asked"
    PASSED = "passed"
    FAILED = "failed"
    """Turned the wrong way, unasked, or not in time."""


@dataclass(frozen=True, slots=True)
class LivenessVerdict:
    """Layers of presentation attack detection, ANDed (`access.liveness`). `live` is False unless every layer that
    spoke agreed, and every one that the level asks for spoke."""

    live: bool
    passive: float
    """Median over the window of the passive network's softmax, 0 (attack) to 1 (live)."""
    frames: int
    """Frames in that window."""
    surround: Surround = Surround.ABSTAINS
    surround_share: float | None = None
    """Median share of the face's motion that the surround made too, about 0 (stays) to 1; None where it abstains."""
    challenge: Challenge = Challenge.NOT_ASKED
    turns: int = 0
    """Prompts answered."""
    size: Evidence = Evidence.ABSTAINS
    """Whether the face is as wide as a head's, by the lens's focus."""
    width_cm: float | None = None
    light: Evidence = Evidence.ABSTAINS
    """Whether the appliance's own lamp lights it as it lights skin."""
    lit_gain: float | None = None
    """Share by which the lamp brightens the face."""
    level: str = "standard"
    """The level it was judged by."""
    objection: str | None = None
    """The first layer that did not agree; None: all did."""


@dataclass(frozen=True, slots=True)
class Match:
    """What vision saw, once the vote agreed. Evidence, never an order."""

    person: str | None
    """Random UUID of the best person above threshold and margin, else None."""
    score: float
    """Cosine of the fused probe to that person's best template, or to the best of anyone, -1 to 1."""
    threshold: float
    margin: float
    """Score minus the second person's; `score` itself if there is no second."""
    liveness: LivenessVerdict
    votes: int
    """Frames that agreed."""
    since: float
    """Monotonic seconds: the first frame in which this face was near, frontal and sharp."""
    taken_at: float
    """Monotonic seconds: the last frame of the vote. Age counts from here."""
    model: str
    """Embedder's id, `sha256:` and 12 hex digits."""
    compute_ms: float = 0.0
    """Processor time spent on this visitor from `since` to the vote."""


@dataclass(frozen=True, slots=True)
class PinEntry:
    """A finished PIN, already through the slow hash."""

    digest: bytes = field(repr=False)
    """argon2id(PIN, site salt, secret = device key), 32 bytes."""
    keypad: str
    """Which keypad, for its lock-out: `keypad`, `screen`, `terminal`."""
    entered_at: float
    """Monotonic seconds at `#`."""


@dataclass(frozen=True, slots=True)
class RexPress:
    """Request to exit, from inside."""

    at: float


@dataclass(frozen=True, slots=True)
class AdminUnlock:
    """An administrator opens the door from the page or by a signed command."""

    by: str
    """The administrator's id, never a name."""
    id: str
    """Nonce: a second one with the same id opens nothing."""
    at: float
    """Monotonic seconds when it was asked for."""


@dataclass(frozen=True, slots=True)
class PassShown:
    """A QR code that calls itself a visitor's pass, held up to the camera. Nobody has verified it yet."""

    token: bytes = field(repr=False)
    """At most 256 bytes (`access.passes`)."""
    taken_at: float
    """Monotonic seconds of the frame."""


@dataclass(frozen=True, slots=True)
class CardEntry:
    """A card held to a reader."""

    digest: bytes | None = field(repr=False)
    """HMAC-SHA256 of its number under the device key, 32 bytes. None: what the reader sent is no card number."""
    reader: str
    """Which reader, for its lock-out: `wiegand` or `osdp`."""
    read_at: float
    """Monotonic seconds at the end of its frame."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A near face other than the one just decided upon went out of the camera's view, towards the door."""

    at: float
    """Monotonic seconds of the last frame that showed it."""
    faces: int
    """How many of them, 1 or more."""


@dataclass(frozen=True, slots=True)
class Alive:
    """A peer's heartbeat to the door."""

    sender: str
    at: float
    detail: str = ""
    """One word on its health: `ok`, `face_off` (models refused), `blind` (camera down)."""


class Credential(StrEnum):
    """By what means someone asked."""

    FACE = "face"
    PIN = "pin"
    CARD = "card"
    PASS = "pass"  # noqa: S105 - a visitor's pass
    ADMIN = "admin"
    REX = "rex"


class Reason(StrEnum):
    """Why a decision fell as it did. Stable words: operators script against them."""

    GRANTED = "granted"
    UNKNOWN_FACE = "unknown_face"
    UNKNOWN_PIN = "unknown_pin"
    SPOOF = "spoof"
    LOW_SCORE = "low_score"
    AMBIGUOUS = "ambiguous"
    STALE = "stale"
    REPLAYED = "replayed"
    WRONG_MODEL = "wrong_model"
    NOT_ENROLLED = "not_enrolled"
    SUSPENDED = "suspended"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    NO_CONSENT = "no_consent"
    LOCKED_OUT = "locked_out"
    LOCKDOWN = "lockdown"
    CLOCK_UNKNOWN = "clock_unknown"
    UNKNOWN_CARD = "unknown_card"
    MALFORMED = "malformed"
    """A pass or a card's frame that is none: cut off, bad parity, of another version."""
    FORGED = "forged"
    """A pass that this site's key did not sign."""
    OTHER_SITE = "other_site"
    OTHER_DOOR = "other_door"
    REVOKED = "revoked"
    USED_UP = "used_up"
    UNRECORDED = "unrecorded"
    """The use of a pass could not be written down, so it opens nothing."""
    BLOCKED = "blocked"
    """On the blocklist: never opens, and security is told."""
    OUTSIDE_HOURS = "outside_hours"
    PASSED_BACK = "passed_back"
    DOOR_LOCKED = "door_locked"
    """The door's mode lets nobody in now."""
    WRONG_FACTOR = "wrong_factor"
    """The door's mode does not take this means."""
    SECOND_FACTOR = "second_factor"
    """Nothing against it, but a second factor is still to come."""
    ESCORT_MISSING = "escort_missing"
    """A visitor whose host has not been let in."""
    NOT_READY = "not_ready"
    """The door has not read its people and rules yet."""


@dataclass(frozen=True, slots=True)
class Decision:
    """May this credential open this door now, and why."""

    granted: bool
    reason: Reason
    by: Credential
    person: str | None = None
    """UUID of whom it granted or refused; never shown to the visitor on a refusal."""
    unlock_seconds: float = 0.0
    """How long the lock may be released; 0 on a refusal."""
    score: float | None = None
    threshold: float | None = None
    live: bool | None = None
    since: float | None = None
    """Monotonic seconds when the visitor began to ask (near and frontal, `#`, the press)."""
    until: float | None = None
    """Monotonic seconds when a lock-out ends."""
    leaving: bool = False
    """Asked at the reader inside: lets out, and is no entry to anybody who counts those."""


class DoorCommand(StrEnum):
    """What the lock's driver must do."""

    RELEASE = "release"
    """Let people through, whichever coil state that is."""
    SECURE = "secure"
    """Entry side locked."""


class EventType(StrEnum):
    """The seven event topics (docs/mqtt)."""

    ACCESS = "access"
    DOOR = "door"
    TAMPER = "tamper"
    SPOOF = "spoof"
    PIN = "pin"
    AUDIT = "audit"
    SYS = "sys"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the record, before the store gives it a place in the chain."""

    type: EventType
    why: str
    """A `Reason` for access, spoof and pin; a state for door; a stable word for the others."""
    at: Moment
    person: str | None = None
    by: str | None = None
    """The credential, or who did it (an admin's id, `cli`)."""
    score: float | None = None
    threshold: float | None = None
    live: bool | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    """JSON values only. Never a name, an image, a vector or a PIN."""
