// Block graphs of Mirage's programs (arXiv:2405.05751, section 2): input iterators become loads,
// accumulators states, output savers stores.
#include "io/mirage_block.h"

#include <algorithm>

#include "base/check.h"

namespace lamina::mirage {
namespace {

constexpr std::int64_t kLargestGrid = 1 << 20;

// Accumulators by their names before and after Mirage renamed them.
std::string_view accumulator_name(std::string_view name) {
  for (const std::string_view prefix : {"forloop_accum_", "accum_"}) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    return name == "no_red" ? "nored" : name;
  }
  return {};
}

class BlockReader {
 public:
  BlockReader(const Json& op, std::optional<DType> dtype)
      : dtype_(dtype), outputs_(read_tensors(op, "output_tensors", dtype)) {
    const Json& block = op.at("bgraph");
    grid_ = read_xyz(block.at("grid_dim"));
    loop_ = block.at("forloop_range").integer();
    const Json* columns = block.find("reduction_dimx");
    columns_ = columns == nullptr ? 0 : columns->integer();
    for (const std::int64_t extent : {grid_[0], grid_[1], grid_[2], loop_}) {
      require(extent >= 1 && extent <= kLargestGrid, "a grid or loop of {}", extent);
    }
    graph_.name = "block";
    graph_.level = Level::kBlock;
    for (const TensorSpec& tensor : read_tensors(op, "input_tensors", dtype)) {
      if (inputs_.contains(tensor.id)) continue;
      ids_.push_back(tensor);
      inputs_[tensor.id] = graph_.add_input("x" + std::to_string(inputs_.size()), tensor.type);
    }
    stored_.resize(outputs_.size());
    read_operators(block.at("operators").array());
  }

  const std::vector<TensorSpec>& inputs() const { return ids_; }
  Attrs attributes() const {
    return {{"grid", Dims{grid_[0], grid_[1], grid_[2]}}, {"loop", Dims{loop_}}};
  }

  Graph finish() {
    for (std::size_t k = 0; k < stored_.size(); ++k) {
      require(stored_[k].has_value(), "output {} of the block is never stored", outputs_[k].id);
      graph_.add_output("y" + std::to_string(k), *stored_[k]);
    }
    return std::move(graph_);
  }

 private:
  void read_operators(const Json::Array& operators) {
    for (std::size_t k = 0; k < operators.size(); ++k) {
      const Json& op = operators[k];
      const std::string& type = op.at("op_type").text();
      try {
        read_operator(op, base_name(type, "tb"));
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("block operator {} ({}): {}", k, type, error.what()));
      }
    }
  }

  void read_operator(const Json& op, std::string_view name) {
    if (name == "output") {
      store(op);
      return;
    }
    const std::vector<TensorSpec> in = read_tensors(op, "input_tensors", dtype_);
    const std::vector<TensorSpec> out = read_tensors(op, "output_tensors", dtype_);
    require(out.size() == 1, "{} output tensors", out.size());
    const Value value = name == "input" ? load(op, out[0]) : compute(name, in, out[0]);
    const Type& type = graph_.type(value);
    require(type.shape == out[0].type.shape, "the result is {}, but the file says {}",
            to_string(type.shape), to_string(out[0].type.shape));
    values_.define(out[0], value);
  }

  // The axes that the three grid dimensions cut; a dimension of one block cuts none.
  Dims axes_of(const Json& map, std::size_t rank) const {
    Dims axes;
    const std::array<std::int64_t, 3> given = read_xyz(map);
    for (std::size_t d = 0; d < given.size(); ++d) {
      require(given[d] >= -1 && given[d] < static_cast<std::int64_t>(rank),
              "axis {} of a tensor of {} axes", given[d], rank);
      const std::int64_t axis = grid_[d] == 1 ? -1 : given[d];
      const bool taken = std::find(axes.begin(), axes.end(), Dim(axis)) != axes.end();
      require(axis < 0 || !taken, "two grid dimensions cut axis {}", axis);
      axes.push_back(axis);
    }
    return axes;
  }

  static void cut(Dims& shape, std::int64_t axis, std::int64_t count) {
    if (axis < 0) return;
    Dim& extent = shape[static_cast<std::size_t>(axis)];
    const std::int64_t size = *extent.constant();
    require(size % count == 0, "axis {} of {} elements in {} parts", axis, size, count);
    extent = size / count;
  }

  Value load(const Json& op, const TensorSpec& tile) {
    const TensorSpec from = read_tensor(op.at("dtensor"), dtype_);
    const auto found = inputs_.find(from.id);
    require(found != inputs_.end(), "tensor {} is no input of the block", from.id);
    Dims shape = graph_.type(found->second).shape;
    const Dims grid = axes_of(op.at("input_map"), shape.size());
    const std::int64_t loop = op.at("forloop_dim").integer();
    require(loop >= -1 && loop < static_cast<std::int64_t>(shape.size()),
            "the loop cuts axis {} of a tensor of {} axes", loop, shape.size());
    for (std::size_t d = 0; d < grid.size(); ++d) cut(shape, *grid[d].constant(), grid_[d]);
    cut(shape, loop, loop_);
    require(shape == tile.type.shape, "a tile of {}, but the file says {}", to_string(shape),
            to_string(tile.type.shape));
    const Value value =
        graph_.add("load", {found->second}, {{"grid", grid}, {"loop", loop}, {"tile", shape}});
    mark(value, false);
    return value;
  }

  void store(const Json& op) {
    const std::vector<TensorSpec> in = read_tensors(op, "input_tensors", dtype_);
    require(in.size() == 1, "{} input tensors", in.size());
    const TensorSpec to = read_tensor(op.at("dtensor"), dtype_);
    Value value = values_.at(in[0]);
    // The first versions of Mirage accumulated here, in a tensor of the saver's own.
    const bool sums = !after_[value] && !op.at("output_tensors").array().empty();
    if (sums) value = total(value);
    require(sums || after_[value] || loop_ == 1, "a value of one iteration of {} is stored", loop_);
    Dims shape = graph_.type(value).shape;
    const Dims grid = axes_of(op.at("output_map"), shape.size());
    for (std::size_t d = 0; d < grid.size(); ++d) {
      const std::int64_t axis = *grid[d].constant();
      require(axis >= 0 || grid_[d] == 1, "all {} blocks of a grid dimension write the same place",
              grid_[d]);
      if (axis < 0) continue;
      Dim& extent = shape[static_cast<std::size_t>(axis)];
      extent = extent * Dim(grid_[d]);
    }
    require(shape == to.type.shape, "{} are stored, but the file says {}", to_string(shape),
            to_string(to.type.shape));
    const auto same = [&](const TensorSpec& output) { return output.id == to.id; };
    const auto found = std::find_if(outputs_.begin(), outputs_.end(), same);
    require(found != outputs_.end(), "tensor {} is no output of the block", to.id);
    std::optional<Value>& slot = stored_[static_cast<std::size_t>(found - outputs_.begin())];
    require(!slot, "tensor {} is stored twice", to.id);
    slot = graph_.add("store", {value}, {{"grid", grid}, {"shape", shape}});
  }

  Value compute(std::string_view name, const std::vector<TensorSpec>& in, const TensorSpec& out) {
    std::vector<Value> values;
    for (const TensorSpec& tensor : in) values.push_back(values_.at(tensor));
    require(!values.empty(), "no input tensors");
    const bool after = after_[values[0]];
    for (const Value& value : values) {
      require(after_[value] == after, "values inside the loop and after it are mixed");
    }
    const std::string_view accumulator = accumulator_name(name);
    if (!accumulator.empty()) {
      require(!after && values.size() == 1, "an accumulator of what was accumulated already");
      const Value value = accumulate(accumulator, values[0]);
      mark(value, true);
      return value;
    }
    std::optional<Value> value = add_common(graph_, name, values);
    if (!value && name.starts_with("reduction_") && name.ends_with("_to_dimx")) {
      value = to_columns(values[0], static_cast<std::size_t>(name[10] - '0'));
    }
    if (!value) fail(ErrorCode::kUnsupported, "no such operator is known");
    require(graph_.type(*value).shape.size() == out.type.shape.size(), "the rank changes");
    mark(*value, after);
    return *value;
  }

  // Operators may put several nodes in place; only the last one is ever read.
  void mark(Value value, bool after) { after_[value] = after; }

  Dims last_axis(Value x) const {
    return {static_cast<std::int64_t>(graph_.type(x).shape.size()) - 1};
  }

  Value sum_last(Value x) {
    return graph_.add("sum", {x}, {{"axes", last_axis(x)}, {"keepdims", true}});
  }

  // The sum of the columns whose numbers agree modulo the number of columns that stay.
  Value to_columns(Value x, std::size_t axis) {
    Dims shape = graph_.type(x).shape;
    require(axis < shape.size(), "axis {} of {}", axis, to_string(shape));
    const std::int64_t size = *shape[axis].constant();
    require(columns_ >= 1 && size % columns_ == 0, "{} columns to {}", size, columns_);
    shape[axis] = columns_;
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), size / columns_);
    const Value parts = graph_.add("reshape", {x}, {{"shape", shape}});
    return graph_.add("sum", {parts}, {{"axes", Dims{static_cast<std::int64_t>(axis)}}});
  }

  // The value that the loop leaves in a new state to which `x` is added in every iteration.
  Value total(Value x) {
    const Value state = graph_.add_state("acc", graph_.type(x), 0.0);
    graph_.add_update(state, graph_.add("add", {state, x}));
    return graph_.add("after", {state});
  }

  // `x` over the number of elements that an accumulator with a row sum has added.
  Value mean(Value x, std::int64_t row) {
    const Value count = graph_.constant(static_cast<double>(row * loop_), graph_.type(x).dtype);
    return graph_.add("div", {x, count});
  }

  Value accumulate(std::string_view name, Value x) {
    const std::int64_t row = *graph_.type(x).shape.back().constant();
    if (name == "nored") return total(x);
    if (name == "red_ld_sum") return total(sum_last(x));
    if (name == "red_ld_mean") return mean(total(sum_last(x)), row);
    if (name == "red_ld_rms") {
      const Value squares = total(sum_last(graph_.add("mul", {x, x})));
      return graph_.add("sqrt", {mean(squares, row)});
    }
    if (name == "redtox_ld_sum") return total(to_columns(x, graph_.type(x).shape.size() - 1));
    fail(ErrorCode::kUnsupported, "no such accumulator is known");
  }

  std::optional<DType> dtype_;
  Graph graph_;
  std::array<std::int64_t, 3> grid_{};
  std::int64_t loop_ = 1;
  std::int64_t columns_ = 0;  // "reduction_dimx"
  std::vector<TensorSpec> ids_;
  std::vector<TensorSpec> outputs_;
  std::map<std::int64_t, Value> inputs_;
  Values values_;
  std::map<Value, bool> after_;  // whether a value is known only when the loop has ended
  std::vector<std::optional<Value>> stored_;
};

}  // namespace

std::vector<Value> add_block(Graph& graph, const Json& op, const Values& values,
                             std::optional<DType> dtype) {
  BlockReader reader(op, dtype);
  std::vector<Value> inputs;
  for (const TensorSpec& tensor : reader.inputs()) inputs.push_back(values.at(tensor));
  const Attrs attributes = reader.attributes();
  const Graph block = reader.finish();
  const std::size_t count = block.outputs.size();
  const Value first = graph.add("block", inputs, attributes, {}, {block});
  std::vector<Value> outputs;
  for (std::size_t k = 0; k < count; ++k) {
    outputs.push_back({first.node, static_cast<std::int32_t>(k)});
  }
  return outputs;
}

}  // namespace lamina::mirage
