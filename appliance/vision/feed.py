"""8-bit pictures into a model's input tensor, as its manifest slot asks: channel order, subtract, divide."""

import cv2
import numpy as np

from appliance.facts import Pixels
from appliance.vision.models import Model

# One frame at a time on one core: OpenCV's pool would only fight the other processes for it.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)


class Feed:
    """Writes BGR pictures of the model's size into its input, without allocating."""

    def __init__(self, model: Model) -> None:
        _, self.height, self.width, _ = model.slot.input.shape
        self._input = model.input[0]
        self._rgb = np.empty((self.height, self.width, 3), np.uint8) if model.slot.channels == "RGB" else None
        self._factor = np.float32(1.0 / model.slot.divide)
        self._offset = np.float32(-model.slot.subtract / model.slot.divide)

    def __call__(self, pixels: Pixels) -> None:
        """`pixels`: (height, width, 3) uint8 BGR of exactly the model's size."""
        if self._rgb is not None:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=self._rgb)
        np.multiply(pixels, self._factor, out=self._input, dtype=np.float32)
        if self._offset:
            np.add(self._input, self._offset, out=self._input)
