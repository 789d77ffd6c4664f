"""The shipped graph, laid out node by node.

Writing the graph directly, instead of tracing the network, gives control over three things: fused
attention and skip-norm nodes, int8 embedding tables with a scale a row, and *static* activation
ranges. With ranges measured in advance a text's scores do not depend on its neighbours in the
batch, which dynamic quantisation cannot promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Mode", "Ranges", "build_graph", "quantise_columns", "quantise_rows"]

Mode = Literal["float", "int8"]
#: smallest and largest value that enters a product, by the product's weight name
Ranges = Mapping[str, tuple[float, float]]
Array = npt.NDArray[Any]

_FUSED = "com.microsoft"
_EPSILON = 1e-12


def quantise_rows(table: Array) -> tuple[Array, Array]:
    """Symmetric int8 with one scale a row: table [N, D] -> [N, D], [N, 1]."""
    scale = np.abs(table).max(1, keepdims=True) / 127
    scale[scale == 0] = 1
    return _to_int8(table / scale), scale.astype(np.float32)


def quantise_columns(weight: Array) -> tuple[Array, Array]:
    """Symmetric int8 with one scale a column: weight [in, out] -> [in, out], [out]."""
    scale = np.abs(weight).max(0) / 127
    scale[scale == 0] = 1
    return _to_int8(weight / scale), scale.astype(np.float32)


def _to_int8(scaled: Array) -> Array:
    return np.clip(np.rint(scaled), -127, 127).astype(np.int8)


class _Graph:
    """Collects nodes and constants; every method returns the name of its result."""

    def __init__(self, state: Mapping[str, Array], mode: Mode, ranges: Ranges) -> None:
        self.state, self.mode, self.ranges = state, mode, ranges
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, kind: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any
    ) -> str:
        from onnx import helper

        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def embedding(self, table: str, ids: str, *, small: bool = False) -> str:
        weight = self.state[f"encoder.{table}.weight"]
        if small or self.mode == "float":
            return self.node("Gather", self.constant(f"{table}.table", weight), ids)
        from onnx import TensorProto

        rows, scale = quantise_rows(weight)
        row = self.node("Gather", self.constant(f"{table}.table", rows), ids)
        factor = self.node("Gather", self.constant(f"{table}.scale", scale), ids)
        return self.node("Mul", self.node("Cast", row, to=TensorProto.FLOAT), factor)

    def quantised(self, x: str, key: str) -> tuple[str, str, str]:
        """An activation as uint8, with the names of its scale and zero point."""
        low, high = self.ranges[key]
        low, high = min(low, 0.0), max(high, 0.0)
        step = np.float32((high - low) / 255 or 1.0)
        scale = self.constant(f"{key}.range", step)
        zero = self.constant(f"{key}.zero", np.uint8(np.clip(round(-low / float(step)), 0, 255)))
        return self.node("QuantizeLinear", x, scale, zero), scale, zero

    def _weights(self, key: str) -> tuple[str, str, str]:
        weight, scale = quantise_columns(self.state[f"{key}.weight"].T)
        bias = self.constant(f"{key}.bias", self.state[f"{key}.bias"])
        return self.constant(f"{key}.int8", weight), self.constant(f"{key}.scale", scale), bias

    def linear(self, x: str, key: str) -> str:
        if self.mode == "float":
            return self.plain_linear(x, key, self.state[f"{key}.weight"], self.state[f"{key}.bias"])
        (q, scale, zero), (weight, factors, bias) = self.quantised(x, key), self._weights(key)
        return self.node(
            "MatMulIntegerToFloat", q, weight, scale, factors, zero, "", bias, domain=_FUSED
        )

    def plain_linear(self, x: str, key: str, weight: Array, bias: Array, name: str = "") -> str:
        product = self.node("MatMul", x, self.constant(f"{key}.weight", weight.T))
        return self.node("Add", product, self.constant(f"{key}.bias", bias), name=name)

    def attention(self, x: str, mask: str, key: str, heads: int) -> str:
        if self.mode == "float":
            weight = self.constant(f"{key}.weight", self.state[f"{key}.weight"].T)
            bias = self.constant(f"{key}.bias", self.state[f"{key}.bias"])
            return self.node("Attention", x, weight, bias, mask, domain=_FUSED, num_heads=heads)
        (q, scale, zero), (weight, factors, bias) = self.quantised(x, key), self._weights(key)
        return self.node(
            "QAttention", q, weight, bias, scale, factors, mask, zero, domain=_FUSED,
            num_heads=heads,
        )  # fmt: skip

    def norm(self, x: str, key: str, skip: str = "") -> str:
        gain = self.constant(f"{key}.gain", self.state[f"{key}.weight"])
        shift = self.constant(f"{key}.shift", self.state[f"{key}.bias"])
        if skip:
            kind = "SkipLayerNormalization"
            return self.node(kind, x, skip, gain, shift, domain=_FUSED, epsilon=_EPSILON)
        return self.node("LayerNormalization", x, gain, shift, epsilon=_EPSILON, axis=-1)

    def positions(self, ids: str, longest: int) -> str:
        one, two = self.constant("one", np.array([1])), self.constant("two", np.array([2]))
        length = self.node("Slice", self.node("Shape", ids), one, two)
        table = self.constant("positions", self.state["encoder.position.weight"][:longest])
        return self.node("Slice", table, self.constant("zero", np.array([0])), length)


def build_graph(
    state: Mapping[str, Array],
    path: Path,
    *,
    layers: int,
    heads: int,
    labels: int,
    mode: Mode,
    ranges: Ranges | None = None,
    longest: int = 256,
    head: int = 0,
) -> None:
    """Writes the model file.

    Args:
        state: the tagger's weights, float32.
        path: target.
        layers: of the encoder.
        heads: attention heads.
        labels: L.
        mode: ``"float"`` for comparison, ``"int8"`` to ship.
        ranges: activation ranges, needed for int8.
        longest: size of the position table.
        head: which emission head to keep.
    """
    import onnx
    from onnx import TensorProto, helper

    g = _Graph(state, mode, ranges or {})
    x = g.node("Add", g.embedding("word", "input_ids"), g.embedding("case", "case_ids", small=True))
    x = g.node("Add", x, g.embedding("shape", "shape_ids", small=True))
    x = g.norm(g.node("Add", x, g.positions("input_ids", longest)), "encoder.norm")
    mask = g.node("Cast", "attention_mask", to=TensorProto.INT32)
    for i in range(layers):
        layer = f"encoder.layers.{i}."
        attended = g.linear(g.attention(x, mask, f"{layer}qkv", heads), f"{layer}out")
        x = g.norm(x, f"{layer}norm_attention", skip=attended)
        inner = g.node("Gelu", g.linear(x, f"{layer}inner"), domain=_FUSED)
        x = g.norm(x, f"{layer}norm_output", skip=g.linear(inner, f"{layer}outer"))
    # Everything after this line is per word: [B, T, D] -> [B, W, D].
    index = g.node("Unsqueeze", "first_piece", g.constant("last_axis", np.array([2])))
    words = g.node("GatherND", x, index, batch_dims=1)
    rows = slice(head * labels, (head + 1) * labels)
    g.plain_linear(
        words, "head", state["head.weight"][rows], state["head.bias"][rows], name="emissions"
    )
    fine = state["fine.weight"]
    g.plain_linear(words, "fine", fine, state["fine.bias"], name="fine_logits")

    def value(name: str, kind: int, shape: list[str | int]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    per_piece = ("input_ids", "attention_mask", "case_ids", "shape_ids")
    graph = helper.make_graph(
        g.nodes,
        "magpie-tagger",
        [
            *(value(name, TensorProto.INT64, ["B", "T"]) for name in per_piece),
            value("first_piece", TensorProto.INT64, ["B", "W"]),
        ],
        [
            value("emissions", TensorProto.FLOAT, ["B", "W", labels]),
            value("fine_logits", TensorProto.FLOAT, ["B", "W", fine.shape[0]]),
        ],
        g.constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_FUSED, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="magpie")
    onnx.save(model, str(path))
