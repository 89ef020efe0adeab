"""Convert an NCHW ONNX graph to an NHWC Keras model, operator by operator.

Enough for MobileFaceNet and MiniFASNet; an unknown operator is an error. Matches onnxruntime to 1e-6.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

layers = tf.keras.layers

SHAPE_ARITHMETIC = {"Shape", "Gather", "Unsqueeze", "Concat", "Constant"}  # feeds Reshape, which needs none


class Converter:
    """Walks the graph once; `weights` remembers what to set once the model is built."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.tensors: dict[str, Any] = {}
        self.weights: list[tuple[Any, list[np.ndarray]]] = []

    def model(self) -> Any:
        source = next(i for i in self.graph.input if i.name not in self.constants)
        _, channels, height, width = [d.dim_value for d in source.type.tensor_type.shape.dim]
        first = tf.keras.Input((height, width, channels))
        self.tensors[source.name] = first
        for node in self.graph.node:
            if node.op_type not in SHAPE_ARITHMETIC:
                self.tensors[node.output[0]] = self.translate(node)
        model = tf.keras.Model(first, self.tensors[self.graph.output[0].name])
        for layer, values in self.weights:
            layer.set_weights([np.asarray(value, np.float32) for value in values])
        return model

    def translate(self, node: Any) -> Any:
        if node.op_type not in OPERATORS:
            raise ValueError(f"operator {node.op_type} is not supported: add it to onnx_to_keras.py")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        return OPERATORS[node.op_type](self, node, attributes)

    def constants_of(self, node: Any) -> list[np.ndarray]:
        return [self.constants[name] for name in node.input if name in self.constants]

    def apply(self, layer: Any, x: Any, values: list[np.ndarray]) -> Any:
        self.weights.append((layer, values))
        return layer(x)


def convolution(c: Converter, node: Any, attributes: dict[str, Any]) -> Any:
    x = c.tensors[node.input[0]]
    kernel, *bias = c.constants_of(node)
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if top or left or bottom or right:
        x = layers.ZeroPadding2D(((top, bottom), (left, right)))(x)
    options = {"strides": attributes.get("strides", [1, 1])[0], "use_bias": bool(bias)}
    groups = attributes.get("group", 1)
    if groups == kernel.shape[0] > 1 and kernel.shape[1] == 1:
        layer = layers.DepthwiseConv2D(kernel.shape[2:], **options)
        return c.apply(layer, x, [kernel.transpose(2, 3, 0, 1), *bias])
    if groups != 1:
        raise ValueError(f"grouped convolution ({groups} groups) is not supported")
    layer = layers.Conv2D(kernel.shape[0], kernel.shape[2:], **options)
    return c.apply(layer, x, [kernel.transpose(2, 3, 1, 0), *bias])


def prelu(c: Converter, node: Any, _: dict[str, Any]) -> Any:
    slope = c.constants_of(node)[0].reshape(1, 1, -1)
    return c.apply(layers.PReLU(shared_axes=[1, 2]), c.tensors[node.input[0]], [slope])


def flatten(c: Converter, node: Any, _: dict[str, Any]) -> Any:
    x = c.tensors[node.input[0]]
    if x.shape[1:3] != (1, 1):
        x = layers.Permute((3, 1, 2))(x)  # ONNX flattens channels first
    return layers.Flatten()(x)


def dense(c: Converter, node: Any, _: dict[str, Any]) -> Any:
    kernel = c.constants_of(node)[0]
    return c.apply(layers.Dense(kernel.shape[1], use_bias=False), c.tensors[node.input[0]], [kernel])


def batch_normalisation(c: Converter, node: Any, attributes: dict[str, Any]) -> Any:
    layer = layers.BatchNormalization(epsilon=attributes.get("epsilon", 1e-5))
    return c.apply(layer, c.tensors[node.input[0]], c.constants_of(node))


def plain(layer: Callable[[], Any]) -> Callable[..., Any]:
    """A layer without weights, of one input."""
    return lambda c, node, _: layer()(c.tensors[node.input[0]])


def pairwise(layer: Callable[[], Any]) -> Callable[..., Any]:
    """A layer without weights, of two inputs."""
    return lambda c, node, _: layer()([c.tensors[name] for name in node.input])


OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": pairwise(layers.Add),
    "BatchNormalization": batch_normalisation,
    "Conv": convolution,
    "GlobalAveragePool": plain(lambda: layers.GlobalAveragePooling2D(keepdims=True)),
    "MatMul": dense,
    "Mul": pairwise(layers.Multiply),
    "PRelu": prelu,
    "Relu": plain(layers.ReLU),
    "Reshape": flatten,
    "Sigmoid": plain(lambda: layers.Activation("sigmoid")),
    "Softmax": plain(layers.Softmax),
}


def convert(path: Path) -> Any:
    """Return the Keras model (NHWC, float32) of an ONNX file (NCHW)."""
    return Converter(onnx.load(path).graph).model()
