// Another layout for convolutional models: channels behind the spatial axes
// (docs/design/convolution.md).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// A graph in which convolutions with constant filters, and what stands between them, keep channels
// last; transposes stand where the layouts meet.
struct ChannelsLast {
  Graph graph;
  std::vector<NodeId> moved;  // nodes of the old graph that compute in the new layout
};

// The new layout of a graph whose composites are not expanded yet. Nothing when it has no such
// convolution.
std::optional<ChannelsLast> channels_last(const Graph& graph);

// The pass behind it, once over the nodes: a value exists in the plain layout, in the new one, or
// in both.
class ChannelLayout {
 public:
  explicit ChannelLayout(const Graph& from) : from_(from), constant_(from.nodes.size(), false) {}

  // Before run(): the value exists with channels last, or is known before a run.
  void arrives_last(NodeId input) { arriving_.insert(input); }
  void arrives_constant(NodeId input) { constant_[static_cast<std::size_t>(input)] = true; }

  std::optional<ChannelsLast> run();

  bool is_constant(Value value) const { return constant_[static_cast<std::size_t>(value.node)]; }
  bool has_last(Value value) const { return last_.contains(value); }

 private:
  const Node& node(NodeId id) const;
  const Dims& shape(Value value) const;
  Value transposed(Value value, Dims axes);
  Value reshaped(Value value, Dims dims);
  // A value of the old graph in the plain layout.
  Value plain(Value value);
  // The same with channels last.
  Value last(Value value);
  Value channels_moved(Value value, std::size_t rank);
  void add(NodeId id);
  // True when the node was added in the new layout.
  bool relaid(NodeId id);
  // The node with `attrs` on the relaid `inputs`.
  bool same_with(NodeId id, const std::vector<Value>& inputs, const Attrs& attrs);
  Attrs moved_axis(const Node& node) const;
  bool convolution(NodeId id);
  bool finish_convolution(NodeId id, Value sums);
  // A transposed convolution whose windows do not overlap: every element of x gives a window of
  // its own, so it is a product whose columns are then put in place.
  bool spreading_convolution(NodeId id);
  bool elementwise(NodeId id);
  Value broadcast_operand(Value value, std::size_t rank);
  bool gather(NodeId id);
  bool transpose(NodeId id);
  bool batch_norm(NodeId id);
  // Whatever has all positions keeps the layout; only sums over positions know groups.
  bool group_norm(NodeId id);
  // Attributes with one entry per axis.
  bool lists(NodeId id);
  bool pooling(NodeId id);
  bool reduction(NodeId id);

  const Graph& from_;
  std::vector<bool> constant_;  // computed from weights alone
  Graph to_;
  std::map<Value, Value> plain_;
  std::map<Value, Value> last_;
  std::set<NodeId> arriving_;
  std::vector<NodeId> moved_;
  bool converted_ = false;
};

}  // namespace lamina
