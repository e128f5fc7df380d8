// Files of a witness, and its runs on the reference device.
#include "cli/witness_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/files.h"
#include "cli/model_options.h"
#include "lamina/device.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

// The witness as both models take it: tensors of the declared dtypes, and where they are stored.
struct StoredInputs {
  std::vector<Tensor> tensors;
  std::vector<std::string> files;
};

const Node& node_of(const Graph& graph, std::size_t input) {
  return graph.nodes[static_cast<std::size_t>(graph.inputs[input].node)];
}

bool is_run_input(const Input& input) {
  return input.role == Role::kInput || input.role == Role::kDonated;
}

StoredInputs store_inputs(const std::string& folder, const Graph& graph, const Witness& witness) {
  StoredInputs stored;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < witness.inputs.size(); ++i) {
    std::string name = file_name(witness.input_names[i]);
    while (!taken.insert(name).second) name += "_";
    stored.tensors.push_back(witness.inputs[i].cast(node_of(graph, i).types[0].dtype));
    stored.files.push_back((fs::path(folder) / (name + ".npy")).string());
    save_npy(stored.files.back(), stored.tensors.back());
  }
  return stored;
}

// `text` as one word of a POSIX shell.
std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./=:,").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string run_command(const WitnessModel& model, const std::string& path,
                        const StoredInputs& stored, const std::string& output_dir) {
  std::string command = "lamina run " + quoted(path) + " --device ref";
  if (!model.size.empty()) command += " --size";
  for (const std::string& size : model.size) command += " " + quoted(size);
  if (!stored.files.empty()) command += " --input";
  for (std::size_t i = 0; i < stored.files.size(); ++i) {
    command += " " + quoted(node_of(model.graph, i).name + "=" + stored.files[i]);
  }
  return command + " --output-dir " + quoted(output_dir);
}

// The element that the witness names, as the reference device computes it.
double run_element(const Graph& graph, const StoredInputs& stored, std::size_t output,
                   std::int64_t element) {
  const auto program = compile(graph, find_device("ref"));
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < stored.tensors.size(); ++i) {
    if (is_run_input(graph.inputs[i])) {
      inputs.push_back(stored.tensors[i]);
    } else {
      program->set_weight(node_of(graph, i).name, stored.tensors[i]);
    }
  }
  const std::vector<Tensor> outputs = program->run(inputs);
  return outputs.at(output).to_doubles().at(static_cast<std::size_t>(element));
}

// Why `lamina run` cannot show the witness; empty if it can.
std::string obstacle(const Graph& graph) {
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const Node& node = node_of(graph, i);
    if (graph.inputs[i].role == Role::kState) {
      return fmt::format("'{}' is a state, which 'lamina run' starts itself", node.name);
    }
    if (node.name.find('=') != std::string::npos) {
      return fmt::format("'{}' cannot be named on a command line", node.name);
    }
  }
  return "";
}

std::size_t output_number(const Graph& graph, const std::string& name) {
  const auto at = std::find_if(graph.outputs.begin(), graph.outputs.end(),
                               [&](const Output& output) { return output.name == name; });
  check(at != graph.outputs.end(), "the witness names the output '{}'", name);
  return static_cast<std::size_t>(at - graph.outputs.begin());
}

// Both runs, the commands for them, and whether they are as far apart as the witness says.
struct Reproduction {
  std::string obstacle;
  std::vector<std::string> commands;
  std::vector<double> values;
  bool reproduced = false;
};

std::string saved_path(const std::string& folder, const WitnessModel& model, const char* name) {
  if (!model.path.empty()) return model.path;
  const std::string path = (fs::path(folder) / (std::string(name) + ".lam")).string();
  save_model(path, model.graph);
  return path;
}

Reproduction reproduce(const std::string& folder, const WitnessModel& first,
                       const WitnessModel& second, const Witness& witness,
                       const StoredInputs& stored) {
  Reproduction result;
  for (const WitnessModel* model : {&first, &second}) {
    if (result.obstacle.empty()) result.obstacle = obstacle(model->graph);
  }
  if (!result.obstacle.empty()) return result;
  const std::size_t output = output_number(first.graph, witness.output);
  for (const WitnessModel* model : {&first, &second}) {
    const char* name = model == &first ? "first" : "second";
    try {
      result.values.push_back(run_element(model->graph, stored, output, witness.element));
    } catch (const Error& error) {
      result.obstacle = fmt::format("the {} model does not run: {}", name, error.what());
      return result;
    }
    const std::string path = saved_path(folder, *model, name);
    result.commands.push_back(
        run_command(*model, path, stored, (fs::path(folder) / name).string()));
  }
  // Rounding may move both values, but not close half of the gap.
  const double seen = std::fabs(result.values[0] - result.values[1]);
  result.reproduced = seen >= 0.5 * std::fabs(witness.a - witness.b);
  return result;
}

Json witness_report(const Verdict& verdict, const WitnessModel& first, const StoredInputs& stored,
                    const Reproduction& runs) {
  const Witness& witness = *verdict.witness;
  Json json;
  json["version"] = 1;
  json["reason"] = verdict.reason;
  json["inputs"] = Json::Array{};
  for (std::size_t i = 0; i < stored.files.size(); ++i) {
    Type type = node_of(first.graph, i).types[0];
    type.shape.assign(stored.tensors[i].shape().begin(), stored.tensors[i].shape().end());
    Json input = describe(witness.input_names[i], type);
    input["file"] = stored.files[i];
    json["inputs"].push_back(std::move(input));
  }
  json["output"] = witness.output;
  json["element"] = witness.element;
  json["first"] = witness.a;
  json["second"] = witness.b;
  json["commands"] = Json(runs.commands);
  json["run_first"] = runs.commands.empty() ? Json() : Json(runs.values[0]);
  json["run_second"] = runs.commands.empty() ? Json() : Json(runs.values[1]);
  json["reproduced"] = runs.reproduced;
  json["obstacle"] = runs.obstacle.empty() ? Json() : Json(runs.obstacle);
  return json;
}

}  // namespace

void write_witness(const std::string& folder, const WitnessModel& first, const WitnessModel& second,
                   const Verdict& verdict, Json& report) {
  report["witness_files"] = Json();
  if (!verdict.witness) {
    fmt::print("  no witness: nothing is written to '{}'\n", folder);
    return;
  }
  make_folder(folder);
  const StoredInputs stored = store_inputs(folder, first.graph, *verdict.witness);
  Reproduction runs = reproduce(folder, first, second, *verdict.witness, stored);
  if (!runs.obstacle.empty()) runs.commands.clear();
  const Json json = witness_report(verdict, first, stored, runs);
  write_file_atomically((fs::path(folder) / "witness.json").string(), json.dump());
  report["witness_files"] = json;
  fmt::print("  witness in '{}'\n", folder);
  if (!runs.obstacle.empty()) fmt::print("  it cannot be run: {}\n", runs.obstacle);
  for (std::size_t k = 0; k < runs.commands.size(); ++k) {
    fmt::print("  {:.9g}: {}\n", runs.values[k], runs.commands[k]);
  }
  if (runs.obstacle.empty() && !runs.reproduced) {
    fmt::print("  rounding hides the difference in these runs\n");
  }
}

}  // namespace lamina::cli
