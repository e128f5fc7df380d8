// The list of model formats, and the text form as a file.
#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/files.h"
#include "io/onnx.h"
#include "lamina/io.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;

std::string weights_path(const std::string& path) {
  return fs::path(path).replace_extension(".safetensors").string();
}

// Text: no control characters but white space. (The grammar decides the rest.)
bool looks_like_text(std::string_view head) {
  return !head.empty() && std::none_of(head.begin(), head.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 32 && c != '\n' && c != '\t' && c != '\r';
  });
}

void attach_weights(Graph& graph, const std::string& path) {
  const NamedTensors tensors = load_safetensors(path);
  for (Input& input : graph.inputs) {
    const Node& node = graph.nodes[static_cast<std::size_t>(input.node)];
    const auto found = tensors.find(node.name);
    if (found == tensors.end() || input.role == Role::kInput || input.role == Role::kDonated) {
      continue;
    }
    const Tensor& value = found->second;
    const Type& type = node.types[0];
    require(value.dtype() == type.dtype &&
                constant_shape(type.shape).value_or(value.shape()) == value.shape(),
            "{}: '{}' is {}{}, the graph wants {}", path, node.name, traits(value.dtype()).name,
            to_string(value.shape()), to_string(type));
    input.value = value;
  }
}

void refuse_fixed_inputs(const LoadOptions& options) {
  if (options.fixed_inputs.empty()) return;
  fail(ErrorCode::kUnsupported, "input '{}': only ONNX models take fixed inputs",
       options.fixed_inputs.begin()->first);
}

Graph load_text(const std::string& path, const LoadOptions& options) {
  Graph graph = parse_graph(read_file(path), path);
  std::error_code error;
  if (fs::exists(weights_path(path), error)) attach_weights(graph, weights_path(path));
  refuse_fixed_inputs(options);
  return options.sizes.empty() ? graph : bind_sizes(graph, options.sizes);
}

// The program of the class of the sizes, which binds some of them itself.
Graph load_folder(const std::string& path, const LoadOptions& options) {
  refuse_fixed_inputs(options);
  const ProgramFolder folder(path);
  const Graph graph = folder.program_for(options.sizes);
  Sizes open = options.sizes;
  for (const SizeRange& range : folder.graph().sizes) {
    const bool is_open =
        std::any_of(graph.sizes.begin(), graph.sizes.end(),
                    [&](const SizeRange& size) { return size.name == range.name; });
    if (!is_open) open.erase(range.name);
  }
  return bind_sizes(graph, open);
}

}  // namespace

std::span<const ModelFormat> model_formats() {
  static const ModelFormat formats[] = {
      {"lamina", ".lam", looks_like_text, load_text},
      {"onnx", ".onnx", looks_like_onnx, load_onnx},
  };
  return formats;
}

Graph load_model(const std::string& path, const LoadOptions& options) {
  if (is_program_folder(path)) return load_folder(path, options);
  const std::string head = read_file(path, 4096);
  const std::string extension = fs::path(path).extension().string();
  std::string known;
  for (const ModelFormat& format : model_formats()) {
    if (extension == format.extension) return format.load(path, options);
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", format.name, format.extension);
  }
  for (const ModelFormat& format : model_formats()) {
    if (format.looks_like(head)) return format.load(path, options);
  }
  fail(ErrorCode::kInvalidArgument, "'{}' is in no known model format; known: {}", path, known);
}

void save_model(const std::string& path, const Graph& graph) {
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".onnx") return save_onnx(path, graph);
  require(extension == ".lam", "'{}' ends in neither .lam nor .onnx", path);
  NamedTensors weights;
  for (const Input& input : graph.inputs) {
    if (input.value.empty()) continue;
    weights[graph.nodes[static_cast<std::size_t>(input.node)].name] = input.value;
  }
  const std::string text = print_graph(graph);
  // Weights first: a text without its weights would be taken for a graph that has none.
  if (!weights.empty()) save_safetensors(weights_path(path), weights);
  write_file_atomically(path, text);
}

}  // namespace lamina
