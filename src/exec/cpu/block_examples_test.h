// Block graphs for tests and timings: the fused forms of common programs.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina::cpu {

// Builds a graph of one block node: inputs are added to both graphs.
class BlockBuilder {
 public:
  BlockBuilder(Dims grid, Dim loop) : grid_(std::move(grid)), loop_(std::move(loop)) {
    inner.level = Level::kBlock;
  }

  // An input of the block and the tile of it that a task sees.
  Value load(const std::string& name, Type type, Dims grid, std::int64_t loop, Dims tile,
             bool constant = false) {
    outer_inputs_.push_back({name, type, constant});
    const Value whole = inner.add_input(name, type);
    return inner.add("load", {whole}, {{"grid", grid}, {"loop", loop}, {"tile", tile}});
  }
  Value state(const std::string& name, Dims shape, double initial = 0.0) {
    return inner.add_state(name, {DType::kF32, std::move(shape), {}}, initial);
  }
  Value op(std::string_view name, std::vector<Value> inputs, Attrs attrs = {}) {
    return inner.add(name, std::move(inputs), std::move(attrs));
  }
  Value number(double value, DType dtype = DType::kF32) { return inner.constant(value, dtype); }
  void accumulate(Value state, Value term) {
    inner.add_update(state, inner.add("add", {state, term}));
  }
  void store(Value value, Dims grid, Dims shape, DType dtype = DType::kF32) {
    store_part(value, grid, -1, shape, dtype);
  }
  // Each iteration stores its part along axis `loop` (-1: stored once).
  void store_part(Value value, Dims grid, std::int64_t loop, Dims shape,
                  DType dtype = DType::kF32) {
    if (inner.type(value).dtype != dtype) value = op("cast", {value}, {{"dtype", dtype}});
    const std::string name = "y" + std::to_string(inner.outputs.size());
    const Attrs place{{"grid", grid}, {"loop", loop}, {"shape", shape}};
    inner.add_output(name, op("store", {value}, place));
  }

  // The graph; weights are given no elements: the tests run the node directly.
  Graph build(const std::vector<std::string>& sizes = {}) const {
    Graph graph;
    Graph block_graph = inner;
    for (const std::string& size : sizes) {
      graph.sizes.push_back({size});
      block_graph.sizes.push_back({size});
    }
    std::vector<Value> values;
    for (const auto& input : outer_inputs_) {
      values.push_back(
          graph.add_input(input.name, input.type, input.constant ? Role::kWeight : Role::kInput));
    }
    const Value block = graph.add("block", values, {{"grid", grid_}, {"loop", Dims{loop_}}},
                                  "fused", {block_graph});
    for (std::size_t k = 0; k < inner.outputs.size(); ++k) {
      graph.add_output(inner.outputs[k].name, {block.node, static_cast<std::int32_t>(k)});
    }
    return graph;
  }

  Graph inner;

 private:
  struct OuterInput {
    std::string name;
    Type type;
    bool constant;
  };
  Dims grid_;
  Dim loop_;
  std::vector<OuterInput> outer_inputs_;
};

struct LinearShape {
  std::int64_t rows = 8;
  std::int64_t depth = 4096;
  std::int64_t columns = 4096;
  std::int64_t column_tile = 64;
  std::int64_t depth_tile = 256;
  DType dtype = DType::kF32;

  std::int64_t tasks() const { return (columns + column_tile - 1) / column_tile; }
  std::int64_t steps() const { return (depth + depth_tile - 1) / depth_tile; }
  Type x() const { return {dtype, {rows, depth}, {}}; }
  Type w() const { return {dtype, {depth, columns}, {}}; }
};

// exp(q k), kept part by part as the loop computes it, and its sums along rows.
inline Graph scores_and_sums(Dims grid, std::int64_t queries, std::int64_t keys, DType dtype) {
  const std::int64_t row_tile = 4, key_tile = 16, width = 5;
  BlockBuilder b(std::move(grid), (keys + key_tile - 1) / key_tile);
  const Value q = b.load("q", {dtype, {queries, width}, {}}, {0}, -1, {row_tile, width});
  const Value k = b.load("k", {dtype, {width, keys}, {}}, {-1}, 1, {width, key_tile});
  const Value weights = b.op("exp", {b.op("matmul", {q, k})});
  const Value total = b.state("total", {row_tile, 1});
  b.accumulate(total, b.op("sum", {weights}, {{"axes", Dims{-1}}, {"keepdims", true}}));
  b.store_part(weights, {0}, 1, {queries, keys}, dtype);
  b.store(b.op("after", {total}), {0}, {queries, 1});
  return b.build();
}

// Rows of a table and their norm, and the products of rows; some indices name no row.
inline Graph gathered_rows(DType dtype) {
  BlockBuilder b({2, 2}, 1);
  const Value table = b.load("table", {dtype, {7, 19}, {}}, {-1, -1}, -1, {7, 19});
  const Value ids = b.load("ids", {DType::kI64, {2, 5}, {}}, {0, 1}, -1, {1, 3});
  const Value w = b.load("w", {dtype, {19, 6}, {}}, {-1, -1}, -1, {19, 6});
  const Value rows = b.op("gather", {table, ids}, {{"axis", 0}});
  const Value squares =
      b.op("sum", {b.op("mul", {rows, rows})}, {{"axes", Dims{-1}}, {"keepdims", true}});
  const Value normed = b.op("div", {rows, b.op("add", {squares, b.number(1.0, dtype)})});
  b.store(normed, {0, 1}, {2, 5, 19}, dtype);
  b.store(b.op("matmul", {rows, w}), {0, 1}, {2, 5, 6}, dtype);
  return b.build();
}
// 7 and -8 are outside.
inline Tensor gathered_ids() {
  const std::vector<std::int64_t> ids = {6, 0, -1, 3, 7, -8, 2, 2, -7, 5};
  return Tensor::from_integers(DType::kI64, {2, 5}, ids);
}

// Along an axis in the middle, the table cut on both sides of it, by 32-bit indices.
inline Graph gathered_middle() {
  BlockBuilder b({2, 3}, 1);
  const Value table = b.load("table", {DType::kF32, {4, 7, 8}, {}}, {0, 2}, -1, {3, 7, 3});
  const Value ids = b.load("ids", {DType::kI32, {3}, {}}, {-1, -1}, -1, {3});
  const Value bias = b.load("bias", {DType::kF32, {4, 1, 1}, {}}, {0, -1}, -1, {3, 1, 1});
  const Value slices = b.op("gather", {table, ids}, {{"axis", 1}});
  b.store(b.op("add", {bias, slices}), {0, 2}, {4, 3, 8});
  return b.build();
}
inline Tensor gathered_middle_ids() {
  const std::vector<std::int64_t> ids = {-2, 6, 0};
  return Tensor::from_integers(DType::kI32, {3}, ids);
}

// rms_norm(x) W: the norm is divided out after the product.
inline Graph rms_norm_linear(const LinearShape& s) {
  BlockBuilder b({s.tasks()}, s.steps());
  const Value x = b.load("x", s.x(), {-1}, 1, {s.rows, s.depth_tile});
  const Value w = b.load("w", s.w(), {1}, 0, {s.depth_tile, s.column_tile}, true);
  const Value acc = b.state("acc", {s.rows, s.column_tile});
  const Value squares = b.state("squares", {s.rows, 1});
  b.accumulate(acc, b.op("matmul", {x, w}));
  b.accumulate(squares,
               b.op("sum", {b.op("mul", {x, x})}, {{"axes", Dims{-1}}, {"keepdims", true}}));
  const Value mean =
      b.op("div", {b.op("after", {squares}), b.number(static_cast<double>(s.depth))});
  const Value scale = b.op("rsqrt", {b.op("add", {mean, b.number(1e-6)})});
  b.store(b.op("mul", {b.op("after", {acc}), scale}), {1}, {s.rows, s.columns}, s.dtype);
  return b.build();
}

// silu(x V) * (x W).
inline Graph gated_mlp(const LinearShape& s) {
  BlockBuilder b({s.tasks()}, s.steps());
  const Value x = b.load("x", s.x(), {-1}, 1, {s.rows, s.depth_tile});
  const Value v = b.load("v", s.w(), {1}, 0, {s.depth_tile, s.column_tile}, true);
  const Value w = b.load("w", s.w(), {1}, 0, {s.depth_tile, s.column_tile}, true);
  const Value gate = b.state("gate", {s.rows, s.column_tile});
  const Value up = b.state("up", {s.rows, s.column_tile});
  b.accumulate(gate, b.op("matmul", {x, v}));
  b.accumulate(up, b.op("matmul", {x, w}));
  const Value y = b.op("mul", {b.op("silu", {b.op("after", {gate})}), b.op("after", {up})});
  b.store(y, {1}, {s.rows, s.columns}, s.dtype);
  return b.build();
}

// x W + (x A) B with A [depth, rank], B [rank, columns].
inline Graph lora(const LinearShape& s, std::int64_t rank) {
  BlockBuilder b({s.tasks()}, s.steps());
  const Value x = b.load("x", s.x(), {-1}, 1, {s.rows, s.depth_tile});
  const Value w = b.load("w", s.w(), {1}, 0, {s.depth_tile, s.column_tile}, true);
  const Value down =
      b.load("a", {s.dtype, {s.depth, rank}, {}}, {-1}, 0, {s.depth_tile, rank}, true);
  const Value up =
      b.load("b", {s.dtype, {rank, s.columns}, {}}, {1}, -1, {rank, s.column_tile}, true);
  const Value acc = b.state("acc", {s.rows, s.column_tile});
  const Value narrow = b.state("narrow", {s.rows, rank});
  b.accumulate(acc, b.op("matmul", {x, w}));
  b.accumulate(narrow, b.op("matmul", {x, down}));
  const Value low = b.op("matmul", {b.op("after", {narrow}), up});
  b.store(b.op("add", {b.op("after", {acc}), low}), {1}, {s.rows, s.columns}, s.dtype);
  return b.build();
}

struct AttentionShape {
  std::int64_t heads = 4;
  std::int64_t queries = 40;
  std::int64_t keys = 200;
  std::int64_t width = 32;
  std::int64_t query_tile = 16;
  std::int64_t key_tile = 64;
  bool causal = false;
  DType dtype = DType::kF32;
};

// softmax(q k^T / sqrt(width)) v with the online softmax; k is [heads, keys, width].
inline Graph attention(const AttentionShape& s) {
  const auto tiles = [](std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; };
  BlockBuilder b({s.heads, tiles(s.queries, s.query_tile)}, tiles(s.keys, s.key_tile));
  const Value q = b.load("q", {s.dtype, {s.heads, s.queries, s.width}, {}}, {0, 1}, -1,
                         {1, s.query_tile, s.width});
  const Type kv{s.dtype, {s.heads, s.keys, s.width}, {}};
  const Value k = b.load("k", kv, {0, -1}, 1, {1, s.key_tile, s.width});
  const Value v = b.load("v", kv, {0, -1}, 1, {1, s.key_tile, s.width});
  const Value scaled = b.op("mul", {q, b.number(1.0 / std::sqrt(static_cast<double>(s.width)))});
  const Value keys = b.op("transpose", {k}, {{"axes", Dims{0, 2, 1}}});
  Value scores = b.op("matmul", {scaled, keys});
  if (s.causal) {
    const Value at_q =
        b.load("at_q", {DType::kI64, {s.queries, 1}, {}}, {-1, 0}, -1, {s.query_tile, 1});
    const Value at_k = b.load("at_k", {DType::kI64, {s.keys}, {}}, {-1, -1}, 0, {s.key_tile});
    const Value seen = b.op("less_equal", {at_k, at_q});
    scores = b.op("select", {seen, scores, b.number(-INFINITY)});
  }
  const Attrs last = {{"axes", Dims{-1}}, {"keepdims", true}};
  const Value m = b.state("m", {1, s.query_tile, 1}, -1e30);
  const Value l = b.state("l", {1, s.query_tile, 1});
  const Value acc = b.state("acc", {1, s.query_tile, s.width});
  const Value top = b.op("max", {m, b.op("reduce_max", {scores}, last)});
  const Value p = b.op("exp", {b.op("sub", {scores, top})});
  const Value fade = b.op("exp", {b.op("sub", {m, top})});
  b.inner.add_update(m, top);
  b.inner.add_update(l, b.op("add", {b.op("mul", {l, fade}), b.op("sum", {p}, last)}));
  b.inner.add_update(acc, b.op("add", {b.op("mul", {acc, fade}), b.op("matmul", {p, v})}));
  b.store(b.op("div", {b.op("after", {acc}), b.op("after", {l})}), {0, 1},
          {s.heads, s.queries, s.width}, s.dtype);
  return b.build();
}

// rms_norm(x + alpha * (rms_norm(h) + x)), rows of a tile each.
inline Graph norm_transformer(std::int64_t rows, std::int64_t width, std::int64_t row_tile,
                              DType dtype) {
  BlockBuilder b({(rows + row_tile - 1) / row_tile}, 1);
  const Type type{dtype, {rows, width}, {}};
  const Value h = b.load("h", type, {0}, -1, {row_tile, width});
  const Value x = b.load("x", type, {0}, -1, {row_tile, width});
  const Value alpha = b.load("alpha", type, {0}, -1, {row_tile, width});
  const Value inner = b.op("add", {b.op("rms_norm", {h}), x});
  const Value y = b.op("rms_norm", {b.op("add", {x, b.op("mul", {alpha, inner})})});
  const Value out = b.state("out", {row_tile, width});
  b.inner.add_update(out, b.op("cast", {y}, {{"dtype", DType::kF32}}));
  b.store(b.op("after", {out}), {0}, {rows, width}, dtype);
  return b.build();
}

}  // namespace lamina::cpu
