// Gathers and scatters: reading elements at places that other values name, and writing there.
//
// Each indexing rule serves a pair, gather* and scatter*, which are each other's gradients. A
// place outside the tensor is passed over: gather gives 0 there, scatter writes nothing.
#pragma once

#include <string>

#include "base/check.h"
#include "graph/shaping.h"

namespace lamina {

// The loops over all places that the indices (operand 1) name, and where these lie in operand 0.
struct Indexing {
  Dims loops;
  Access places;
};
using IndexingRule = Indexing (*)(const NodeView&);

// Throws unless operand 1 of the node holds integers.
void require_integer_indices(const NodeView& node);
// The attribute "combine" of a scatter: set, add, mul, max, min.
Combine parse_combine(const NodeView& node);
// Shared by all gathers and all scatters.
std::vector<Value> gather_gradient(const GradientView& node);
std::vector<Value> scatter_gradient(const GradientView& node);

template <IndexingRule rule>
std::vector<Type> infer_gather(const NodeView& node) {
  require_integer_indices(node);
  return {{element_dtype(node.inputs[0]), rule(node).loops, {}}};
}

template <IndexingRule rule>
MoveForm gather_form(const NodeView& node) {
  const Indexing indexing = rule(node);
  Copy copy = whole_copy(0, indexing.loops);
  copy.from = indexing.places;
  return {{copy}};
}

template <IndexingRule rule>
std::vector<Type> infer_scatter(const NodeView& node) {
  require_integer_indices(node);
  parse_combine(node);
  const Type& data = node.inputs[0];
  const Type& updates = node.inputs[2];
  const Dims wanted = rule(node).loops;
  require(updates.shape == wanted, "{}: updates have the shape {}, the indices name {}",
          node.op.name, to_string(updates.shape), to_string(wanted));
  require(element_dtype(updates) == element_dtype(data), "{}: updates are {}, the tensor is {}",
          node.op.name, traits(updates.dtype).name, traits(data.dtype).name);
  return {{element_dtype(data), data.shape, {}}};
}

template <IndexingRule rule>
MoveForm scatter_form(const NodeView& node) {
  const Indexing indexing = rule(node);
  Copy write = whole_copy(2, indexing.loops);
  write.to = indexing.places;
  write.combine = parse_combine(node);
  return {{whole_copy(0, node.inputs[0].shape), write}};
}

// The operators "gather<suffix>" and "scatter<suffix>"; `attr` is the rule's own attribute.
template <IndexingRule rule>
OpDef gather_op(std::string_view name, AttrSpec attr, std::vector<Sample> (*samples)()) {
  return {.name = name,
          .kind = Kind::kMove,
          .min_inputs = 2,
          .max_inputs = 2,
          .attrs = {attr},
          .infer = infer_gather<rule>,
          .move_form = gather_form<rule>,
          .gradient = gather_gradient,
          .samples = samples};
}

template <IndexingRule rule>
OpDef scatter_op(std::string_view name, AttrSpec attr, std::vector<Sample> (*samples)()) {
  return {.name = name,
          .kind = Kind::kMove,
          .min_inputs = 3,
          .max_inputs = 3,
          .attrs = {attr, {"combine", AttrKind::kText, std::string("set")}},
          .infer = infer_scatter<rule>,
          .move_form = scatter_form<rule>,
          .gradient = scatter_gradient,
          .samples = samples};
}

// gather, scatter: whole slices along `axis` (NumPy's take).
Indexing index_slices(const NodeView& node);
// gather_elements, scatter_elements: one element per index, all other coordinates its own.
Indexing index_elements(const NodeView& node);
// gather_nd, scatter_nd: the last axis of the indices holds coordinates.
Indexing index_points(const NodeView& node);

}  // namespace lamina
