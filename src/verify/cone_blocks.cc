// Blocks, unrolled: of the grid the points that write what is asked for, of these all iterations.
#include "base/check.h"
#include "graph/interpret.h"
#include "verify/cone_builder.h"

namespace lamina {
namespace {

// The last dimension of the grid that cuts the axis decides, see tile_range().
int grid_dimension(const std::vector<std::int64_t>& grid_map, std::size_t axis) {
  int dimension = -1;
  for (std::size_t d = 0; d < grid_map.size(); ++d) {
    if (grid_map[d] == static_cast<std::int64_t>(axis)) dimension = static_cast<int>(d);
  }
  return dimension;
}

}  // namespace

// Where several points write the same place (dimensions of the grid that cut nothing), the last one
// counts, as in the interpreter. What no point writes is 0.
Value ConeBuilder::block(const Scope& scope, Value value, const Box& box) {
  const Node& node = scope.graph->node(value);
  const Graph& inner = node.graphs.at(0);
  const Value stored = inner.outputs.at(static_cast<std::size_t>(value.output)).value;
  const Node& store = inner.node(stored);
  const Shape grid = node.attrs.integers("grid");
  const std::vector<std::int64_t> grid_map = store.attrs.integers("grid");
  const Shape tile = *constant_shape(inner.type(store.inputs[0]).shape);
  const Shape shape = *constant_shape(type(scope, value).shape);
  const std::int64_t loop = node.attrs.integer("loop");
  const std::int64_t loop_axis = store.attrs.integer("loop");
  std::vector<std::int64_t> point;
  std::int64_t number = 0;  // of the iteration that stores, if it is not done after the loop
  bool written = true;
  for (const std::int64_t extent : grid) {
    point.push_back(extent - 1);
    written = written && extent > 0;
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const int d = grid_dimension(grid_map, axis);
    const bool looped = loop_axis == static_cast<std::int64_t>(axis);
    if (d < 0 && !looped) continue;
    require(tile[axis] > 0, "store: an empty tile");
    std::int64_t at = box.start[axis] / tile[axis];
    const std::int64_t end = (at + 1) * tile[axis];
    if (end < box.end(axis)) return joined(scope, value, box, axis, end);
    if (looped) {  // an axis cut by both is cut by the grid first
      number = d < 0 ? at : at % loop;
      written = written && number < loop;
      at /= loop;
    }
    if (d < 0) continue;
    written = written && at < grid[static_cast<std::size_t>(d)];
    point[static_cast<std::size_t>(d)] = at;
  }
  if (!written) return filled(0.0, type(scope, value).dtype, box.length);
  const Task& at = task(scope, value.node, point);
  const Scope* place = loop_axis < 0 ? at.end.get() : nullptr;
  for (const auto& iteration : at.iterations) {
    if (loop_axis >= 0 && iteration->number == number) place = iteration.get();
  }
  if (place == nullptr) return filled(0.0, type(scope, value).dtype, box.length);
  const TileRange range = tile_range(store.attrs, shape, tile, point, number, loop);
  const Shape given = *constant_shape(type(*place, store.inputs[0]).shape);
  require(given == range.length, "store: a tile {} for the place {}", lamina::to_string(given),
          lamina::to_string(range.length));
  return emit(*place, store.inputs[0], relative_to(range.start, box));
}

// Asks the iterations one after the other, so that none waits for all others.
Value ConeBuilder::after(const Scope& scope, Value value, const Box& box) {
  const Value state = scope.graph->node(value).inputs.at(0);
  const Input* input = scope.graph->input(state.node);
  if (input == nullptr || input->role != Role::kState) return emit(*scope.before, state, box);
  const Value next = state_value(*scope.graph, state.node);
  std::vector<const Scope*> iterations;
  for (const Scope* at = scope.before; at != nullptr; at = at->before) iterations.push_back(at);
  for (auto at = iterations.rbegin(); at != iterations.rend(); ++at) {
    if (is_inside(box, whole_box(*constant_shape(type(**at, next).shape)))) emit(**at, next, box);
  }
  return emit(*scope.before, next, box);
}

// What the state is updated with, or the state itself.
Value ConeBuilder::state_value(const Graph& graph, NodeId state) {
  for (const Update& update : graph.updates) {
    if (update.state == state) return update.next;
  }
  return {state, 0};
}

const ConeBuilder::Task& ConeBuilder::task(const Scope& scope, NodeId node_id,
                                           const std::vector<std::int64_t>& point) {
  const auto known = tasks_.find({&scope, node_id, point});
  if (known != tasks_.end()) return known->second;
  const Node& node = scope.graph->nodes[static_cast<std::size_t>(node_id)];
  const Graph& graph = node.graphs.at(0);
  const std::int64_t loop = node.attrs.integer("loop");
  Scope start;
  start.graph = &graph;
  start.parent = &scope;
  start.given = node.inputs;
  start.types.resize(graph.nodes.size());
  start.tiles.resize(graph.nodes.size());
  start.after = after_loop(graph);
  Task made;
  for (std::int64_t i = 0; i < loop; ++i) {
    auto at = std::make_unique<Scope>(start);
    at->number = i;
    at->before = made.iterations.empty() ? nullptr : made.iterations.back().get();
    if (begin_iteration(*at, point, i, loop)) made.iterations.push_back(std::move(at));
  }
  if (made.iterations.empty()) {
    fail(ErrorCode::kUnsupported, "a task of a block whose iterations are all skipped");
  }
  made.end = std::make_unique<Scope>(start);
  Scope& end = *made.end;
  end.follows_loop = true;
  end.before = made.iterations.back().get();
  end.types = end.before->types;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& inner = graph.nodes[n];
    if (!end.after[n] || inner.op->name == "store") continue;
    if (inner.op->name == "after") {
      const NodeId state = inner.inputs[0].node;
      const Input* input = graph.input(state);
      const bool updated = input != nullptr && input->role == Role::kState;
      end.types[n] = {type(*end.before, updated ? state_value(graph, state) : inner.inputs[0])};
    } else {
      infer(end, static_cast<NodeId>(n));
    }
  }
  return tasks_.emplace(std::tuple(&scope, node_id, point), std::move(made)).first->second;
}

// The types of this iteration; false when a tile is empty: the iteration is skipped.
bool ConeBuilder::begin_iteration(Scope& inner, const std::vector<std::int64_t>& point,
                                  std::int64_t number, std::int64_t loop) {
  const Graph& graph = *inner.graph;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Input* input = graph.input(static_cast<NodeId>(n));
    if (inner.after[n] || node.op->name == "store") continue;
    if (input != nullptr && input->role == Role::kState) {
      // The first value is broadcast to the tiles that it meets.
      inner.types[n] = {{node.types[0].dtype, Dims(node.types[0].shape.size(), Dim(1)), {}}};
      if (inner.before != nullptr) {
        inner.types[n] = {type(*inner.before, state_value(graph, static_cast<NodeId>(n)))};
      }
    } else if (input != nullptr) {
      inner.types[n] = node.types;
    } else if (node.op->name == "load") {
      const Shape full = *constant_shape(type(inner, node.inputs[0]).shape);
      const TileRange range =
          tile_range(node.attrs, full, node.attrs.integers("tile"), point, number, loop);
      if (element_count(range.length) == 0) return false;
      inner.tiles[n] = range.start;
      inner.types[n] = {{node.types[0].dtype, Dims(range.length.begin(), range.length.end()), {}}};
    } else {
      infer(inner, static_cast<NodeId>(n));
    }
  }
  return true;
}

}  // namespace lamina
