"""Turn your head, please: a layer of liveness by prompts whose number, sides and moments nobody can know. Pure.

A recording of somebody looking about must look straight ahead for a random while, turn to the side that is asked
soon after the prompt and without a pause, and come back, four or five times over; one wrong or early turn ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from appliance.facts import Challenge

Side = Literal["left", "right"]

FEWEST, MOST = 4, 5
LEAST_DELAY, MOST_DELAY = 0.5, 2.0
"""Seconds of looking straight before a prompt."""
TURN_DEGREES = 25.0
"""A turn: a head that looks over its shoulder reaches 60; LFW's press photographs stay within 31."""
STRAIGHT_DEGREES = 14.0
UNASKED_DEGREES = 20.0
"""A turn that was not asked for, or to the wrong side."""
REACTION_SECONDS = 0.3
"""Nobody has read a prompt and begun to turn their head within this (visual reaction alone takes 0.2 s)."""
BEGIN_SECONDS = 2.2
"""A turn begins by then: its yaw leaves STRAIGHT_DEGREES."""
TURN_SECONDS = 1.0
"""And reaches TURN_DEGREES so soon after."""
ANSWER_SECONDS = BEGIN_SECONDS + TURN_SECONDS
RETURN_SECONDS = 3.0
"""Time to look straight again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt of the schedule."""

    side: Side
    """The visitor's own left or right."""
    delay: float
    """Seconds of looking straight before it is shown."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the visitor is asked now."""

    turn: Side
    n: int
    of: int
    until: float
    """Monotonic seconds."""


def schedule(rng: Random) -> tuple[Turn, ...]:
    """A fresh one. `rng` must not be predictable at the door: `random.SystemRandom`."""
    sides: tuple[Side, Side] = ("left", "right")
    return tuple(
        Turn(rng.choice(sides), rng.uniform(LEAST_DELAY, MOST_DELAY)) for _ in range(rng.randint(FEWEST, MOST))
    )


class HeadTurns:
    """The prompts of one visit."""

    def __init__(self, turns: Sequence[Turn], at: float) -> None:
        self.outcome = Challenge.NOT_ASKED
        """NOT_ASKED while it goes on."""
        self.answered = 0
        self._turns = tuple(turns)
        self._since = at
        self._straight_at: float | None = None
        self._asked_at: float | None = None
        self._begun_at: float | None = None

    @property
    def prompt(self) -> Prompt | None:
        """What to show now; None: look straight ahead."""
        if self._asked_at is None or self.outcome is not Challenge.NOT_ASKED:
            return None
        turn = self._turns[self.answered]
        return Prompt(turn.side, self.answered + 1, len(self._turns), self._asked_at + ANSWER_SECONDS)

    def step(self, at: float, yaw: float) -> Challenge:
        """`yaw`: degrees in the frame taken at `at` (monotonic s), positive to the visitor's left."""
        if self.outcome is Challenge.NOT_ASKED:
            if self._asked_at is not None:
                self._answer(at, yaw, self._asked_at)
            else:
                self._wait(at, yaw)
        return self.outcome

    def _wait(self, at: float, yaw: float) -> None:
        """Straight ahead, and for a while, before the next prompt or the end."""
        if self._straight_at is None:
            if abs(yaw) <= STRAIGHT_DEGREES:
                self._straight_at = at
            elif at - self._since > RETURN_SECONDS or not abs(yaw) < 90:
                self.outcome = Challenge.FAILED
        elif not abs(yaw) < UNASKED_DEGREES:
            self.outcome = Challenge.FAILED
        if self._straight_at is None or self.outcome is Challenge.FAILED:
            return
        if self.answered == len(self._turns):
            self.outcome = Challenge.PASSED
        elif at - self._straight_at >= self._turns[self.answered].delay:
            self._asked_at = at

    def _answer(self, at: float, yaw: float, asked_at: float) -> None:
        towards = yaw if self._turns[self.answered].side == "left" else -yaw
        if not towards > -UNASKED_DEGREES:
            self.outcome = Challenge.FAILED
        if self._begun_at is None and towards > STRAIGHT_DEGREES:
            self._begun_at = at
        if self._begun_at is None:
            late = at - asked_at > BEGIN_SECONDS
        else:
            late = at - self._begun_at > TURN_SECONDS or self._begun_at - asked_at < REACTION_SECONDS
        if late:
            self.outcome = Challenge.FAILED
        elif self.outcome is Challenge.NOT_ASKED and towards >= TURN_DEGREES:
            self.answered += 1
            self._since, self._straight_at, self._asked_at, self._begun_at = at, None, None, None
