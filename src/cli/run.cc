// lamina run: a model on inputs from .npy files.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/model_data.h"
#include "cli/model_options.h"
#include "lamina/device.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

struct RunCommandOptions {
  ModelOptions model;
  std::vector<std::string> input;
  std::string output_dir = ".";
  std::string device = "cpu";
  RunOptions run;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    ModelOptions::fields(self.model, visit);
    visit("input", self.input,
          "[NAME=]FILE.npy: inputs in graph order, or inputs and weights by name");
    visit("output_dir", self.output_dir, "folder for NAME.npy of every output; it is made");
    visit("device", self.device, "where to run: see 'lamina devices'");
    visit("threads", self.run.threads, "worker threads; 0: one per core");
    visit("cache_dir", self.run.cache_dir, "folder of compiled kernels");
    visit("max_compiles", self.run.max_compiles, "compiler runs that the program may cause");
  }
};

// The tensors of --input: in graph order for the inputs, by name for weights.
class GivenTensors {
 public:
  GivenTensors(const Graph& graph, const std::vector<std::string>& texts) : graph_(graph) {
    inputs_.resize(graph.inputs.size());
    for (const std::string& text : texts) add(text);
  }

  std::vector<Tensor> inputs() const {
    std::vector<Tensor> result;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!is_run_input(i)) continue;
      require(inputs_[i].has_value(), "the input '{}' is missing: give --input {}=FILE.npy",
              name(i), name(i));
      result.push_back(*inputs_[i]);
    }
    return result;
  }

  void set_weights(Program& program) const {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const Input& input = graph_.inputs[i];
      if (input.role != Role::kWeight) continue;
      require(inputs_[i].has_value() || !input.value.empty(),
              "the weight '{}' has no elements: give --input {}=FILE.npy", name(i), name(i));
      if (inputs_[i]) program.set_weight(name(i), *inputs_[i]);
    }
  }

 private:
  const std::string& name(std::size_t i) const {
    return graph_.node({graph_.inputs[i].node, 0}).name;
  }
  bool is_run_input(std::size_t i) const {
    return graph_.inputs[i].role == Role::kInput || graph_.inputs[i].role == Role::kDonated;
  }

  // "NAME=FILE" when something is called NAME, else the file of the next input in graph order.
  void add(const std::string& text) {
    const std::size_t at = text.find('=');
    for (std::size_t i = 0; at != std::string::npos && i < inputs_.size(); ++i) {
      if (name(i) != text.substr(0, at)) continue;
      require(graph_.inputs[i].role != Role::kState, "--input: '{}' is a state", name(i));
      require(!inputs_[i].has_value(), "--input: '{}' is given twice", name(i));
      inputs_[i] = load_npy(text.substr(at + 1));
      return;
    }
    require(at == std::string::npos || fs::exists(text), "--input: the model has no input '{}'",
            text.substr(0, at));
    while (next_ < inputs_.size() && (!is_run_input(next_) || inputs_[next_])) ++next_;
    require(next_ < inputs_.size(), "--input: more files than the model has inputs: '{}'", text);
    inputs_[next_] = load_npy(text);
  }

  const Graph& graph_;
  std::vector<std::optional<Tensor>> inputs_;  // per entry of graph.inputs
  std::size_t next_ = 0;
};

void save_outputs(const Graph& graph, std::span<const Tensor> tensors, const std::string& folder,
                  Json& report) {
  make_folder(folder);
  std::set<std::string> taken;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string name = file_name(graph.outputs[i].name);
    while (!taken.insert(name).second) name += "_";
    const std::string path = (fs::path(folder) / (name + ".npy")).string();
    save_npy(path, tensors[i]);
    fmt::print("{}: {}{} -> {}\n", graph.outputs[i].name, traits(tensors[i].dtype()).name,
               to_string(tensors[i].shape()), path);
    Type type = graph.type(graph.outputs[i].value);
    type.shape.assign(tensors[i].shape().begin(), tensors[i].shape().end());
    Json row = describe(graph.outputs[i].name, type);
    row["file"] = path;
    report["outputs"].push_back(std::move(row));
  }
}

int run_model(const RunCommandOptions& options, Json& report) {
  using Clock = std::chrono::steady_clock;
  const Device& device = find_device(options.device);
  const Graph graph = load_model(options.model);
  const GivenTensors given(graph, options.input);
  const std::vector<Tensor> inputs = given.inputs();
  const std::unique_ptr<Program> program =
      compile(program_for(options.model, graph, sizes_of(graph, inputs)), device, options.run);
  given.set_weights(*program);
  const auto start = Clock::now();
  const std::vector<Tensor> outputs = program->run(inputs);
  const std::chrono::duration<double, std::milli> time = Clock::now() - start;
  report["device"] = device.name();
  report["run_ms"] = time.count();
  describe(program->stats(), report);
  save_outputs(graph, outputs, options.output_dir, report);
  return kYes;
}

}  // namespace

Command run_command() {
  return command<RunCommandOptions>("run", "run a model on inputs from .npy files", run_model);
}

}  // namespace lamina::cli
