// Rebuilding a graph for another float type.
#include "verify/numeric_types.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "graph/op_def.h"
#include "graph/real_domain.h"
#include "graph/tolerance.h"

namespace lamina {
namespace {

bool coarser(DType a, DType b) { return unit_roundoff(a) > unit_roundoff(b); }

bool is_plain_float(DType dtype) { return traits(dtype).is_float && !is_packed(dtype); }

class Retyper {
 public:
  Retyper(const Graph& graph, DType home, DType to)
      : graph_(graph),
        home_(home),
        to_(to),
        in_block_(std::any_of(graph.nodes.begin(), graph.nodes.end(),
                              [](const Node& node) { return node.op->name == "store"; })) {}

  Graph run() {
    out_.name = graph_.name;
    out_.level = graph_.level;
    out_.sizes = graph_.sizes;
    places_.resize(graph_.nodes.size());
    for (const Input& input : graph_.inputs) add_input(input);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (places_[n].empty()) add_node(graph_.nodes[n], n);
    }
    for (const Output& output : graph_.outputs) {
      const Value value = place(output.value);  // a store has its type already
      const bool stored = out_.node(value).op->name == "store";
      out_.add_output(output.name, stored ? value : as(value, mapped(graph_.type(output.value))));
    }
    for (const Update& update : graph_.updates) {
      const Value state = place({update.state, 0});
      out_.add_update(state, as(place(update.next), out_.type(state).dtype));
    }
    return std::move(out_);
  }

 private:
  DType mapped(const Type& type) const { return type.dtype == home_ ? to_ : type.dtype; }

  Value place(Value v) const {
    return places_[static_cast<std::size_t>(v.node)][static_cast<std::size_t>(v.output)];
  }

  // `value`, cast where it has another dtype.
  Value as(Value value, DType dtype) {
    if (out_.type(value).dtype == dtype) return value;
    return out_.add("cast", {value}, {{"dtype", dtype}});
  }

  void add_input(const Input& input) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(input.node)];
    Type type = node.types[0];
    const bool partial_sum =
        in_block_ && input.role == Role::kState && !coarser(type.dtype, DType::kF32);
    if (partial_sum && type.dtype == home_ && coarser(to_, DType::kF32)) {
      type.dtype = DType::kF32;
    } else {
      type.dtype = mapped(type);
    }
    const DType dtype = type.dtype;
    const Value value = out_.add_input(node.name, std::move(type), input.role);
    out_.inputs.back().initial = RealDomain{}.round_to(input.initial, dtype);
    out_.inputs.back().value = input.value;
    places_[static_cast<std::size_t>(input.node)] = {value};
  }

  void add_node(const Node& node, std::size_t n) {
    Node copy = node;
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      copy.inputs[k] = place(node.inputs[k]);
      // The borders of inner graphs and of block graphs keep their declared types.
      if (node.graphs.empty() && node.op->name != "store") continue;
      copy.inputs[k] = as(copy.inputs[k], mapped(graph_.type(node.inputs[k])));
    }
    for (const auto& [name, value] : node.attrs) {
      const auto* dtype = std::get_if<DType>(&value);
      if (dtype != nullptr && *dtype == home_) copy.attrs.set(name, to_);
    }
    for (Graph& inner : copy.graphs) inner = retype(inner, home_, to_);
    std::vector<Type> types;
    try {
      copy.types = copy.op->infer(view(out_, copy, types));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      fail(ErrorCode::kUnsupported, "'{}' cannot be written for {}: {}", node.name,
           traits(to_).name, error.what());
    }
    out_.nodes.push_back(std::move(copy));
    for (std::size_t k = 0; k < node.types.size(); ++k) {
      places_[n].push_back(
          {static_cast<NodeId>(out_.nodes.size() - 1), static_cast<std::int32_t>(k)});
    }
  }

  const Graph& graph_;
  DType home_;
  DType to_;
  bool in_block_;
  Graph out_;
  std::vector<std::vector<Value>> places_;
};

}  // namespace

double largest_finite(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return std::numeric_limits<double>::max();
    case DType::kBF16:
      return 0x1.fep127;
    case DType::kF16:
      return 65504.0;
    default:
      return std::numeric_limits<float>::max();
  }
}

double smallest_step(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return std::numeric_limits<double>::denorm_min();
    case DType::kBF16:
      return 0x1p-133;
    case DType::kF16:
      return 0x1p-24;
    default:
      return std::numeric_limits<float>::denorm_min();
  }
}

std::optional<DType> home_dtype(const Graph& graph) {
  std::optional<DType> home;
  const auto note = [&](DType dtype) {
    if (is_plain_float(dtype) && (!home || coarser(dtype, *home))) home = dtype;
  };
  for (const Input& input : graph.inputs) {
    note(graph.nodes[static_cast<std::size_t>(input.node)].types[0].dtype);
  }
  if (home) return home;
  for (const Node& node : graph.nodes) {
    for (const Type& type : node.types) note(type.dtype);
  }
  return home;
}

Graph retype(const Graph& graph, DType home, DType to) { return Retyper(graph, home, to).run(); }

}  // namespace lamina
