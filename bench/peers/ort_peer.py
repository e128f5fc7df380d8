"""ONNX Runtime as a contender.

ort_peer.py program NAME DATA THREADS ROTATE_BYTES   an example program (f32)
ort_peer.py model FILE.onnx DATA THREADS             a model file, inputs by name
"""
import sys

import numpy
import onnxruntime
from programs import EPSILON, PROGRAMS, SHAPES
from protocol import copies_for, load_folder, serve


class Builder:
    """Records a program as ONNX nodes."""

    def __init__(self):
        import onnx
        self.helper, self.numpy_helper = onnx.helper, onnx.numpy_helper
        self.nodes, self.constants, self.count = [], [], 0

    def emit(self, op, inputs, **attributes):
        self.count += 1
        out = f"v{self.count}"
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(self.helper.make_node(op, names, [out], **attributes))
        return out

    def constant(self, value):
        self.count += 1
        name = f"c{self.count}"
        array = numpy.array(value, numpy.float32)
        self.constants.append(self.numpy_helper.from_array(array, name))
        return name

    def add(self, x, y): return self.emit("Add", [x, y])
    def mul(self, x, y): return self.emit("Mul", [x, y])
    def matmul(self, x, y): return self.emit("MatMul", [x, y])
    def rsqrt(self, x): return self.emit("Reciprocal", [self.emit("Sqrt", [x])])
    def silu(self, x): return self.mul(x, self.emit("Sigmoid", [x]))
    def mean(self, x, axis): return self.emit("ReduceMean", [x], axes=[axis], keepdims=1)
    def softmax(self, x): return self.emit("Softmax", [x], axis=-1)


def build_model(name, weights):
    import onnx
    inputs, names = SHAPES[name]
    builder = Builder()
    out = PROGRAMS[name](builder, *inputs, *names)
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        builder.nodes, name, [tensor(n, 1, s) for n, s in inputs.items()],
        [tensor(out, 1, None)],
        builder.constants + [onnx.numpy_helper.from_array(w, n) for n, w in weights.items()])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


def open_session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    # Idle workers must not take the processor from the other contender.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main():
    mode, name, data, threads = sys.argv[1:5]
    arrays = load_folder(data)
    if mode == "program":
        inputs, weights = SHAPES[name]
        feed = {n: arrays[n] for n in inputs}
        values = {n: arrays[n] for n in weights}
        size = sum(w.nbytes for w in values.values())
        model = build_model(name, values)
        sessions = [open_session(model, threads)
                    for _ in range(copies_for(size, int(sys.argv[5])))]
    else:
        feed = arrays
        sessions = [open_session(name, threads)]
    turn = [0]

    def run():
        turn[0] = (turn[0] + 1) % len(sessions)
        return sessions[turn[0]].run(None, feed)

    serve(run, run, numpy.save)


main()
