// Adding nodes, folding constants, and asking for what must be known.
#include "io/onnx_builder.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <numeric>
#include <set>

#include "base/check.h"
#include "graph/evaluate_node.h"
#include "graph/op_def.h"

namespace lamina {
namespace {

// Larger constants stay in the graph: folding runs on the slow interpreter.
constexpr std::int64_t kFoldElements = 1 << 16;

Dims to_dims(const Shape& shape) { return {shape.begin(), shape.end()}; }

// The number that all elements are, if they are: then a `constant` node says it shortest.
std::optional<double> uniform_value(const Tensor& tensor) {
  if (tensor.size() == 0 || tensor.size() > kFoldElements) return std::nullopt;
  const std::vector<double> values = tensor.to_doubles();
  const bool exact = traits(tensor.dtype()).is_float || std::abs(values[0]) < 9e15;
  const auto differs = [&](double v) { return !(v == values[0]); };
  if (!exact || std::any_of(values.begin(), values.end(), differs)) return std::nullopt;
  // -0 == 0, but 1/x tells them apart.
  const auto sign = [&](double v) { return std::signbit(v) != std::signbit(values[0]); };
  if (std::any_of(values.begin(), values.end(), sign)) return std::nullopt;
  return values[0];
}

}  // namespace

Item constant_item(Tensor tensor) {
  Item item;
  item.dtype = tensor.dtype();
  item.shape = to_dims(tensor.shape());
  item.constant = std::move(tensor);
  item.absent = false;
  return item;
}

Item sizes_item(Dims sizes, std::size_t rank, DType dtype) {
  if (const auto constant = constant_shape(sizes)) {
    const Shape shape = rank == 0 ? Shape{} : Shape{static_cast<std::int64_t>(sizes.size())};
    return constant_item(Tensor::from_integers(dtype, shape, *constant));
  }
  Item item;
  item.dtype = dtype;
  if (rank == 1) item.shape = {static_cast<std::int64_t>(sizes.size())};
  item.sizes = std::move(sizes);
  item.absent = false;
  return item;
}

Item list_item(std::vector<Item> items) {
  Item item;
  item.list = std::make_shared<const std::vector<Item>>(std::move(items));
  item.absent = false;
  return item;
}

std::string clean_name(std::string_view name) {
  std::string clean(name);
  for (char& c : clean) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  if (clean.empty() || std::isdigit(static_cast<unsigned char>(clean[0])) != 0) clean = "_" + clean;
  return clean;
}

Item OnnxBuilder::from_value(Value value) const {
  Item item;
  item.value = value;
  item.dtype = graph_.type(value).dtype;
  item.shape = graph_.type(value).shape;
  item.absent = false;
  return item;
}

bool OnnxBuilder::can_fold(std::string_view op, const std::vector<Item>& inputs) const {
  std::int64_t elements = 0;
  for (const Item& item : inputs) {
    if (!item.is_constant()) return false;
    elements += item.constant.size();
  }
  if (inputs.empty() || elements > kFoldElements) return false;
  return find_op(op).kind != Kind::kContract || elements <= kFoldElements / 16;
}

Item OnnxBuilder::add(std::string_view op, const std::vector<Item>& inputs, const Attrs& attrs) {
  return add_all(op, inputs, attrs)[0];
}

std::vector<Item> OnnxBuilder::add_all(std::string_view op, const std::vector<Item>& inputs,
                                       const Attrs& attrs, const std::vector<Graph>& graphs) {
  std::vector<Item> items;
  for (const Item& item : inputs) check(!item.absent && !item.list, "{}: not a tensor", op);
  if (graphs.empty() && can_fold(op, inputs)) {
    std::vector<Tensor> tensors;
    for (const Item& item : inputs) tensors.push_back(item.constant);
    for (Tensor& out : evaluate_node(op, tensors, attrs, {}, kFoldElements)) {
      items.push_back(constant_item(std::move(out)));
    }
    if (!items.empty()) return items;
  }
  std::vector<Value> values;
  for (const Item& item : inputs) values.push_back(put(item));
  const Value value = graph_.add(op, values, attrs, name_, graphs);
  const auto outputs = static_cast<std::int32_t>(graph_.node(value).types.size());
  for (std::int32_t i = 0; i < outputs; ++i) items.push_back(from_value({value.node, i}));
  return items;
}

Value OnnxBuilder::put(const Item& item) {
  if (item.value.node >= 0) return item.value;
  if (item.sizes) return put_sizes(*item.sizes, item.rank(), item.dtype);
  check(item.is_constant(), "an item without a value");
  return put_known(item);
}

Value OnnxBuilder::put_known(const Item& item) {
  if (const auto value = item.exact ? item.exact : uniform_value(item.constant)) {
    return put_filled(*value, item.dtype, item.shape);
  }
  // Weights live in the outermost graph: an inner graph runs with what it is given.
  if (outer_ != nullptr) return capture(item).value;
  const std::tuple key{static_cast<const void*>(item.constant.data()), item.dtype, item.shape};
  const auto found = weights_.find(key);
  if (found != weights_.end()) return found->second;
  const Value value = graph_.add_weight(item.name.empty() ? name_ : item.name, item.constant);
  return weights_[key] = value;
}

Value OnnxBuilder::put_filled(double value, DType dtype, const Dims& shape) {
  const std::tuple key{std::bit_cast<std::uint64_t>(value), dtype, shape};
  const auto found = filled_.find(key);
  if (found != filled_.end()) return found->second;
  return filled_[key] =
             graph_.add("constant", {}, {{"value", value}, {"dtype", dtype}, {"shape", shape}});
}

Value OnnxBuilder::put_sizes(const Dims& sizes, std::size_t rank, DType dtype) {
  std::vector<Item> parts;
  for (const Dim& dim : sizes) {
    const Value size = graph_.add("size_value", {}, {{"size", Dims{dim}}, {"dtype", dtype}}, name_);
    if (rank == 0) return size;
    parts.push_back(reshape(from_value(size), {1}));
  }
  return put(concat(parts, 0));
}

Item OnnxBuilder::add_input(const std::string& name, const Type& type) {
  return from_value(graph_.add_input(name, type));
}

Item OnnxBuilder::capture(const Item& outer) {
  for (const Capture& known : captures_) {
    const bool same = outer.value.node >= 0
                          ? known.outer.value == outer.value
                          : outer.is_constant() && known.outer.is_constant() &&
                                known.outer.constant.data() == outer.constant.data();
    if (same) return from_value(known.inner);
  }
  const Value inner = graph_.add_input("outer", {outer.dtype, outer.shape, {}});
  captures_.push_back({outer, inner});
  return from_value(inner);
}

std::vector<Item> OnnxBuilder::captured() const {
  std::vector<Item> items;
  for (const Capture& capture : captures_) items.push_back(capture.outer);
  return items;
}

Item OnnxBuilder::scalar(double value, DType dtype) {
  return constant_item(Tensor::from_doubles(dtype, {}, std::vector<double>{value}));
}

Item OnnxBuilder::filled(double value, DType dtype, const Dims& shape) {
  const auto known = constant_shape(shape);
  if (known && element_count(*known) <= kFoldElements) {
    const std::vector<double> values(static_cast<std::size_t>(element_count(*known)), value);
    return constant_item(Tensor::from_doubles(dtype, *known, values));
  }
  return from_value(put_filled(value, dtype, shape));
}

Item OnnxBuilder::slice(const Item& x, int axis, const Dim& start, const Dim& size,
                        std::int64_t step) {
  if (start == Dim(0) && step == 1 && size == x.shape.at(static_cast<std::size_t>(axis))) return x;
  Dims starts(x.rank(), 0), sizes = x.shape, steps(x.rank(), 1);
  starts[static_cast<std::size_t>(axis)] = start;
  sizes[static_cast<std::size_t>(axis)] = size;
  steps[static_cast<std::size_t>(axis)] = step;
  return add("slice", {x}, {{"start", starts}, {"size", sizes}, {"step", steps}});
}

Item OnnxBuilder::reshape(const Item& x, const Dims& shape) {
  if (x.shape == shape) return x;
  const auto constant = constant_shape(shape);
  if (x.is_constant() && constant && element_count(*constant) == x.constant.size()) {
    return constant_item(x.constant.dense().reshaped(*constant));
  }
  return add("reshape", {x}, {{"shape", shape}});
}

Item OnnxBuilder::broadcast(const Item& x, const Dims& shape) {
  return x.shape == shape ? x : add("broadcast", {x}, {{"shape", shape}});
}

Item OnnxBuilder::transpose(const Item& x, const std::vector<int>& axes) {
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  if (x.is_constant()) {
    Layout layout;
    for (const int axis : axes) {
      layout.shape.push_back(x.constant.shape().at(static_cast<std::size_t>(axis)));
      layout.strides.push_back(x.constant.layout().strides[static_cast<std::size_t>(axis)]);
    }
    const Tensor dense = x.constant.dense();
    const auto strides = dense_strides(dense.shape());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      layout.strides[i] = strides[static_cast<std::size_t>(axes[i])];
    }
    const auto offset = static_cast<std::size_t>(dense.data() - dense.buffer()->data());
    return constant_item(Tensor(dense.dtype(), layout, dense.buffer(), offset).clone());
  }
  return add("transpose", {x}, {{"axes", Dims(axes.begin(), axes.end())}});
}

Item OnnxBuilder::cast(const Item& x, DType dtype) {
  if (x.dtype == dtype) return x;
  return add("cast", {x}, {{"dtype", dtype}});
}

Item OnnxBuilder::rounded(const Item& x) {
  const bool stored = x.value.node < 0 || graph_.input(x.value.node) != nullptr;
  if (stored || !traits(x.dtype).is_float) return x;
  return add("cast", {x}, {{"dtype", x.dtype}});
}

Item OnnxBuilder::concat(const std::vector<Item>& items, int axis) {
  if (items.size() == 1) return items[0];
  return add("concat", items, {{"axis", static_cast<std::int64_t>(axis)}});
}

Item OnnxBuilder::iota(const Dim& n) {
  if (!n.is_constant() || *n.constant() > kFoldElements)
    return add("iota", {}, {{"shape", Dims{n}}});
  std::vector<std::int64_t> values(static_cast<std::size_t>(*n.constant()));
  std::iota(values.begin(), values.end(), 0);
  return constant_item(Tensor::from_integers(DType::kI64, {*n.constant()}, values));
}

Item OnnxBuilder::select(const Item& condition, const Item& x, const Item& y) {
  return add("select", {condition, x, y});
}

Item OnnxBuilder::unsqueeze(const Item& x, int axis) {
  Dims shape = x.shape;
  shape.insert(shape.begin() + axis, 1);
  return reshape(x, shape);
}

Item OnnxBuilder::select_index(const Item& x, int axis, const Dim& index) {
  Dims shape = x.shape;
  shape.erase(shape.begin() + axis);
  return reshape(slice(x, axis, index, 1), shape);
}

Tensor OnnxBuilder::known(const Item& item, const std::string& what) {
  if (item.is_constant()) return item.constant;
  ask_for(item, what);
}

Dims OnnxBuilder::sizes(const Item& item, const std::string& what) {
  if (item.sizes) return *item.sizes;
  const Tensor tensor = known(item, what);
  require(!traits(tensor.dtype()).is_float && tensor.shape().size() <= 1,
          "{} must be integers, not {}{}", what, traits(tensor.dtype()).name,
          to_string(tensor.shape()));
  const std::vector<std::int64_t> values = tensor.to_integers();
  return {values.begin(), values.end()};
}

std::vector<std::int64_t> OnnxBuilder::integers(const Item& item, const std::string& what) {
  std::vector<std::int64_t> values;
  for (const Dim& dim : sizes(item, what)) {
    if (!dim.is_constant()) {
      fail(ErrorCode::kUnsupported, "{} depends on the size {}: give it a value", what,
           dim.to_string());
    }
    values.push_back(*dim.constant());
  }
  return values;
}

void OnnxBuilder::ask_for(const Item& item, const std::string& what) {
  if (item.sizes) {
    fail(ErrorCode::kUnsupported, "{} depends on the sizes {}: give them values", what,
         lamina::to_string(*item.sizes));
  }
  check(item.value.node >= 0, "an item without a value");
  NeedsInputs needs{inputs_behind(item.value), what};
  if (needs.names.empty()) {
    fail(ErrorCode::kUnsupported, "{} is computed while the program runs", what);
  }
  throw needs;
}

std::vector<std::string> OnnxBuilder::inputs_behind(Value value) const {
  std::set<NodeId> reached{value.node};
  std::set<std::string> names;
  for (NodeId id = value.node; id >= 0; --id) {
    if (reached.count(id) == 0) continue;
    const Node& node = graph_.nodes[static_cast<std::size_t>(id)];
    for (const Value& input : node.inputs) reached.insert(input.node);
    const Input* input = graph_.input(id);
    if (input == nullptr || input->role != Role::kInput) continue;
    if (outer_ == nullptr) {
      names.insert(node.name);
      continue;
    }
    for (const Capture& capture : captures_) {
      if (capture.inner.node != id || capture.outer.value.node < 0) continue;
      for (const std::string& name : outer_->inputs_behind(capture.outer.value)) {
        names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace lamina
