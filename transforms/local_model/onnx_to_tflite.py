"""Convert a convolutional ONNX network to a LiteRT file with the same answers, without TensorFlow.

Only CenterFace's six operators are supported. The axes become N H W C. A 2 x 2 transposed convolution with
stride 2 becomes a 1 x 1 convolution and a DEPTH_TO_SPACE, which work for any input size. All outputs are
joined along the channels into one tensor. A sigmoid at an output is left out: the caller must apply it.
"""

from typing import Final, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl
from numpy.typing import NDArray

from facebeam.transforms.local_model.onnx_graph import Node, OnnxGraph

_FILE_ID: Final = b"TFL3"
_SCHEMA_VERSION: Final = 3


def convert(graph: OnnxGraph, side: int) -> bytes:
    """Write a network as a LiteRT file.

    Args:
        graph: the network; its first operator takes the image, which has 3 channels.
        side: side of the input in the file, in pixels; `resize_tensor_input` can change it later.

    Raises:
        ValueError: the network has an operator, or an order of operators, that is not supported.
    """
    return _Conversion(graph, side).write()


class _Convolution(NamedTuple):
    """A convolution to write."""

    source: str
    out: str
    kernel: NDArray[np.floating]
    """[channels out, h, w, channels in]; a depthwise kernel has 1 channel in."""
    bias: NDArray[np.floating]
    stride: int = 1
    relu: bool = False
    depthwise: bool = False


class _Conversion:
    """The conversion of one network: the LiteRT file so far, and the values that are in it."""

    def __init__(self, graph: OnnxGraph, side: int) -> None:
        self._graph = graph
        self._model = tfl.ModelT()
        self._model.version = _SCHEMA_VERSION
        self._model.buffers, self._model.operatorCodes = [tfl.BufferT()], []
        self._body = tfl.SubGraphT()
        self._body.tensors, self._body.operators = [], []
        self._codes: dict[int, int] = {}
        made = [name for node in graph.nodes for name in node.outputs]
        self._users = {name: [node for node in graph.nodes if name in node.inputs] for name in made}
        self._tensors: dict[str, int] = {}
        self._image = graph.nodes[0].inputs[0]
        self._value(self._image, side, 3)

    def write(self) -> bytes:
        """Translate all operators, join the last convolutions into one, and serialize the file."""
        heads = [self._without_sigmoid(name) for name in self._graph.outputs]
        done = {head.outputs[0] for head in heads} | set(self._graph.outputs)
        for node in self._graph.nodes:
            if node.outputs[0] not in done:
                done.update(self._translate(node))
        answer = self._heads(heads)
        self._body.inputs, self._body.outputs = [self._tensors[self._image]], [answer]
        self._model.subgraphs = [self._body]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), _FILE_ID)
        return bytes(builder.Output())

    def _without_sigmoid(self, name: str) -> Node:
        made_by = {out: node for node in self._graph.nodes for out in node.outputs}
        node = made_by[name]
        return made_by[node.inputs[0]] if node.kind == "Sigmoid" else node

    def _translate(self, node: Node) -> list[str]:
        """Write one operator and the operators fused into it; give the names of the values written."""
        match node.kind:
            case "Conv":
                return self._conv(node)
            case "Add":
                return self._add(node)
            case "ConvTranspose":
                return self._conv_transpose(node)
        raise ValueError(f"operator {node.kind} of {node.outputs[0]} cannot be converted")

    def _conv(self, node: Node) -> list[str]:
        out, is_fused = self._relu_after(node.outputs[0])
        kernel, bias = (self._graph.weights[name] for name in node.inputs[1:3])
        self._write_conv(
            _Convolution(
                node.inputs[0],
                out,
                kernel.transpose(0, 2, 3, 1),
                bias,
                node.numbers["strides"][0],
                relu=is_fused,
                depthwise=node.numbers["group"][0] > 1,
            )
        )
        return [node.outputs[0], out]

    def _add(self, node: Node) -> list[str]:
        first, second = (self._tensors[name] for name in node.inputs)
        _, side, _, channels = self._body.tensors[first].shape
        out = self._value(node.outputs[0], side, channels)
        self._operator("ADD", [first, second], out, "AddOptions", tfl.AddOptionsT())
        return [node.outputs[0]]

    def _conv_transpose(self, node: Node) -> list[str]:
        """Write a transposed convolution with its batch norm and ReLU.

        The 2 x 2 output pixels per input pixel become four groups of channels, which DEPTH_TO_SPACE spreads.
        """
        (norm,) = self._users[node.outputs[0]]
        out, is_fused = self._relu_after(norm.outputs[0])
        if norm.kind != "BatchNormalization" or not is_fused:
            raise ValueError(f"ConvTranspose of {node.outputs[0]} is not followed by batch norm and ReLU")
        numbers = (self._graph.weights[name].astype(np.float64) for name in norm.inputs[1:])
        scale, shift, mean, variance = numbers
        factor = scale / np.sqrt(variance + norm.reals["epsilon"])
        kernel = self._graph.weights[node.inputs[1]].astype(np.float64) * factor[:, np.newaxis, np.newaxis]
        inputs, channels = kernel.shape[:2]
        deep = kernel.transpose(2, 3, 1, 0).reshape(4 * channels, 1, 1, inputs)
        bias = np.tile(shift - mean * factor, 4)
        spread = self._write_conv(_Convolution(node.inputs[0], f"{out}_deep", deep, bias, relu=True))
        options = tfl.DepthToSpaceOptionsT()
        options.blockSize = 2
        wide = self._value(out, 2 * self._body.tensors[spread].shape[1], channels)
        self._operator("DEPTH_TO_SPACE", [spread], wide, "DepthToSpaceOptions", options)
        return [node.outputs[0], norm.outputs[0], out]

    def _heads(self, heads: list[Node]) -> int:
        """Write the last convolutions, which must all have the same input, as one convolution."""
        kernels, biases = ([self._graph.weights[head.inputs[i]] for head in heads] for i in (1, 2))
        if {head.inputs[0] for head in heads} != {heads[0].inputs[0]}:
            raise ValueError("the network's answers are not made from one value")
        kernel = np.concatenate(kernels).transpose(0, 2, 3, 1)
        return self._write_conv(_Convolution(heads[0].inputs[0], "answer", kernel, np.concatenate(biases)))

    def _relu_after(self, name: str) -> tuple[str, bool]:
        """Give the name of a value after its ReLU, and True; without a ReLU, its own name and False."""
        users = self._users[name]
        is_fused = len(users) == 1 and users[0].kind == "Relu"
        return (users[0].outputs[0] if is_fused else name), is_fused

    def _write_conv(self, one: _Convolution) -> int:
        """Write a convolution; one of 3 x 3 is padded by one pixel on each side."""
        taken = self._tensors[one.source]
        side = self._body.tensors[taken].shape[1]
        options = tfl.DepthwiseConv2DOptionsT() if one.depthwise else tfl.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = tfl.Padding.SAME, one.stride, one.stride
        options.dilationHFactor = options.dilationWFactor = 1
        if one.stride > 1:  # SAME would pad only the far side, ONNX pads both
            taken, options.padding = self._pad(taken, one.out), tfl.Padding.VALID
        if one.relu:
            options.fusedActivationFunction = tfl.ActivationFunctionType.RELU
        kernel = one.kernel.transpose(3, 1, 2, 0) if one.depthwise else one.kernel
        if one.depthwise:
            options.depthMultiplier = 1
        weights = [
            self._constant(f"{one.out}_kernel", kernel),
            self._constant(f"{one.out}_bias", one.bias),
        ]
        made = self._value(one.out, side // one.stride, len(one.bias))
        code, kind = ("DEPTHWISE_CONV_2D", "DepthwiseConv2D") if one.depthwise else ("CONV_2D", "Conv2D")
        self._operator(code, [taken, *weights], made, f"{kind}Options", options)
        return made

    def _pad(self, source: int, name: str) -> int:
        _, side, _, channels = self._body.tensors[source].shape
        widths = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
        out = self._value(f"{name}_padded", side + 2, channels)
        pads = self._constant(f"{name}_pads", widths)
        self._operator("PAD", [source, pads], out, "PadOptions", tfl.PadOptionsT())
        return out

    def _value(self, name: str, side: int, channels: int) -> int:
        self._tensors[name] = self._tensor(name, (1, side, side, channels), tfl.TensorType.FLOAT32, 0)
        return self._tensors[name]

    def _constant(self, name: str, values: NDArray[np.floating] | NDArray[np.int32]) -> int:
        is_index = np.issubdtype(values.dtype, np.integer)
        stored = np.ascontiguousarray(values, "<i4" if is_index else "<f4")
        buffer = tfl.BufferT()
        buffer.data = np.frombuffer(stored.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        kind = tfl.TensorType.INT32 if is_index else tfl.TensorType.FLOAT32
        return self._tensor(name, stored.shape, kind, len(self._model.buffers) - 1)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, buffer: int) -> int:
        tensor = tfl.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), kind, buffer
        self._body.tensors.append(tensor)
        return len(self._body.tensors) - 1

    def _operator(self, kind: str, inputs: list[int], out: int, options_kind: str, options: object) -> None:
        operator = tfl.OperatorT()
        operator.opcodeIndex = self._code(getattr(tfl.BuiltinOperator, kind))
        operator.inputs, operator.outputs = inputs, [out]
        operator.builtinOptionsType = getattr(tfl.BuiltinOptions, options_kind)
        operator.builtinOptions = options
        self._body.operators.append(operator)

    def _code(self, builtin: int) -> int:
        if builtin not in self._codes:
            code = tfl.OperatorCodeT()
            # Set both fields: older readers use the second one, which holds codes below 127.
            code.builtinCode = code.deprecatedBuiltinCode = builtin
            code.version = 1
            self._codes[builtin] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[builtin]
