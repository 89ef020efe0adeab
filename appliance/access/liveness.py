"""Which layers of presentation attack detection must speak, and that all of them agree. Pure; fails closed.

The one place where the layers meet: vision asks it before it calls a face live, the door asks it again, and
`lintel evaluate liveness` measures it.
"""

from dataclasses import dataclass

from appliance.facts import Challenge, Evidence, LivenessVerdict, Surround

LEVELS = ("standard", "high", "strict")
"""From the least to the most that a face must prove."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a face must prove; the fields are those of the settings `[liveness]`."""

    level: str = "standard"
    passive_threshold: float = 0.7
    passive_frames: int = 5

    @property
    def turn(self) -> bool:
        """Whether the visitor must turn the head when asked."""
        return self.level != "standard"


def objection(seen: LivenessVerdict, needs: Needs) -> str | None:
    """The first layer that speaks against a living face, or that should have spoken and did not; None: none.

    One of `passive`, `surround`, `size`, `light`, `challenge`; comparisons are such that a nan objects.
    """
    strict = needs.level not in ("standard", "high")  # a level nobody knows asks for everything
    still = seen.surround is Surround.STILL or (not strict and seen.surround is Surround.ABSTAINS)
    turned = seen.challenge is Challenge.PASSED or (not needs.turn and seen.challenge is Challenge.NOT_ASKED)
    found = (
        ("passive", seen.frames >= needs.passive_frames and seen.passive >= needs.passive_threshold),
        ("surround", still),
        ("size", seen.size is not Evidence.AGAINST),
        ("light", seen.light is not Evidence.AGAINST),
        ("challenge", turned),
    )
    return next((layer for layer, agrees in found if not agrees), None)


def contradiction(seen: LivenessVerdict, needs: Needs) -> str | None:
    """What in a verdict denies the rest of it, or says that it was reached by another level; None: it holds together.

    For the door, which did not reach it.
    """
    found = (
        ("objection", seen.objection is None or not seen.live),
        ("level", seen.level == needs.level),
        ("challenge", (seen.challenge is Challenge.PASSED) == (seen.turns > 0) or not seen.live),
    )
    return next((field for field, holds in found if not holds), None)
