// The arguments that say which model a command works on, and what they load.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "lamina/device.h"
#include "lamina/graph.h"

namespace lamina::cli {

// Other options structs hold one and list its fields among theirs.
struct ModelOptions {
  std::string model;
  std::vector<std::string> fix;
  std::vector<std::string> size;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("MODEL", self.model,
          "a model: .lam, .onnx, a folder with config.json and weights, or one of optimize");
    visit("fix", self.fix, "NAME=FILE.npy: elements of an ONNX input that decides shapes");
    visit("size", self.size, "NAME=N: the value of a named size");
  }
};

// Throws what load_network() throws, and kInvalidArgument for malformed options.
Graph load_model(const ModelOptions& options);

// The program that runs at these sizes: that of their class where the model is a folder of
// programs, else `loaded`, which load_model() gave.
Graph program_for(const ModelOptions& options, Graph loaded, const Sizes& sizes);

// The values that --size gives, by name.
Sizes parse_sizes(const std::vector<std::string>& texts);

// "NAME=REST" split at the first '='. Throws kInvalidArgument that names the flag.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* flag);

// `name` as the name of a file that stays in its folder whatever the model calls its values.
std::string file_name(const std::string& name);

// Adds what a program is and has done: kernels, compiles, fallbacks, bytes.
void describe(const ProgramStats& stats, Json& report);
// name, dtype, shape of a value.
Json describe(const std::string& name, const Type& type);
std::string_view role_name(Role role);

}  // namespace lamina::cli
