// One table of converters by ONNX operator; each family of operators has its file and its rows.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "io/onnx_builder.h"
#include "io/onnx_model.h"

namespace lamina {

// Names that are visible in a graph; inner graphs see those of the outer ones.
struct OnnxScope {
  OnnxBuilder& builder;
  const OnnxScope* outer = nullptr;
  std::int64_t opset = 0;
  std::map<std::string, Item> items;

  bool has(const std::string& name) const;
  // The item called `name`; throws kInvalidArgument when nothing has that name.
  Item find(const std::string& name) const;
};

// Converts the nodes of `graph` into `scope` and returns the items of its outputs.
std::vector<Item> convert_graph(const OnnxGraph& graph, OnnxScope& scope);
// Adds the initializers of `graph` to the items of `scope`. Throws kUnsupported for a dtype that
// Lamina has not.
void bind_initializers(const OnnxGraph& graph, OnnxScope& scope);

// One node while it is converted: inputs, attributes with their defaults, and the builder.
class OnnxCall {
 public:
  OnnxCall(const OnnxNode& node, OnnxScope& scope) : node(node), b(scope.builder), scope(scope) {}

  const OnnxNode& node;
  OnnxBuilder& b;
  OnnxScope& scope;
  std::vector<Item> inputs;

  std::int64_t opset() const { return scope.opset; }
  std::size_t count() const { return inputs.size(); }
  bool has(std::size_t i) const { return i < inputs.size() && !inputs[i].absent; }
  const Item& in(std::size_t i) const;
  // True when somebody may read output `i`.
  bool wants(std::size_t i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }

  bool has_attr(std::string_view name) const { return node.attrs.count(name) != 0; }
  std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  double real(std::string_view name, double fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  std::vector<std::int64_t> integers(std::string_view name) const;  // absent: empty
  std::vector<double> reals(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  Tensor tensor(std::string_view name) const;
  const OnnxGraph& graph(std::string_view name) const;

  // The integers of input `i`, or of the attribute `name` before the opset that made it an input.
  Dims sizes(std::size_t i, std::string_view name) const;
  std::vector<std::int64_t> known_integers(std::size_t i, std::string_view name) const;
  Tensor known(std::size_t i, std::string_view name) const;
  // `axis` as 0 <= axis < rank (or <= rank for `one_more`).
  int axis(std::int64_t axis, std::size_t rank) const;

  // Throws kUnsupported: "Conv 'c1': auto_pad SAME_UPPER with ...".
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported, "{}", fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  const OnnxAttr* attr(std::string_view name, OnnxAttr::Kind kind) const;
};

using OnnxConverter = std::vector<Item> (*)(const OnnxCall&);

struct OnnxRule {
  std::string_view op;
  OnnxConverter convert;
  int since = 1;  // the oldest opset whose form of the operator the converter reads
};

std::span<const OnnxRule> onnx_elementwise_rules();
std::span<const OnnxRule> onnx_shape_rules();
std::span<const OnnxRule> onnx_move_rules();
std::span<const OnnxRule> onnx_make_rules();
std::span<const OnnxRule> onnx_reduce_rules();
std::span<const OnnxRule> onnx_gather_rules();
std::span<const OnnxRule> onnx_conv_rules();
std::span<const OnnxRule> onnx_nn_rules();
std::span<const OnnxRule> onnx_loss_rules();
std::span<const OnnxRule> onnx_control_rules();
std::span<const OnnxRule> onnx_sequence_rules();
std::span<const OnnxRule> onnx_rnn_rules();
std::span<const OnnxRule> onnx_resize_rules();
std::span<const OnnxRule> onnx_grid_rules();
std::span<const OnnxRule> onnx_quant_rules();
std::span<const OnnxRule> onnx_signal_rules();

// All rules by operator.
const std::map<std::string_view, OnnxRule>& onnx_rules();
// The result of an operator on integers over named sizes, where it is again such a list: chains
// like Shape -> Gather -> Concat -> Reshape never enter the graph.
std::optional<Item> fold_sizes(const OnnxCall& call);
// The least value that the expression can have when all named sizes are at least 1; nullopt when
// it has no such bound that is easy to see.
std::optional<std::int64_t> lower_bound(const Dim& dim);
// The NumPy range start:end:step of an axis of `extent` elements, clamped to it.
struct SliceRange {
  Dim start;
  Dim size;
};
SliceRange slice_range(const OnnxCall& call, const Dim& extent, Dim start, Dim end,
                       std::int64_t step);

}  // namespace lamina
