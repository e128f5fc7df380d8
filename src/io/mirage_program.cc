// Stored programs of Mirage (docs/formats.md, "Programs of Mirage"): the kernel level.
#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "io/mirage_block.h"
#include "lamina/io.h"

namespace lamina {
namespace mirage {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31U;

DType read_dtype(std::int64_t code) {
  switch (code) {
    case 920:
      return DType::kBF16;
    case 921:
      return DType::kF16;
    case 930:
      return DType::kF32;
    case 940:
      return DType::kF64;
    default:
      fail(ErrorCode::kUnsupported, "data_type {}", code);
  }
}

Value sum_axis(Graph& graph, Value x, std::int64_t axis) {
  return graph.add("sum", {x}, {{"axes", Dims{axis}}, {"keepdims", true}});
}

// Operators that have another name here, or the same.
struct Operator {
  std::string_view name;
  std::string_view ours;
  std::size_t inputs;
};
constexpr Operator kOperators[] = {
    {"matmul", "matmul", 2}, {"add", "add", 2},         {"sub", "sub", 2},   {"mul", "mul", 2},
    {"div", "div", 2},       {"pow", "pow", 2},         {"exp", "exp", 1},   {"sqrt", "sqrt", 1},
    {"silu", "silu", 1},     {"sigmoid", "sigmoid", 1}, {"gelu", "gelu", 1}, {"relu", "relu", 1},
    {"log", "log", 1}};

// The digit behind `prefix` when the name is nothing else.
std::optional<std::int64_t> axis_behind(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + 1) return std::nullopt;
  const char digit = name.back();
  return digit >= '0' && digit <= '3' ? std::optional<std::int64_t>(digit - '0') : std::nullopt;
}

class ProgramReader {
 public:
  explicit ProgramReader(std::optional<DType> dtype) : dtype_(dtype) {}

  Graph run(const Json::Array& operators) {
    graph_.name = "program";
    for (std::size_t k = 0; k < operators.size(); ++k) {
      const std::string& type = operators[k].at("op_type").text();
      try {
        read_operator(operators[k], base_name(type, "kn"));
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("operator {} ({}): {}", k, type, error.what()));
      }
    }
    require(!graph_.outputs.empty(), "no kn_output_op");
    return std::move(graph_);
  }

 private:
  void read_operator(const Json& op, std::string_view name) {
    const std::vector<TensorSpec> in = read_tensors(op, "input_tensors", dtype_);
    const std::vector<TensorSpec> out = read_tensors(op, "output_tensors", dtype_);
    if (name == "output") {
      require(in.size() == 1, "{} input tensors", in.size());
      graph_.add_output("y" + std::to_string(graph_.outputs.size()), values_.at(in[0]));
      return;
    }
    const std::vector<Value> values = compute(op, name, in, out);
    require(values.size() == out.size(), "{} output tensors instead of {}", out.size(),
            values.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      const Type& type = graph_.type(values[k]);
      require(type.shape == out[k].type.shape, "the result is {}, but the file says {}",
              to_string(type.shape), to_string(out[k].type.shape));
      values_.define(out[k], values[k]);
    }
  }

  std::vector<Value> compute(const Json& op, std::string_view name,
                             const std::vector<TensorSpec>& in,
                             const std::vector<TensorSpec>& out) {
    if (name == "input") {
      require(out.size() == 1, "{} output tensors", out.size());
      return {graph_.add_input("x" + std::to_string(graph_.inputs.size()), out[0].type)};
    }
    if (name == "customized") return add_block(graph_, op, values_, dtype_);
    std::vector<Value> inputs;
    for (const TensorSpec& tensor : in) inputs.push_back(values_.at(tensor));
    const std::optional<Value> value = add_common(graph_, name, inputs);
    if (!value) fail(ErrorCode::kUnsupported, "no such operator is known");
    return {*value};
  }

  std::optional<DType> dtype_;
  Graph graph_;
  Values values_;
};

StoredProgram read_program(const Json& json, std::optional<DType> dtype) {
  StoredProgram program;
  try {
    program.graph = ProgramReader(dtype).run(json.array());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) throw;
    program.refusal = error;
  }
  return program;
}

}  // namespace

TensorSpec read_tensor(const Json& json, std::optional<DType> dtype) {
  TensorSpec tensor;
  tensor.id = json.at("guid").integer();
  const Json::Array& dims = json.at("dim").array();
  const std::int64_t rank = json.at("num_dims").integer();
  require(rank >= 1 && rank <= static_cast<std::int64_t>(dims.size()),
          "tensor {}: {} axes and {} dimensions", tensor.id, rank, dims.size());
  for (std::int64_t i = 0; i < rank; ++i) {
    const std::int64_t extent = dims[static_cast<std::size_t>(i)].integer();
    require(extent >= 1 && extent < kMaxExtent, "tensor {}: a dimension of {}", tensor.id, extent);
    tensor.type.shape.push_back(extent);
  }
  const DType stored = read_dtype(json.at("data_type").integer());
  tensor.type.dtype = dtype.value_or(stored);
  return tensor;
}

std::vector<TensorSpec> read_tensors(const Json& op, std::string_view key,
                                     std::optional<DType> dtype) {
  std::vector<TensorSpec> tensors;
  for (const Json& json : op.at(key).array()) tensors.push_back(read_tensor(json, dtype));
  return tensors;
}

std::array<std::int64_t, 3> read_xyz(const Json& json) {
  return {json.at("x").integer(), json.at("y").integer(), json.at("z").integer()};
}

void Values::define(const TensorSpec& tensor, Value value) {
  require(values_.try_emplace(tensor.id, value).second, "tensor {} is computed twice", tensor.id);
}

Value Values::at(const TensorSpec& tensor) const {
  const auto found = values_.find(tensor.id);
  require(found != values_.end(), "tensor {} is read before it is computed", tensor.id);
  return found->second;
}

std::string_view base_name(std::string_view op_type, std::string_view level) {
  const std::string prefix = std::string(level) + "_";
  require(
      op_type.starts_with(prefix) && op_type.ends_with("_op") && op_type.size() > prefix.size() + 3,
      "no operator of level '{}'", level);
  return op_type.substr(prefix.size(), op_type.size() - prefix.size() - 3);
}

std::optional<Value> add_common(Graph& graph, std::string_view name,
                                const std::vector<Value>& inputs) {
  for (const Operator& op : kOperators) {
    if (op.name != name) continue;
    require(inputs.size() == op.inputs, "{} input tensors", inputs.size());
    return graph.add(op.ours, inputs);
  }
  require(!inputs.empty(), "no input tensors");
  if (name == "square") return graph.add("mul", {inputs[0], inputs[0]});
  if (name == "rms_norm") {
    return graph.add("rms_norm", {inputs[0]}, {{"axes", Dims{-1}}, {"epsilon", 0.0}});
  }
  if (const auto axis = axis_behind(name, "reduction_")) return sum_axis(graph, inputs[0], *axis);
  if (const auto axis = axis_behind(name, "concat_")) {
    return graph.add("concat", inputs, {{"axis", *axis}});
  }
  return std::nullopt;
}

}  // namespace mirage

std::vector<StoredProgram> parse_programs(std::string_view text, std::string_view origin,
                                          std::optional<DType> dtype) {
  try {
    const Json json = Json::parse(text);
    const Json::Array& items = json.array();
    require(!items.empty(), "an empty list");
    std::vector<StoredProgram> programs;
    const bool single = std::holds_alternative<Json::Object>(items[0].value());
    if (single) return {mirage::read_program(json, dtype)};
    for (const Json& item : items) programs.push_back(mirage::read_program(item, dtype));
    return programs;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", origin, error.what()));
  }
}

std::vector<StoredProgram> load_programs(const std::string& path, std::optional<DType> dtype) {
  const auto file = map_file(path);
  require(file->bytes <= mirage::kMaxFileBytes, "{}: {} bytes are too many for stored programs",
          path, file->bytes);
  return parse_programs(file->text(), path, dtype);
}

}  // namespace lamina
