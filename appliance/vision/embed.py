"""Aligned crop -> template: 160 numbers of length 1, compared by cosine."""

import numpy as np

from appliance.errors import ModelError
from appliance.facts import TEMPLATE_DIMENSIONS, Pixels, Vector
from appliance.vision.align import CROP
from appliance.vision.feed import Feed
from appliance.vision.gallery import fmr_table
from appliance.vision.models import Model


class Embedder:
    """Runs the embedding model. Buffers are reused: not for two threads at a time."""

    def __init__(self, model: Model) -> None:
        shape = model.slot.outputs[0].shape
        if shape != (1, TEMPLATE_DIMENSIONS):
            raise ModelError(f"embedder {model.slot.file}: output is {shape}: must be (1, {TEMPLATE_DIMENSIONS})")
        self._model = model
        self._feed = Feed(model)
        try:
            self.fmr_table = fmr_table(model.slot.thresholds)
            """(FMR, cosine) for single pictures, laxest first."""
        except ValueError as error:
            raise ModelError(f"manifest.toml [{model.slot.name}]: {error}") from error
        if (self._feed.height, self._feed.width) != (CROP, CROP):
            raise ModelError(f"embedder {model.slot.file}: input must be {CROP}x{CROP}")

    @property
    def id(self) -> str:
        """`sha256:` and 12 hex digits: templates of another id never match."""
        return f"sha256:{self._model.slot.sha256[:12]}"

    def embed(self, crop: Pixels) -> Vector:
        """(112, 112, 3) uint8 BGR -> (160,) float32 of length 1."""
        return unit(self.run(crop))

    def run(self, crop: Pixels) -> Vector:
        """The network's output as it is, valid until the next call."""
        self._feed(crop)
        raw: Vector = self._model.invoke()[0][0]
        return raw


def unit(vector: Vector) -> Vector:
    """`vector` at length 1, a new array. Raises ValueError for a zero or non-finite one: it is no face."""
    length = float(np.linalg.norm(vector))
    if not (length > 0 and np.isfinite(length)):
        raise ValueError(f"a vector of length {length} has no direction")
    found: Vector = (vector / length).astype(np.float32)
    return found
