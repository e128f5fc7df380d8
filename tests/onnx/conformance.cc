// Loads, runs and compares the models of ONNX's test data.
#include "conformance.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <regex>

#include "graph/tolerance.h"
#include "io/onnx_builder.h"
#include "io/onnx_model.h"
#include "lamina/error.h"
#include "lamina/io.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

// Models whose stored data contradicts the model or the definition of the operator.
struct FaultyData {
  const char* model;
  const char* fault;
};
constexpr const char* kTruncated = "stored bfloat16 is truncated; the definition rounds to nearest";
constexpr const char* kOtherShape = "stored input 'like' is [1], the model declares [3, 4]";
constexpr const char* kFractionalLength =
    "stored output takes scale * length (2.4) for the resized length, which is 2";
constexpr FaultyData kFaultyData[] = {
    {"test_resize_downsample_scales_cubic_align_corners", kFractionalLength},
    {"test_resize_downsample_scales_linear_align_corners", kFractionalLength},
    {"test_cast_FLOAT_to_BFLOAT16", kTruncated},
    {"test_castlike_FLOAT_to_BFLOAT16", kOtherShape},
    {"test_castlike_FLOAT_to_BFLOAT16_expanded", kOtherShape},
    {"test_castlike_BFLOAT16_to_FLOAT", kOtherShape},
    {"test_castlike_BFLOAT16_to_FLOAT_expanded", kOtherShape},
};

struct ModelCase {
  std::string folder;  // of the model
  OnnxModel model;
  std::map<std::string, Tensor> inputs;
};

OnnxTensor stored(const ModelCase& c, const std::string& kind, std::size_t i,
                  const OnnxType& type) {
  const std::string path = fmt::format("{}/test_data_set_0/{}_{}.pb", c.folder, kind, i);
  return read_onnx_tensor(path, type.dtype == DType::kBF16);
}

// The stored inputs that are tensors; the others are refused when the model is loaded.
void read_inputs(ModelCase& c) {
  for (std::size_t i = 0; i < c.model.graph.inputs.size(); ++i) {
    const OnnxValueInfo& input = c.model.graph.inputs[i];
    const std::string path = fmt::format("{}/test_data_set_0/input_{}.pb", c.folder, i);
    if (!input.type.dtype || !fs::exists(path)) continue;
    c.inputs[input.name] = stored(c, "input", i, input.type).tensor;
  }
}

// What ONNX's own test runner allows.
bool within_onnx(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) return false;
  if (!traits(got.dtype()).is_float) return false;
  const std::vector<double> a = got.to_doubles();
  const std::vector<double> b = want.to_doubles();
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    if (!same && !(std::abs(a[i] - b[i]) <= 1e-7 + 1e-3 * std::abs(b[i]))) return false;
  }
  return true;
}

// Puts the model where it belongs: outputs within the tolerance of the program, or not.
void compare_outputs(const ModelCase& c, const Program& program, const std::vector<Tensor>& outputs,
                     FolderResult& result) {
  const std::string name = fs::path(c.folder).filename().string();
  const Tolerance bound = tolerance(program.graph());
  std::string far;
  bool near = true;
  if (outputs.size() != c.model.graph.outputs.size()) {
    far = fmt::format("{} outputs, expected {}", outputs.size(), c.model.graph.outputs.size());
    near = false;
  }
  for (std::size_t i = 0; i < outputs.size() && near; ++i) {
    const OnnxValueInfo& output = c.model.graph.outputs.at(i);
    const Tensor want = stored(c, "output", i, output.type).tensor;
    const auto wrong = difference(outputs[i], want, bound);
    if (!wrong) continue;
    far = fmt::format("output '{}': {}", output.name, *wrong);
    near = near && within_onnx(outputs[i], want);
  }
  if (far.empty()) {
    result.passed.push_back(name);
  } else {
    (near ? result.near : result.wrong)[name] = far;
  }
}

void run_case(const ModelCase& c, const Device& device, FolderResult& result) {
  LoadOptions options;
  options.fixed_inputs = {c.inputs.begin(), c.inputs.end()};
  options.fix_only_needed = true;
  const auto program = compile(load_model(c.folder + "/model.onnx", options), device);
  std::vector<Tensor> inputs;
  for (const Input& input : program->graph().inputs) {
    if (input.role != Role::kInput) continue;
    const std::string& name = program->graph().nodes[static_cast<std::size_t>(input.node)].name;
    for (const auto& [key, value] : c.inputs) {
      if (clean_name(key) == name) inputs.push_back(value);
    }
  }
  compare_outputs(c, *program, program->run(inputs), result);
  result.fallbacks += program->stats().fallbacks;
}

// "Conv 'c1': no such mode" -> "Conv: no such mode", so that equal reasons count together.
std::string without_names(const std::string& message) {
  static const std::regex name(" '[^']*'");
  return std::regex_replace(message, name, "");
}

}  // namespace

std::string onnx_test_data() {
  const std::string folder = "/usr/share/libonnx-testdata/data";
  return fs::exists(folder) ? folder : "";
}

FolderResult run_folder(const std::string& folder, const Device& device, const std::string& only) {
  FolderResult result{folder};
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(onnx_test_data() + "/" + folder)) {
    const std::string name = entry.path().filename().string();
    if (fs::exists(entry.path() / "model.onnx") && name.find(only) != std::string::npos) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    ++result.models;
    const auto* faulty = std::find_if(std::begin(kFaultyData), std::end(kFaultyData),
                                      [&](const FaultyData& f) { return f.model == name; });
    if (faulty != std::end(kFaultyData)) {
      result.set_aside[name] = faulty->fault;
      continue;
    }
    try {
      ModelCase c{fmt::format("{}/{}/{}", onnx_test_data(), folder, name), {}, {}};
      c.model = read_onnx_model(c.folder + "/model.onnx");
      read_inputs(c);
      run_case(c, device, result);
    } catch (const Error& error) {
      // These models are all well formed: any other error is a mistake of ours.
      if (error.code() == ErrorCode::kUnsupported) {
        result.refused[without_names(error.what())].push_back(name);
      } else {
        result.wrong[name] = error.what();
      }
    }
  }
  return result;
}

std::string to_markdown(const std::vector<FolderResult>& results, const std::string& device) {
  std::string text = fmt::format(
      "| folder ({}) | models | pass | near | refused | wrong | set aside | fallbacks |\n", device);
  text += "|---|---|---|---|---|---|---|---|\n";
  std::map<std::string, std::size_t> counts;
  std::string near = "\n| near: only within ONNX's 1e-3 | difference |\n|---|---|\n";
  std::string set_aside = "\n| set aside | because |\n|---|---|\n";
  for (const FolderResult& r : results) {
    std::size_t refused = 0;
    for (const auto& [reason, names] : r.refused) {
      counts[reason] += names.size();
      refused += names.size();
    }
    for (const auto& [name, fault] : r.set_aside) {
      set_aside += fmt::format("| {} | {} |\n", name, fault);
    }
    for (const auto& [name, what] : r.near) near += fmt::format("| {} | {} |\n", name, what);
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", r.folder, r.models,
                        r.passed.size(), r.near.size(), refused, r.wrong.size(), r.set_aside.size(),
                        r.fallbacks);
  }
  std::vector<std::pair<std::string, std::size_t>> reasons(counts.begin(), counts.end());
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  text += "\n| refused because | models |\n|---|---|\n";
  for (const auto& [reason, n] : reasons) text += fmt::format("| {} | {} |\n", reason, n);
  return text + near + set_aside;
}

}  // namespace lamina
