// Building graphs and drawing inputs for the conformance loop.
#include "cases.h"

#include "exec/ref/ref_device.h"
#include "lamina/device.h"

namespace lamina::conformance {
namespace {

// Without a range of its own an integer input is small, negative values and zero included.
std::pair<std::int64_t, std::int64_t> integer_range(const Sample& sample, std::size_t i) {
  if (sample.inputs[i].dtype == DType::kBool) return {0, 1};
  if (i < sample.integer_ranges.size()) return sample.integer_ranges[i];
  return {-9, 9};
}

Tensor random_tensor(const Sample& sample, std::size_t i, std::mt19937_64& random) {
  const Type& type = sample.inputs[i];
  const Shape shape = constant_shape(type.shape).value();
  const auto count = static_cast<std::size_t>(element_count(shape));
  if (traits(type.dtype).is_float) {
    std::uniform_real_distribution<double> uniform(sample.low, sample.high);
    std::vector<double> values(count);
    for (double& value : values) value = uniform(random);
    return Tensor::from_doubles(type.dtype, shape, values);
  }
  const auto [first, last] = integer_range(sample, i);
  std::uniform_int_distribution<std::int64_t> uniform(first, last);
  std::vector<std::int64_t> values(count);
  for (std::int64_t& value : values) value = uniform(random);
  return Tensor::from_integers(type.dtype, shape, values);
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const OpDef& op : all_ops()) {
    if (op.samples == nullptr) continue;
    int number = 0;
    for (Sample& sample : op.samples()) {
      std::string name = std::string(op.name) + "/" + std::to_string(number++);
      cases.push_back({&op, std::move(sample), std::move(name)});
    }
  }
  return cases;
}

Case with_floats(const Case& from, DType dtype) {
  Case result = from;
  result.name += "/" + std::string(traits(dtype).name);
  for (Type& type : result.sample.inputs) {
    if (type.dtype == DType::kF32) type.dtype = dtype;
  }
  for (const auto& [name, attr] : from.sample.attrs) {
    const auto* asked = std::get_if<DType>(&attr);
    if (asked != nullptr && *asked == DType::kF32) result.sample.attrs.set(name, dtype);
  }
  return result;
}

void add_case(Graph& graph, const Case& from, const std::string& prefix) {
  std::vector<Value> inputs;
  for (std::size_t i = 0; i < from.sample.inputs.size(); ++i) {
    inputs.push_back(graph.add_input(prefix + std::to_string(i), from.sample.inputs[i]));
  }
  const Value y = graph.add(from.op->name, inputs, from.sample.attrs);
  const std::size_t outputs = graph.node(y).types.size();
  for (std::size_t k = 0; k < outputs; ++k) {
    graph.add_output(prefix + "_y" + std::to_string(k), {y.node, static_cast<std::int32_t>(k)});
  }
}

Graph graph_of(const Case& from) {
  Graph graph;
  graph.name = std::string(from.op->name);
  add_case(graph, from, "x");
  return graph;
}

std::vector<Tensor> random_inputs(const Case& from, std::mt19937_64& random) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < from.sample.inputs.size(); ++i) {
    inputs.push_back(random_tensor(from.sample, i, random));
  }
  return inputs;
}

std::vector<Tensor> run_reference(const Graph& graph, std::span<const Tensor> inputs) {
  return compile(graph, ref_device())->run(inputs);
}

bool has_float(std::span<const Type> types) {
  for (const Type& type : types) {
    if (traits(type.dtype).is_float) return true;
  }
  return false;
}

}  // namespace lamina::conformance
