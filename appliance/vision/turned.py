"""Whose head turns? It is compared at every prompt and at every turn, not only before the first and after the last.

Otherwise somebody could win the first look with a picture, answer the prompts with his own head, and
show the picture again.
"""

import numpy as np

from appliance.facts import Pixels, Vector
from appliance.vision.bench import Bench
from appliance.vision.challenge import HeadTurns
from appliance.vision.rest import SAME_FACE_COSINE

TURNED_COSINE = 0.34
"""To the face seen from the front, where a turn has reached its 25 degrees: the cosine of FMR 1e-3
(models/manifest.toml). 71 pictures of LFW with 24 degrees of yaw or more reach 0.45 at least with their own person."""


class Witness:
    """Watches one challenge from the frame in which it began."""

    def __init__(self, template: Vector) -> None:
        """`template`: whom the first look found, (160,) float32 of length 1."""
        self._template = template
        self._answered = 0
        self._prompted = False

    def same(self, bench: Bench, pixels: Pixels, mesh: Vector, turns: HeadTurns) -> bool:
        """After each step of `turns`: False once another head is there at a prompt or has turned."""
        prompted, turned = turns.prompt is not None, turns.answered != self._answered
        due = turned or (prompted and not self._prompted)
        self._prompted, self._answered = prompted, turns.answered
        if not due:
            return True
        aligned, _ = bench.aligned(pixels, mesh)
        likeness = float(np.dot(bench.embed(aligned), self._template))
        return likeness >= (TURNED_COSINE if turned else SAME_FACE_COSINE)
