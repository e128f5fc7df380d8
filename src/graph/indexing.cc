// Indexing rules and the gradients of gathers and scatters.
#include "graph/indexing.h"

#include <utility>

namespace lamina {
namespace {

// The index that operand 1 holds at the loops first, first + 1, ..., `rank` of them.
AxisIndex read_index(std::size_t first, std::size_t rank) {
  AxisIndex index;
  AxisIndex::Indirect from{1, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    from.axes.push_back(AxisIndex::of(static_cast<int>(first + i)));
  }
  index.indirect.push_back(std::move(from));
  return index;
}

std::size_t checked_axis(const NodeView& node) {
  return static_cast<std::size_t>(
      resolve_axis(node.op.name, node.attrs.integer("axis"), node.inputs[0].shape.size()));
}

// "scatter_nd" of "gather_nd" and back.
std::string partner(std::string_view name) {
  if (name.starts_with("gather")) return "scatter" + std::string(name.substr(6));
  return "gather" + std::string(name.substr(7));
}

// What the gradient of a scatter works with.
struct ScatterParts {
  Graph& g;
  NodeCopy self;
  Value data, indices, updates, out, grad;
  Attrs gather_attrs;

  explicit ScatterParts(const GradientView& node)
      : g(node.graph),
        self(node),
        data(node.input(0)),
        indices(node.input(1)),
        updates(node.input(2)),
        out(node.output()),
        grad(node.grads[0]),
        gather_attrs(self.attrs) {
    gather_attrs.erase("combine");
  }

  Value gather(Value from) const {
    return g.add(partner(self.op->name), {from, indices}, gather_attrs);
  }
  Value scatter(Value into, Value what, const char* combine) const {
    Attrs attrs = gather_attrs;
    attrs.set("combine", std::string(combine));
    return g.add(self.op->name, {into, indices, what}, attrs);
  }
  Value equal_mask(Value a, Value b) const {
    return g.add("cast", {g.add("equal", {a, b})}, {{"dtype", self.types[0].dtype}});
  }
};

// Whoever reached the extreme shares its gradient evenly.
std::vector<Value> scatter_extremum_gradient(const ScatterParts& p) {
  const Value data_hits = p.equal_mask(p.data, p.out);
  const Value update_hits = p.equal_mask(p.updates, p.gather(p.out));
  const Value share = p.g.add("div", {p.grad, p.scatter(data_hits, update_hits, "add")});
  return {p.g.add("mul", {data_hits, share}), {}, p.g.add("mul", {update_hits, p.gather(share)})};
}

}  // namespace

void require_integer_indices(const NodeView& node) {
  require(traits(node.inputs[1].dtype).is_integer, "{}: indices are {}, expected integers",
          node.op.name, traits(node.inputs[1].dtype).name);
}

Combine parse_combine(const NodeView& node) {
  constexpr std::pair<const char*, Combine> kNames[] = {{"set", Combine::kSet},
                                                        {"add", Combine::kAdd},
                                                        {"mul", Combine::kMul},
                                                        {"max", Combine::kMax},
                                                        {"min", Combine::kMin}};
  const std::string& wanted = node.attrs.text("combine");
  for (const auto& [name, combine] : kNames) {
    if (wanted == name) return combine;
  }
  fail(ErrorCode::kInvalidArgument, "{}: combine '{}' is none of set, add, mul, max, min",
       node.op.name, wanted);
}

Indexing index_slices(const NodeView& node) {
  const Dims& data = node.inputs[0].shape;
  const Dims& indices = node.inputs[1].shape;
  const std::size_t axis = checked_axis(node);
  Indexing result;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const std::size_t loop = result.loops.size();
    if (i == axis) {
      result.places.axes.push_back(read_index(loop, indices.size()));
      result.loops.insert(result.loops.end(), indices.begin(), indices.end());
    } else {
      result.places.axes.push_back(AxisIndex::of(static_cast<int>(loop)));
      result.loops.push_back(data[i]);
    }
  }
  return result;
}

Indexing index_elements(const NodeView& node) {
  const Dims& data = node.inputs[0].shape;
  const Dims& indices = node.inputs[1].shape;
  const std::size_t axis = checked_axis(node);
  require(indices.size() == data.size(), "{}: indices of rank {} for a tensor of rank {}",
          node.op.name, indices.size(), data.size());
  Indexing result{indices, whole_access(indices)};
  result.places.axes[axis] = read_index(0, indices.size());
  return result;
}

Indexing index_points(const NodeView& node) {
  const Dims& data = node.inputs[0].shape;
  const Dims& indices = node.inputs[1].shape;
  const std::int64_t given = node.attrs.integer("batch_dims");
  require(given >= 0, "{}: batch_dims {} is negative", node.op.name, given);
  const auto batch = static_cast<std::size_t>(given);
  require(indices.size() > batch && indices.back().is_constant(),
          "{}: indices {} with {} batch axes need a last axis of known size", node.op.name,
          to_string(indices), batch);
  const auto depth = static_cast<std::size_t>(indices.back().constant_part());
  require(batch + depth <= data.size(), "{}: {} batch axes and {} coordinates for the shape {}",
          node.op.name, batch, depth, to_string(data));
  Indexing result;
  result.loops.assign(indices.begin(), indices.end() - 1);
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (i < batch) {
      require(data[i] == indices[i], "{}: batch axis {} is {} in the tensor but {} in the indices",
              node.op.name, i, data[i].to_string(), indices[i].to_string());
      result.places.axes.push_back(AxisIndex::of(static_cast<int>(i)));
    } else if (i < batch + depth) {
      AxisIndex index = read_index(0, indices.size() - 1);
      AxisIndex coordinate;
      coordinate.offset = static_cast<std::int64_t>(i - batch);
      index.indirect[0].axes.push_back(coordinate);
      result.places.axes.push_back(index);
    } else {
      result.places.axes.push_back(AxisIndex::of(static_cast<int>(result.loops.size())));
      result.loops.push_back(data[i]);
    }
  }
  return result;
}

std::vector<Value> gather_gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Value indices = node.input(1);
  Attrs attrs = self.attrs;
  attrs.set("combine", std::string("add"));
  const Value zeros = filled(node.graph, node.type(node.input(0)), 0.0);
  return {node.graph.add(partner(self.op->name), {zeros, indices, node.grads[0]}, attrs), {}};
}

// With combine "set" the indices must differ for the gradient to be meant; with "mul" the updates
// must not be zero.
std::vector<Value> scatter_gradient(const GradientView& node) {
  const ScatterParts p(node);
  const std::string combine = p.self.attrs.text("combine");
  if (combine == "add") return {p.grad, {}, p.gather(p.grad)};
  if (combine == "max" || combine == "min") return scatter_extremum_gradient(p);
  if (combine == "set") {
    const Value zeros = filled(p.g, p.self.types[2], 0.0);
    return {p.scatter(p.grad, zeros, "set"), {}, p.gather(p.grad)};
  }
  const Value factors = p.scatter(filled(p.g, p.self.types[0], 1.0), p.updates, "mul");
  const Value scaled = p.gather(p.g.add("mul", {p.grad, p.out}));
  return {p.g.add("mul", {p.grad, factors}), {}, p.g.add("div", {scaled, p.updates})};
}

}  // namespace lamina
