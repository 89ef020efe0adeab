"""What one step of the chain saw."""

from dataclasses import dataclass, field

from appliance.facts import LivenessVerdict, Match, Passing
from appliance.vision.challenge import Prompt
from appliance.vision.quality import Hint


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What one step saw: the live view's status, and the match when the vote concludes."""

    stage: str = "idle"
    """`idle`, `far`, `near`, `checking` or `resting`."""
    faces: int = 0
    """Faces when the detector last looked."""
    hint: Hint | None = None
    face: tuple[float, float, float, float] | None = None
    """x, y, width, height of the face in question as fractions of the frame."""
    score: float | None = None
    threshold: float | None = None
    liveness: LivenessVerdict | None = None
    votes: int = 0
    person: str | None = None
    """Whom the vote tends to, or fell on."""
    stages_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds of each stage when it last ran: detect, mesh, align, liveness, embed, match."""
    match: Match | None = None
    challenge: Prompt | None = None
    """Which way the visitor is to turn the head now."""
    passing: Passing | None = None
    """Somebody else went out of view beside the camera."""
