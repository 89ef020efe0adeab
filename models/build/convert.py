"""Source models -> TFLite: convert.py SOURCES BUILT.

The detectors and the mesh are copied as shipped. The embedder loses the directions its last layer does
not use (512-d to 160-d) and stays float for quantize.py; liveness gets float16 weights.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
from onnx_to_keras import convert

DIMENSIONS = 160
MAX_COSINE_CHANGE = 4e-4
PROBES = 64


def project(model: Any, dimensions: int) -> Any:
    """Fold the SVD projection of the last layer, a 1x1 convolution y = Wx + b, into that layer.

    With W = U S V^T, y lies (but for 0.04 % of the energy) in the span of U's first columns, so
    U[:, :dimensions]^T y keeps every inner product and needs no data.
    """
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    kernel, bias = last.get_weights()  # (1, 1, in, out), (out,)
    left, _, _ = np.linalg.svd(kernel[0, 0].T.astype(np.float64))
    left = left[:, :dimensions] * np.sign(left[0, :dimensions])  # a sign is free: fix it
    smaller = tf.keras.layers.Conv2D(dimensions, 1)
    output = tf.keras.layers.Flatten()(smaller(last.input))
    smaller.set_weights([(kernel @ left).astype(np.float32), (bias @ left).astype(np.float32)])
    return tf.keras.Model(model.input, output)


def cosines(embeddings: np.ndarray) -> np.ndarray:
    """(n, d) -> (n, n) cosine of every pair."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit @ unit.T


def probes(shape: tuple[int, ...]) -> np.ndarray:
    """PROBES smooth pictures in [-1, 1], (n, *shape): sums of waves of many frequencies and phases."""
    n, y, x, channel = np.meshgrid(np.arange(PROBES), *map(np.arange, shape), indexing="ij")
    waves = np.sin(x * (0.01 + n / 90) + n) + np.cos(y * (0.02 + n % 7 / 40) + channel * n)
    return (waves / 2).astype(np.float32)


def check_projection(full: Any, projected: Any) -> None:
    """Stop unless all cosines between the probes' embeddings stay put."""
    pictures = probes(full.input_shape[1:])
    change = np.abs(cosines(full.predict(pictures, verbose=0)) - cosines(projected.predict(pictures, verbose=0)))
    print(f"embedder {DIMENSIONS}-d: cosine change max {change.max():.1e}, mean {change.mean():.1e}")
    if change.max() > MAX_COSINE_CHANGE:
        sys.exit(f"projection changes cosines by {change.max():.1e}, limit {MAX_COSINE_CHANGE}")


def to_tflite(model: Any, path: Path, float16: bool = False) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())


def main(sources: Path, built: Path) -> None:
    built.mkdir(parents=True, exist_ok=True)
    shutil.copy(sources / "detector.tflite", built / "detector-full-range.tflite")
    shutil.copy(sources / "detector_near.tflite", built / "detector-short-range.tflite")
    shutil.copy(sources / "mesh.tflite", built / "mesh.tflite")
    full = convert(sources / "embedder.onnx")
    projected = project(full, DIMENSIONS)
    check_projection(full, projected)
    to_tflite(projected, built / "embedder-float.tflite")
    to_tflite(convert(sources / "liveness.onnx"), built / "liveness.tflite", float16=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
