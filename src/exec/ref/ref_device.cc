// Programs of the reference device: the generic interpreter over doubles.
#include "exec/ref/ref_device.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "exec/binding.h"
#include "graph/real_domain.h"

namespace lamina {

namespace {

class RefProgram final : public Program {
 public:
  explicit RefProgram(const Graph& graph) : graph_(graph) { validate(graph_); }

  void set_weight(std::string_view name, const Tensor& value) override {
    bind_weight(graph_, name, value);
  }

  std::vector<Tensor> run(std::span<const Tensor> inputs) override {
    const Sizes sizes = bind_inputs(graph_, inputs);
    if (states_.empty()) reset(sizes);
    RealDomain domain;
    auto result = Interpreter<RealDomain>(domain).run(graph_, gather_inputs(inputs), sizes);
    for (std::size_t i = 0; i < graph_.updates.size(); ++i) {
      store_state(graph_.updates[i].state, result.next_states[i]);
    }
    std::vector<Tensor> outputs;
    for (std::size_t i = 0; i < result.outputs.size(); ++i) {
      outputs.push_back(to_tensor(result.outputs[i], graph_.type(graph_.outputs[i].value).dtype));
    }
    return outputs;
  }

  void run_into(std::span<const Tensor> inputs, std::span<Tensor> outputs) override {
    const std::vector<Tensor> results = run(inputs);
    require(outputs.size() == results.size(), "expected {} outputs, got {}", results.size(),
            outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      require(outputs[i].shape() == results[i].shape() && outputs[i].dtype() == results[i].dtype(),
              "output {}: expected {} {}", i, traits(results[i].dtype()).name,
              to_string(results[i].shape()));
      std::copy_n(results[i].data(), results[i].bytes(), outputs[i].data());
    }
  }

  Tensor state(std::string_view name) override {
    const Value value = graph_.find(name);
    const auto found = states_.find(value.node);
    if (found == states_.end()) {
      fail(ErrorCode::kNotFound, "no state '{}' (states exist after the first run)", name);
    }
    return found->second;
  }

  void reset_state() override { states_.clear(); }
  const Graph& graph() const override { return graph_; }
  ProgramStats stats() const override { return {}; }

 private:
  void reset(const Sizes& sizes) {
    for (const Input& input : graph_.inputs) {
      if (input.role != Role::kState) continue;
      const Type& type = graph_.nodes[static_cast<std::size_t>(input.node)].types[0];
      if (!input.value.empty()) {
        states_[input.node] = input.value.clone();
        continue;
      }
      const Shape shape = evaluate(type.shape, sizes);
      const std::vector<double> fill(static_cast<std::size_t>(element_count(shape)), input.initial);
      states_[input.node] = Tensor::from_doubles(type.dtype, shape, fill);
    }
  }

  void store_state(NodeId node, const Array<double>& next) {
    const Tensor value = to_tensor(next, states_.at(node).dtype());
    std::copy_n(value.data(), value.bytes(), states_.at(node).data());
  }

  std::vector<Array<double>> gather_inputs(std::span<const Tensor> given) {
    std::vector<Array<double>> result;
    std::size_t next = 0;
    for (const Input& input : graph_.inputs) {
      const std::string& name = graph_.nodes[static_cast<std::size_t>(input.node)].name;
      if (input.role == Role::kWeight) {
        require(!input.value.empty(), "weight '{}' has no elements; set_weight() first", name);
        result.push_back(to_array(input.value));
      } else if (input.role == Role::kState) {
        result.push_back(to_array(states_.at(input.node)));
      } else {
        result.push_back(to_array(given[next++]));
      }
    }
    return result;
  }

  Graph graph_;
  std::map<NodeId, Tensor> states_;
};

class RefDevice final : public Device {
 public:
  std::string_view name() const override { return "ref"; }
  std::string description() const override { return "reference interpreter, double precision"; }
  std::unique_ptr<Program> compile(const Graph& graph, const RunOptions&) const override {
    return std::make_unique<RefProgram>(graph);
  }
};

}  // namespace

const Device& ref_device() {
  static const RefDevice device;
  return device;
}

}  // namespace lamina
