"""The example programs as ONNX models, for the peers that read ONNX."""
import numpy
import onnx
from programs import PROGRAMS, SHAPES

TYPES = {"f32": onnx.TensorProto.FLOAT, "bf16": onnx.TensorProto.BFLOAT16}


def convert(array, dtype):
    """The array in the element type of a program."""
    if dtype == "f32":
        return array.astype(numpy.float32)
    import ml_dtypes
    return array.astype(ml_dtypes.bfloat16)


class Builder:
    """Records a program as ONNX nodes."""

    def __init__(self, dtype):
        self.dtype, self.nodes, self.constants, self.count = dtype, [], [], 0

    def emit(self, op, inputs, **attributes):
        self.count += 1
        out = f"v{self.count}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(onnx.helper.make_node(op, names, [out], **attributes))
        return out

    def constant(self, value):
        self.count += 1
        name = f"c{self.count}"
        array = convert(numpy.array(value), self.dtype)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, x, y): return self.emit("Add", [x, y])
    def mul(self, x, y): return self.emit("Mul", [x, y])
    def matmul(self, x, y): return self.emit("MatMul", [x, y])
    def exp(self, x): return self.emit("Exp", [x])
    def rsqrt(self, x): return self.emit("Reciprocal", [self.emit("Sqrt", [x])])
    def silu(self, x): return self.mul(x, self.emit("Sigmoid", [x]))
    def mean(self, x, axis): return self.emit("ReduceMean", [x], axes=[axis], keepdims=1)
    def softmax(self, x): return self.emit("Softmax", [x], axis=-1)


def build_model(name, dtype, weights):
    """The serialised model; weights are constants of it."""
    inputs, names = SHAPES[name]
    builder = Builder(dtype)
    out = PROGRAMS[name](builder, *inputs, *names)
    tensor = onnx.helper.make_tensor_value_info
    constants = [onnx.numpy_helper.from_array(w, n) for n, w in weights.items()]
    graph = onnx.helper.make_graph(
        builder.nodes, name, [tensor(n, TYPES[dtype], s) for n, s in inputs.items()],
        [tensor(out, TYPES[dtype], None)], builder.constants + constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()
