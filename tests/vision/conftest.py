import numpy as np
import pytest
from hypothesis import settings

from appliance.facts import Pixels
from appliance.vision.gallery import Gallery
from appliance.vision.stages import Stages, VisionModels

from .scenes import Cutout, portrait, wall

# Examples that run real matrices have no deadline: machines under load are not wrong.
settings.register_profile("vision", deadline=None)
settings.load_profile("vision")


@pytest.fixture(scope="session")
def models() -> VisionModels:
    return VisionModels.load()


@pytest.fixture(scope="session")
def stages(models: VisionModels) -> Stages:
    return models.stages


@pytest.fixture(scope="session")
def resident(stages: Stages) -> Cutout:
    return Cutout.of(stages, portrait("obama.jpg"), 160)


@pytest.fixture(scope="session")
def stranger(stages: Stages) -> Cutout:
    return Cutout.of(stages, portrait("biden.jpg"), 160)


@pytest.fixture(scope="session")
def background() -> Pixels:
    return wall()


@pytest.fixture(scope="session")
def enrolled(stages: Stages) -> Gallery:
    """The resident, by pictures from other days than the one that walks up."""
    rows = []
    for name in ("obama2.jpg", "obama3.jpg"):
        pixels = portrait(name)
        face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
        assert face is not None
        rows.append(stages.template(pixels, face)[1])
    return Gallery.of(["resident"] * 2, np.stack(rows), stages.embedder.id)
