// The generic interpreter: the meaning of graphs over any number type.
// One template per kind stands in meaning/; regions are here.
//
// Shapes come from the arrays, so the same graph serves every size and ragged tiles.
//
// A domain may watch or round what nodes give: enter(node) and leave(node, inputs, outputs&) are
// called around each node, those of inner graphs and of expansions between those of their owner.
#pragma once

#include <utility>
#include <vector>

#include "base/check.h"
#include "graph/meaning/elementwise.h"
#include "graph/meaning/loops.h"
#include "graph/meaning/moves.h"
#include "graph/meaning/order.h"

namespace lamina {

// The attributes of a node with its sizes bound.
Attrs bind_attrs(const Attrs& attrs, const Sizes& sizes);

// Where the tile of a load or store begins and how long it is, per axis; empty tiles have
// length 0.
struct TileRange {
  Shape start;
  Shape length;
};
// `tile` is the full tile shape; `point` the grid point, `iteration` of `loop` iterations.
TileRange tile_range(const Attrs& attrs, const Shape& full, const Shape& tile,
                     std::span<const std::int64_t> point, std::int64_t iteration,
                     std::int64_t loop);

// The nodes of a block graph that follow its loop: those that need an `after`.
std::vector<bool> after_loop(const Graph& block);

template <class Domain>
class Interpreter {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  explicit Interpreter(Domain& domain) : domain_(domain) {}

  struct Result {
    std::vector<A> outputs;
    std::vector<A> next_states;  // in the order of Graph::updates
  };

  // `inputs` has one array per Graph::inputs entry, in order.
  Result run(const Graph& graph, std::vector<A> inputs, const Sizes& sizes) {
    std::vector<std::vector<A>> values(graph.nodes.size());
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      values[static_cast<std::size_t>(graph.inputs[i].node)] = {std::move(inputs[i])};
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      if (values[n].empty()) values[n] = node(graph, n, values, sizes);
    }
    Result result;
    for (const Output& out : graph.outputs) result.outputs.push_back(get(values, out.value));
    for (const Update& update : graph.updates) {
      result.next_states.push_back(get(values, update.next));
    }
    return result;
  }

 private:
  using Values = std::vector<std::vector<A>>;

  // Values of a loop are absent when all its iterations were skipped.
  static const A& get(const Values& values, Value v) {
    const std::vector<A>& outputs = values[static_cast<std::size_t>(v.node)];
    require(!outputs.empty(), "block: a value of a loop is read, but no iteration ran");
    return outputs[static_cast<std::size_t>(v.output)];
  }

  // One node, with the arrays of its inputs at hand.
  std::vector<A> node(const Graph& graph, std::size_t n, const Values& values, const Sizes& sizes) {
    const Node& node = graph.nodes[n];
    std::vector<const A*> in;
    for (const Value& v : node.inputs) in.push_back(&get(values, v));
    if constexpr (requires(std::vector<A> & out) { domain_.leave(node, in, out); }) {
      domain_.enter(node);
      std::vector<A> out = apply(node, in, sizes);
      domain_.leave(node, in, out);
      return out;
    } else {
      return apply(node, in, sizes);
    }
  }

  std::vector<A> apply(const Node& node, const std::vector<const A*>& in, const Sizes& sizes) {
    const OpDef& op = *node.op;
    if (op.name == "block") return block(node, in, sizes);
    if (op.name == "if") return branch(node, in, sizes);
    if (op.name == "loop") return loop(node, in, sizes);
    if (op.name == "thread") return inner(node.graphs.at(0), in, sizes);
    const Attrs attrs = bind_attrs(node.attrs, sizes);
    std::vector<Type> types;
    for (const A* a : in) {
      types.push_back({a->dtype, Dims(a->shape.begin(), a->shape.end()), {}});
    }
    const NodeView seen{op, types, attrs, node.graphs};
    const std::vector<Type> out = op.infer(seen);
    if (has_scalar(op)) return {ElementwiseMeaning<Domain>(domain_).elementwise(seen, in, out[0])};
    if (op.loop_form != nullptr) return {LoopMeaning<Domain>(domain_).loops(seen, in, out[0])};
    if (op.order_form != nullptr)
      return OrderMeaning<Domain>(domain_).order(op.order_form(seen), *in[0], out);
    if (op.move_form != nullptr)
      return MoveMeaning<Domain>(domain_).moves(op.move_form(seen), in, out);
    if (op.expand != nullptr) return inner(op.expand(seen), in, {});
    fail(ErrorCode::kUnsupported, "operator '{}' has no meaning here", op.name);
  }

  static bool has_scalar(const OpDef& op) {
    return Domain::scalar(op.scalar) != nullptr || op.scalar.whole != nullptr;
  }

  std::vector<A> inner(const Graph& graph, const std::vector<const A*>& in, const Sizes& sizes) {
    std::vector<A> inputs;
    for (const A* a : in) inputs.push_back(*a);
    return run(graph, std::move(inputs), sizes).outputs;
  }

  std::vector<A> branch(const Node& node, const std::vector<const A*>& in, const Sizes& sizes) {
    const A& condition = *in[0];
    if (!condition.is_whole) {
      fail(ErrorCode::kUnsupported, "if: the condition is not decided in this algebra");
    }
    const std::vector<const A*> rest(in.begin() + 1, in.end());
    return inner(node.graphs.at(condition.whole.at(0) != 0 ? 0 : 1), rest, sizes);
  }

  // Inputs: trip count, condition, carried values, then values the body only reads.
  // Body: (iteration, carried..., read...) -> (condition, carried..., scanned...).
  std::vector<A> loop(const Node& node, const std::vector<const A*>& in, const Sizes& sizes) {
    const Graph& body = node.graphs.at(0);
    const auto carried = static_cast<std::size_t>(node.attrs.integer("carried"));
    if (!in[0]->is_whole || !in[1]->is_whole) {
      fail(ErrorCode::kUnsupported, "loop: the trip count is not decided in this algebra");
    }
    bool go_on = in[1]->whole.at(0) != 0;
    std::vector<A> state;
    for (std::size_t i = 0; i < carried; ++i) state.push_back(*in[2 + i]);
    std::vector<std::vector<A>> scanned(body.outputs.size() - 1 - carried);
    for (std::int64_t i = 0; i < in[0]->whole.at(0) && go_on; ++i) {
      std::vector<A> inputs{A{DType::kI64, {}, {}, {i}, true}};
      inputs.insert(inputs.end(), state.begin(), state.end());
      for (std::size_t k = 2 + carried; k < in.size(); ++k) inputs.push_back(*in[k]);
      std::vector<A> out = run(body, std::move(inputs), sizes).outputs;
      if (!out[0].is_whole) fail(ErrorCode::kUnsupported, "loop: the condition is not decided");
      go_on = out[0].whole.at(0) != 0;
      for (std::size_t k = 0; k < carried; ++k) state[k] = std::move(out[1 + k]);
      for (std::size_t k = 0; k < scanned.size(); ++k) {
        scanned[k].push_back(std::move(out[1 + carried + k]));
      }
    }
    const Dims trips = bind_attrs(node.attrs, sizes).dims("trips");
    for (std::size_t k = 0; k < scanned.size(); ++k) {
      require(Dim(static_cast<std::int64_t>(scanned[k].size())) == trips.at(0),
              "loop: ran {} times, but {} trips were promised", scanned[k].size(),
              trips[0].to_string());
      const Type& type = body.type(body.outputs[1 + carried + k].value);
      state.push_back(stack(scanned[k], type.dtype, evaluate(type.shape, sizes)));
    }
    return state;
  }

  static A stack(const std::vector<A>& slices, DType dtype, const Shape& slice_shape) {
    A out{dtype, slice_shape, {}, {}, !traits(dtype).is_float};
    out.shape.insert(out.shape.begin(), static_cast<std::int64_t>(slices.size()));
    if (slices.empty()) return out;
    out.is_whole = slices[0].is_whole;
    for (const A& slice : slices) {
      out.real.insert(out.real.end(), slice.real.begin(), slice.real.end());
      out.whole.insert(out.whole.end(), slice.whole.begin(), slice.whole.end());
    }
    return out;
  }

  // A block graph: for every grid point the loop, then what follows it, then the stores.
  std::vector<A> block(const Node& node, const std::vector<const A*>& in, const Sizes& sizes) {
    const Graph& graph = node.graphs.at(0);
    const Attrs attrs = bind_attrs(node.attrs, sizes);
    const Shape grid = attrs.integers("grid");
    const std::int64_t iterations = attrs.integer("loop");
    std::vector<A> out;
    for (const Output& output : graph.outputs) {
      const Attrs stored = bind_attrs(graph.node(output.value).attrs, sizes);
      A a{graph.type(output.value).dtype, stored.integers("shape"), {}, {}, false};
      a.is_whole = !traits(a.dtype).is_float;
      const auto n = static_cast<std::size_t>(a.size());
      a.is_whole ? a.whole.resize(n) : a.real.resize(n, domain_.integer(0));
      out.push_back(std::move(a));
    }
    const std::vector<bool> after = after_loop(graph);
    Walker at(grid, std::vector<std::int64_t>(grid.size(), 0));
    const std::int64_t tasks = element_count(grid);
    for (std::int64_t t = 0; t < tasks; ++t, at.next()) {
      task(graph, in, sizes, {at.index, iterations, after}, out);
    }
    return out;
  }

  struct Task {
    const std::vector<std::int64_t>& point;
    std::int64_t iterations;
    const std::vector<bool>& after;
  };

  struct Iteration {
    const Sizes& sizes;
    const Task& task;
    std::int64_t number;
  };

  void task(const Graph& graph, const std::vector<const A*>& in, const Sizes& sizes,
            const Task& task, std::vector<A>& out) {
    Values values(graph.nodes.size());
    std::vector<const A*> whole(graph.nodes.size(), nullptr);  // inputs: only loads read them
    std::size_t given = 0;
    for (const Input& input : graph.inputs) {
      const auto n = static_cast<std::size_t>(input.node);
      if (input.role == Role::kState) {
        values[n] = {initial_state(graph, input)};
      } else {
        whole[n] = in[given++];
      }
    }
    for (std::int64_t i = 0; i < task.iterations; ++i) {
      if (!iterate(graph, whole, values, {sizes, task, i})) continue;
      store_all(graph, values, {sizes, task, i}, true, out);
      std::vector<A> next;
      for (const Update& update : graph.updates) next.push_back(get(values, update.next));
      for (std::size_t k = 0; k < next.size(); ++k) {
        values[static_cast<std::size_t>(graph.updates[k].state)] = {std::move(next[k])};
      }
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      // Constants belong to no iteration: they are there even if all were skipped.
      const bool constant = values[n].empty() && node.inputs.empty() && node.op->name != "input";
      if (!task.after[n] && !constant) continue;
      if (node.op->name == "after") {
        values[n] = {get(values, node.inputs[0])};
      } else if (node.op->name != "store") {
        values[n] = this->node(graph, n, values, sizes);
      }
    }
    store_all(graph, values, {sizes, task, 0}, false, out);
  }

  // The stores of every iteration, or those after the loop.
  void store_all(const Graph& graph, const Values& values, const Iteration& at, bool in_loop,
                 std::vector<A>& out) {
    for (std::size_t k = 0; k < out.size(); ++k) {
      const Node& node = graph.node(graph.outputs[k].value);
      if ((node.attrs.integer("loop") >= 0) == in_loop) store(graph, node, values, at, out[k]);
    }
  }

  // Evaluates the loop body once; false when a tile of this iteration is empty: it is skipped.
  bool iterate(const Graph& graph, const std::vector<const A*>& whole, Values& values,
               const Iteration& at) {
    const auto& [sizes, task, iteration] = at;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& node = graph.nodes[n];
      if (task.after[n] || node.op->name == "input" || node.op->name == "store") continue;
      if (node.op->name != "load") {
        values[n] = this->node(graph, n, values, sizes);
        continue;
      }
      const A& full = *whole[static_cast<std::size_t>(node.inputs[0].node)];
      const Attrs attrs = bind_attrs(node.attrs, sizes);
      const TileRange range = tile_range(attrs, full.shape, attrs.integers("tile"), task.point,
                                         iteration, task.iterations);
      if (element_count(range.length) == 0) return false;
      values[n] = {cut(full, range)};
    }
    return true;
  }

  // Broadcast shape [1, 1, ...]: the state takes the shape of the (ragged) tiles it meets.
  A initial_state(const Graph& graph, const Input& input) {
    const Type& type = graph.nodes[static_cast<std::size_t>(input.node)].types[0];
    A a{type.dtype, Shape(type.shape.size(), 1), {}, {}, !traits(type.dtype).is_float};
    a.is_whole ? void(a.whole = {num::like(std::int64_t{}, input.initial)})
               : void(a.real = {domain_.constant(input.initial)});
    return a;
  }

  static Walker tile_walker(const Shape& full, const TileRange& range) {
    const std::vector<std::int64_t> strides = dense_strides(full);
    Walker at(range.length, strides);
    for (std::size_t i = 0; i < full.size(); ++i) at.offset += range.start[i] * strides[i];
    return at;
  }

  static A cut(const A& full, const TileRange& range) {
    A tile{full.dtype, range.length, {}, {}, full.is_whole};
    Walker at = tile_walker(full.shape, range);
    const std::int64_t count = element_count(range.length);
    for (std::int64_t i = 0; i < count; ++i, at.next()) {
      const auto from = static_cast<std::size_t>(at.offset);
      full.is_whole ? tile.whole.push_back(full.whole[from]) : tile.real.push_back(full.real[from]);
    }
    return tile;
  }

  void store(const Graph& graph, const Node& node, const Values& values, const Iteration& now,
             A& out) {
    const A& tile = get(values, node.inputs[0]);
    const Attrs attrs = bind_attrs(node.attrs, now.sizes);
    const Shape full_tile = evaluate(graph.type(node.inputs[0]).shape, now.sizes);
    const TileRange range =
        tile_range(attrs, out.shape, full_tile, now.task.point, now.number, now.task.iterations);
    require(range.length == tile.shape, "store: a tile {} for the place {}",
            lamina::to_string(tile.shape), lamina::to_string(range.length));
    Walker at = tile_walker(out.shape, range);
    for (std::size_t i = 0; i < tile.count(); ++i, at.next()) {
      const auto to = static_cast<std::size_t>(at.offset);
      out.is_whole ? void(out.whole[to] = tile.whole[i])
                   : void(out.real[to] = real_at(domain_, tile, static_cast<std::int64_t>(i)));
    }
  }

  Domain& domain_;
};

}  // namespace lamina
