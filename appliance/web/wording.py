"""The form of words: what a state is called, what to do about it, and its tone."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "act", "needs", "alarm", "quiet"]


@dataclass(frozen=True, slots=True)
class Words:
    """What to call one state, and what to do about it."""

    title: str
    help: str = ""
    tone: Tone = "quiet"
    alarm: str = ""
    """The title where it stands alone and must say which part it is about; empty: `title`."""
