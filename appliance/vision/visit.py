"""One face that is followed: what is known of it so far."""

from dataclasses import dataclass, field

from appliance.facts import Face, Frame, Match, Surround, Vector
from appliance.vision.challenge import HeadTurns
from appliance.vision.crowd import Track
from appliance.vision.hardware import HardwareLayers
from appliance.vision.liveness import SurroundMotion
from appliance.vision.turned import Witness
from appliance.vision.vote import Before, Layers, Rules, Vote

AFTER_SECONDS = 3.0
"""Within this of the last turn the face must be seen from the front again, or it is asked to turn anew."""


@dataclass(slots=True)
class Visit:
    """Ends whenever the face may have become another."""

    track: Track
    last: float
    """Monotonic seconds of the last frame it was followed in."""
    face: Face
    undetected: int = 0
    """Frames since the detector saw it."""
    skimmed: bool = False
    """Whether the last frame was not looked at in full."""
    good: bool = False
    """Whether the last frame that was looked at in full could have been judged."""
    vote: Vote | None = None
    motion: SurroundMotion = field(default_factory=SurroundMotion)
    hardware: HardwareLayers = field(default_factory=HardwareLayers)
    turns: HeadTurns | None = None
    """While the head is to be turned."""
    witness: Witness | None = None
    """Whether it is the same head all the while."""
    asked: Match | None = None
    """What the vote before the prompts came to."""
    before: Before | None = None
    """Once the prompts were answered."""
    cpu_ms: float = 0.0
    """Processor time since the vote began."""

    def new_vote(self, rules: Rules, model: str, at: float) -> Vote:
        """From nothing, or after the challenge from what came before it; another face has to be asked anew."""
        if self.before is not None and at - self.before.at > AFTER_SECONDS:
            self.before = None
        self.vote = Vote(rules, model, at, self.before)
        if self.before is None:
            self.motion, self.hardware, self.cpu_ms = SurroundMotion(), HardwareLayers(), 0.0
        return self.vote

    def another(self, rules: Rules, model: str, at: float) -> Vote:
        """Another face in the same place: nothing of the one before counts for it."""
        self.before = self.asked = self.turns = None
        return self.new_vote(rules, model, at)

    def measure(self, frame: Frame, mesh: Vector, surround: bool) -> None:
        """Feed the layers that need every frame in which the face was found."""
        if surround:
            self.motion.add(frame.pixels, mesh)
        self.hardware.add(frame, self.face)

    @property
    def layers(self) -> Layers:
        """What they say."""
        motion, hardware = self.motion, self.hardware
        return Layers(motion.verdict, motion.share, hardware.size, hardware.width, hardware.light, hardware.gain)

    @property
    def surround(self) -> Surround:
        """What the motion says so far."""
        return self.motion.verdict
