"""Exports a BERT sentence encoder to ONNX: minilm_onnx.py MODEL_FOLDER OUT.onnx [batch]

One sentence: "input_ids" i64[T] -> "last_hidden_state" f32[T, hidden], "sentence_embedding"
f32[hidden]; with `batch` sentences of equal length, B of them along a first axis
of all three. The same network as bert_encoder() of include/lamina/nn.h, in the operators that ONNX
Runtime has fused kernels for (LayerNormalization, erf-GELU, attention as MatMul and Softmax).
"""
import json
import math
import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Exporter:
    def __init__(self, config, weights, batch):
        self.config, self.weights, self.batch = config, weights, ["B"] if batch else []
        self.nodes, self.constants = [], {}

    def emit(self, op, *inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, name, array):
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(numpy.ascontiguousarray(array), name)
        return name

    def real(self, value):
        return self.constant(f"real {value}", numpy.float32(value))

    def integers(self, *values):
        return self.constant(f"integers {values}", numpy.array(values, numpy.int64))

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def linear(self, x, name):
        transposed = self.constant(name + ".weight.T", self.weights[name + ".weight"].T)
        return self.emit("Add", self.emit("MatMul", x, transposed), self.weight(name + ".bias"))

    def layer_norm(self, x, name):
        return self.emit("LayerNormalization", x, self.weight(name + ".weight"),
                         self.weight(name + ".bias"), axis=-1,
                         epsilon=self.config["layer_norm_eps"])

    def gelu(self, x):
        half = self.emit("Add", self.emit("Erf", self.emit("Div", x, self.real(math.sqrt(2)))),
                         self.real(1))
        return self.emit("Mul", self.emit("Mul", x, half), self.real(0.5))

    def embeddings(self):
        words = self.emit("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        positions = self.emit("Slice", self.weight("embeddings.position_embeddings.weight"),
                              self.integers(0),
                              self.emit("Shape", "input_ids", start=len(self.batch)),
                              self.integers(0))
        kind = self.constant("first type",
                             self.weights["embeddings.token_type_embeddings.weight"][0])
        total = self.emit("Add", self.emit("Add", words, kind), positions)
        return self.layer_norm(total, "embeddings.LayerNorm")

    def attention(self, x, layer):
        hidden, heads = self.config["hidden_size"], self.config["num_attention_heads"]
        kept = [0] * (len(self.batch) + 1)  # axes that a reshape leaves as they are
        split = self.integers(*kept, heads, hidden // heads)

        def transposed(value, order):
            axes = list(range(len(self.batch)))
            return self.emit("Transpose", value, perm=axes + [len(axes) + i for i in order])

        def head(name, order):
            projected = self.linear(x, f"{layer}.attention.self.{name}")
            return transposed(self.emit("Reshape", projected, split), order)

        scores = self.emit("MatMul", head("query", [1, 0, 2]), head("key", [1, 2, 0]))
        scaled = self.emit("Div", scores, self.real(math.sqrt(hidden // heads)))
        mixed = self.emit("MatMul", self.emit("Softmax", scaled, axis=-1),
                          head("value", [1, 0, 2]))
        joined = self.emit("Reshape", transposed(mixed, [1, 0, 2]),
                           self.integers(*kept, hidden))
        return self.linear(joined, f"{layer}.attention.output.dense")

    def block(self, x, layer):
        x = self.layer_norm(self.emit("Add", self.attention(x, layer), x),
                            f"{layer}.attention.output.LayerNorm")
        wide = self.gelu(self.linear(x, f"{layer}.intermediate.dense"))
        return self.layer_norm(self.emit("Add", self.linear(wide, f"{layer}.output.dense"), x),
                               f"{layer}.output.LayerNorm")

    def export(self):
        x = self.embeddings()
        for layer in range(self.config["num_hidden_layers"]):
            x = self.block(x, f"encoder.layer.{layer}")
        axis = len(self.batch)
        mean = self.emit("ReduceMean", x, axes=[axis], keepdims=0)
        length = self.emit("ReduceL2", mean, axes=[axis], keepdims=1)
        self.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
        self.nodes.append(helper.make_node("Div", [mean, length], ["sentence_embedding"]))
        hidden = self.config["hidden_size"]
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "sentence_encoder",
            [info("input_ids", TensorProto.INT64, [*self.batch, "T"])],
            [info("last_hidden_state", TensorProto.FLOAT, [*self.batch, "T", hidden]),
             info("sentence_embedding", TensorProto.FLOAT, [*self.batch, hidden])],
            list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def main():
    folder, out = map(pathlib.Path, sys.argv[1:3])
    batch = sys.argv[3:] == ["batch"]
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    onnx.save(Exporter(config, weights, batch).export(), str(out))


main()
