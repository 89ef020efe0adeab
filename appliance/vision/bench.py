"""The stages of the live chain on one frame, each timed. One thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np

from appliance.facts import Face, Pixels, Vector
from appliance.vision import quality
from appliance.vision.align import CROP, Roi, crop
from appliance.vision.quality import Hint
from appliance.vision.stages import VisionModels


class Bench:
    """The models, and how long each stage took when it last ran."""

    def __init__(self, models: VisionModels) -> None:
        self._models = models
        self._aligned = np.empty((CROP, CROP, 3), np.uint8)
        self.took: dict[str, float] = {}
        """Milliseconds: detect, mesh, align, surround, liveness, embed, match."""

    @property
    def model(self) -> str:
        """The embedder's id."""
        return self._models.stages.embedder.id

    @property
    def fmr_table(self) -> tuple[tuple[float, float], ...]:
        """The embedder's FMR and threshold pairs (`gallery.threshold`)."""
        return self._models.stages.embedder.fmr_table

    def detect(self, pixels: Pixels, expected: bool) -> list[Face]:
        """Faces, largest first (`Detector.find`)."""
        with self.timed("detect"):
            return self._models.stages.detector.find(pixels, expected)

    def mesh(self, pixels: Pixels, roi: Roi) -> Vector | None:
        """(468, 3) landmarks in frame pixels, or None."""
        with self.timed("mesh"):
            return self._models.stages.landmarker.find(pixels, roi)

    def aligned(self, pixels: Pixels, mesh: Vector) -> tuple[Pixels, Hint | None]:
        """The crop (112, 112, 3), whose memory the next call reuses, and what is wrong with its light or covers
        it. `mesh` is the one found last."""
        with self.timed("align"):
            aligned = crop(pixels, mesh, self._aligned)
            hint = quality.light_hint(quality.light(aligned))
            return aligned, hint or quality.covered_hint(self._models.stages.landmarker.certainty, aligned)

    def passive(self, pixels: Pixels, mesh: Vector) -> float:
        """0 (attack) to 1 (live)."""
        with self.timed("liveness"):
            return self._models.passive.score(pixels, mesh)

    def embed(self, aligned: Pixels) -> Vector:
        """(160,) float32 of length 1."""
        with self.timed("embed"):
            return self._models.stages.embedder.embed(aligned)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the block took."""
        begun = perf_counter()
        yield
        self.took[stage] = (perf_counter() - begun) * 1e3
