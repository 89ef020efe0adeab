"""The models, loaded once, each in the stage that knows its input; and what they make of one still picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from appliance.facts import Face, Pixels, Vector
from appliance.vision.align import Landmarker, Roi, crop, with_mesh
from appliance.vision.detect import Detector
from appliance.vision.embed import Embedder
from appliance.vision.liveness import PassiveNet, SurroundMotion
from appliance.vision.models import load
from appliance.vision.quality import light


@dataclass(frozen=True, slots=True)
class Stages:
    """Detector, landmarks and embedder: enough for pictures. Not for two threads at a time."""

    detector: Detector
    landmarker: Landmarker
    embedder: Embedder

    @classmethod
    def load(cls, directory: Path | None = None, threads: int = 1) -> Self:
        """From the folder of manifest.toml, or the installed one. Raises ModelError."""
        return cls(
            Detector(load("detector", directory, threads), load("detector_near", directory, threads)),
            Landmarker(load("mesh", directory, threads)),
            Embedder(load("embedder", directory, threads)),
        )

    def meshed(self, pixels: Pixels, face: Face) -> Face | None:
        """`face` with its landmarks, or None where the model sees no face."""
        mesh = self.landmarker.find(pixels, Roi.of_face(face))
        return None if mesh is None else with_mesh(face, mesh)

    def aligned(self, pixels: Pixels, face: Face) -> Pixels:
        """The crop (112, 112, 3) of a face with landmarks."""
        if face.mesh is None:
            raise ValueError("a crop needs a face with landmarks: call meshed() first")
        return crop(pixels, face.mesh)

    def template(self, pixels: Pixels, face: Face) -> tuple[Pixels, Vector]:
        """The aligned crop (112, 112, 3) and the template (160,) of a face with landmarks."""
        aligned = self.aligned(pixels, face)
        return aligned, self.embedder.embed(aligned)


@dataclass(frozen=True, slots=True)
class VisionModels:
    """All that the live chain runs."""

    stages: Stages
    passive: PassiveNet

    @classmethod
    def load(cls, directory: Path | None = None, threads: int = 1) -> Self:
        """From the folder of manifest.toml, or the installed one. Raises ModelError."""
        models = cls(Stages.load(directory, threads), PassiveNet(load("liveness", directory, threads)))
        models.warm_up()
        return models

    def warm_up(self) -> None:
        """Run everything once on noise: first calls are slower, by 60 ms for OpenCV's alone, and should not fall
        to a visitor."""
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 255, (240, 320, 3), np.uint8)
        mesh = rng.uniform((120, 80, 0), (200, 170, 9), (468, 3)).astype(np.float32)
        self.stages.detector.find(noise, expected=True)
        self.stages.landmarker.find(noise, Roi.of_mesh(mesh))
        aligned = crop(noise, mesh)
        light(aligned)
        self.stages.embedder.run(aligned)
        self.passive.score(noise, mesh)
        motion = SurroundMotion()
        for _ in range(2):
            motion.add(noise, mesh)
