"""The parts that an ONNX graph is put together from, in 32 or 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from melody.extras import need
from melody.network.state import Floats

if TYPE_CHECKING:
    from onnx import ModelProto

STEPS, ZERO = 63, 64  # an activation from -span to span becomes 1 to 127


@dataclass(frozen=True)
class Tensor:
    """An input or an output: its name, the name of its number of streams, its columns.

    An array that grows by a step an event has a third axis behind them, of as many steps as that name says.
    """

    name: str
    streams: str
    columns: int
    is_integer: bool = False
    steps: str = ""

    def proto(self, onnx: Any) -> Any:
        """The array's description in ONNX; `onnx` is the library."""
        kind = onnx.TensorProto.INT64 if self.is_integer else onnx.TensorProto.FLOAT
        axes = [self.streams, self.columns, *([self.steps] if self.steps else [])]
        return onnx.helper.make_tensor_value_info(self.name, kind, axes)


class Graph:
    """Nodes and weights as they are added; every method gives the name of its result."""

    def __init__(self, quantised: bool) -> None:
        need("an ONNX file", "onnx")
        import onnx
        from onnx import helper, numpy_helper

        self._onnx, self._helper, self._from_array = onnx, helper, numpy_helper.from_array
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._quantised = quantised

    def add(self, operator: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """One node; gives its first output."""
        outputs = outputs or [f"{operator.lower()}{len(self._nodes)}"]
        self._nodes.append(self._helper.make_node(operator, list(inputs), list(outputs), **attributes))
        return outputs[0]

    def split(self, name: str, sizes: Sequence[int]) -> list[str]:
        """Neighbouring columns."""
        outputs = [f"split{len(self._nodes)}_{i}" for i in range(len(sizes))]
        self.add("Split", name, self.constant(np.array(sizes, np.int64)), outputs=outputs, axis=1)
        return outputs

    def joined(self, *names: str) -> str:
        """Columns side by side."""
        return names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)

    def constant(self, array: NDArray[Any] | np.generic) -> str:
        """A weight; equal ones are kept once."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"weight{len(self._weights)}"
            self._weights.append(self._from_array(np.ascontiguousarray(array), self._constants[key]))
        return self._constants[key]

    def table(self, rows: Floats) -> str:
        """Rows to be looked up; of 8 bits in the file, unpacked when it is loaded."""
        if not self._quantised:
            return self.constant(rows)
        small, scale = quantise(rows)
        return self.add("Mul", self.add("Cast", self.constant(small), to=1), self.constant(scale[:, None]))

    def by_columns(self, weights: Floats) -> str:
        """Weights, (outputs, inputs), to multiply with in 32 bits; of 8 bits in the file."""
        return self.add("Transpose", self.table(weights), perm=[1, 0])

    def rounded(self, name: str, span: int = 1) -> str:
        """Numbers from -`span` to `span`, ready for `product`."""
        if not self._quantised:
            return name
        scale, zero = self.constant(np.float32(span / STEPS)), self.constant(np.uint8(ZERO))
        return self.add("QuantizeLinear", name, scale, zero)

    def product(self, rounded: str, weights: Floats, bias: Floats | None = None, span: int = 1) -> str:
        """`rounded` times weights, (outputs, inputs), plus a bias."""
        if self._quantised:
            small, scale = quantise(weights)
            summed = self.add("MatMulInteger", rounded, self.constant(small.T), self.constant(np.uint8(ZERO)))
            result = self.add("Mul", self.add("Cast", summed, to=1), self.constant(scale * np.float32(span / STEPS)))
        else:
            result = self.add("MatMul", rounded, self.constant(weights.T))
        return result if bias is None else self.add("Add", result, self.constant(bias))

    def times(self, name: str, weights: Floats, bias: Floats | None, is_bounded: bool) -> str:
        """Numbers within -1 and 1, or with no bounds, times weights, (outputs, inputs), plus a bias.

        Of those with no bounds each stream is divided by its largest before it is rounded.
        """
        if is_bounded or not self._quantised:
            return self.product(self.rounded(name), weights, bias)
        largest = self.add("ReduceMax", self.add("Abs", name), axes=[1], keepdims=1)
        largest = self.add("Max", largest, self.constant(np.float32(1e-30)))
        product = self.product(self.rounded(self.add("Div", name, largest)), weights)
        product = self.add("Mul", product, largest)
        return product if bias is None else self.add("Add", product, self.constant(bias))

    def one_of(self, name: str, number: str, count: int, width: int) -> str:
        """Of `count` blocks of columns the one whose number is given for each stream, (streams, 1)."""
        blocks = self.add("Reshape", name, self.constant(np.array([0, count, width])))  # 0: as many streams as there are
        return self.add("GatherND", blocks, number, batch_dims=1)

    def sums(self, table: str, rows: str) -> str:
        """Sums of rows of a table, whose numbers are (streams, rows).

        As a product with ones, made of `rows` so that there may be no streams at all: ReduceSum takes 8 times as long.
        """
        found = self.add("Gather", table, rows, axis=0)
        one = self.constant(np.array([1]))
        ones = self.add("Unsqueeze", self.add("Cast", self.add("Equal", rows, rows), to=1), one)
        return self.add("Squeeze", self.add("MatMul", ones, found), one)

    def columns(self, name: str, numbers: Sequence[int]) -> str:
        """Some columns of an array, (streams, numbers)."""
        return self.add("Gather", name, self.constant(np.array(numbers, np.int64)), axis=1)

    def model(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> ModelProto:
        """The finished model, checked."""
        made = [[t.proto(self._onnx) for t in tensors] for tensors in (inputs, outputs)]
        graph = self._helper.make_graph(self._nodes, "melody", *made, self._weights)
        model = self._helper.make_model(graph, opset_imports=[self._helper.make_opsetid("", 17)], ir_version=8)
        self._onnx.checker.check_model(model)
        return model


def quantise(rows: Floats) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows of whole numbers from -127 to 127, and what one step is worth in each."""
    scale = np.maximum(np.abs(rows).max(axis=1, initial=0), 1e-30).astype(np.float32) / np.float32(127)
    return np.rint(rows / scale[:, None]).astype(np.int8), scale
