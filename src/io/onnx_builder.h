// What the importer knows of an ONNX value, and how nodes are added with constants folded.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

// An ONNX value. At least one of `value`, `constant`, `sizes` and `list` says what it is; the type
// is always set (but for lists). Items that are known are put into the graph when a node needs
// them, so that values which only decide shapes never appear in it.
struct Item {
  DType dtype = DType::kF32;
  Dims shape;
  Value value;                                    // node -1: not in the graph (yet)
  Tensor constant;                                // its elements, when they are known
  std::optional<double> exact;                    // the real that a scalar constant rounds
  std::optional<Dims> sizes;                      // integers (rank 0 or 1) over named sizes
  std::shared_ptr<const std::vector<Item>> list;  // a sequence: its tensors are known apart
  std::string name;                               // of a constant: what a weight is called
  bool absent = true;                             // an optional input that was left out

  bool is_constant() const { return !constant.empty(); }
  std::size_t rank() const { return shape.size(); }
};

Item constant_item(Tensor tensor);
// A list of integers (or, with rank 0, one) that may depend on named sizes.
Item sizes_item(Dims sizes, std::size_t rank = 1, DType dtype = DType::kI64);
Item list_item(std::vector<Item> items);

// Thrown when something must be known that depends on these graph inputs; the importer tries again
// with their values, if the caller gave them, or tells the caller what is needed.
struct NeedsInputs {
  std::vector<std::string> names;
  std::string what;  // "the shape of Reshape 'r1'"
};

// Adds nodes to a graph. A node whose inputs are all known and small is evaluated instead.
class OnnxBuilder {
 public:
  explicit OnnxBuilder(Graph& graph, OnnxBuilder* outer = nullptr) : graph_(graph), outer_(outer) {}

  Graph& graph() { return graph_; }
  // Nodes added from now on get names that begin with this.
  void set_name(const std::string& name) { name_ = name; }

  Item add(std::string_view op, const std::vector<Item>& inputs, const Attrs& attrs = {});
  std::vector<Item> add_all(std::string_view op, const std::vector<Item>& inputs,
                            const Attrs& attrs = {}, const std::vector<Graph>& graphs = {});
  // The value of an item in the graph, which it enters when it is not there.
  Value put(const Item& item);

  // A constant of the given dtype.
  static Item scalar(double value, DType dtype);
  Item filled(double value, DType dtype, const Dims& shape);
  // Combinations that most converters use. Shapes are checked by the operators.
  Item reshape(const Item& x, const Dims& shape);
  Item broadcast(const Item& x, const Dims& shape);
  Item transpose(const Item& x, const std::vector<int>& axes);
  Item cast(const Item& x, DType dtype);
  // Rounded to its own dtype, for what jumps (round, a cast to integers): devices may compute with
  // more precision until a value is stored. Inputs and known items are stored already.
  Item rounded(const Item& x);
  Item concat(const std::vector<Item>& items, int axis);
  // size elements from `start` in steps of `step` along one axis.
  Item slice(const Item& x, int axis, const Dim& start, const Dim& size, std::int64_t step = 1);
  // 0, 1, ..., n - 1 as i64 [n].
  Item iota(const Dim& n);
  // Element-wise: a condition b, and so on.
  Item select(const Item& condition, const Item& x, const Item& y);
  // One axis fewer / more.
  Item select_index(const Item& x, int axis, const Dim& index);
  Item unsqueeze(const Item& x, int axis);

  // The elements of an item, or NeedsInputs (or kUnsupported, when no input can help).
  Tensor known(const Item& item, const std::string& what);
  // The integers of an item of rank 0 or 1.
  Dims sizes(const Item& item, const std::string& what);
  std::vector<std::int64_t> integers(const Item& item, const std::string& what);

  Item add_input(const std::string& name, const Type& type);
  // An item of the outer graph as an input of this one.
  Item capture(const Item& outer);
  // The outer items that became inputs of this graph, in the order of these inputs.
  std::vector<Item> captured() const;

 private:
  bool can_fold(std::string_view op, const std::vector<Item>& inputs) const;
  Value put_known(const Item& item);
  Value put_sizes(const Dims& sizes, std::size_t rank, DType dtype);
  Value put_filled(double value, DType dtype, const Dims& shape);
  [[noreturn]] void ask_for(const Item& item, const std::string& what);
  std::vector<std::string> inputs_behind(Value value) const;
  Item from_value(Value value) const;

  Graph& graph_;
  OnnxBuilder* outer_;
  std::string name_;
  // Of inner graphs: which outer values they read, and as which input.
  struct Capture {
    Item outer;
    Value inner;
  };
  std::vector<Capture> captures_;
  // Constants that are in the graph already: elements (by address) and filled ones (by bits).
  std::map<std::tuple<const void*, DType, Dims>, Value> weights_;
  std::map<std::tuple<std::uint64_t, DType, Dims>, Value> filled_;
};

// A name that the text form accepts: other characters than letters, digits and '_' become '_'.
std::string clean_name(std::string_view name);

}  // namespace lamina
