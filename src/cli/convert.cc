// lamina convert: a model in another format.
#include "cli/command.h"
#include "cli/model_options.h"
#include "lamina/io.h"

namespace lamina::cli {
namespace {

struct ConvertOptions {
  ModelOptions model;
  std::string file;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    ModelOptions::fields(self.model, visit);
    visit("FILE", self.file, "the file to write: .lam or .onnx");
  }
};

int convert(const ConvertOptions& options, Json& report) {
  const Graph graph = load_model(options.model);
  save_model(options.file, graph);
  report["file"] = options.file;
  report["structure_hash"] = structure_hash(graph);
  return kYes;
}

}  // namespace

Command convert_command() {
  return command<ConvertOptions>("convert", "write a model in another format", convert);
}

}  // namespace lamina::cli
