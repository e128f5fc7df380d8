// What is planned: a computation or profile, a named network, or a model, whose operators get
// modelled or measured costs.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "cli/model_options.h"
#include "cli/network_input.h"
#include "lamina/pipeline.h"

namespace lamina::cli {

// Other options structs hold one and list its fields among theirs.
struct PlanInputOptions {
  std::string input;
  NetworkOptions network;
  std::vector<std::string> fix;
  std::vector<std::string> size;
  std::string machine;
  bool profile = false;
  int threads = 0;
  pipeline::PassOptions passes;
  double profile_batch = 1.0;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("INPUT", self.input,
          "a computation (JSON), a profile of PipeDream or Piper, a model (.lam, .onnx or a "
          "folder), or the name of a network: " +
              network_list());
    NetworkOptions::fields(self.network, visit);
    visit("fix", self.fix, "NAME=FILE.npy: elements of an ONNX input that decides shapes");
    visit("size", self.size, "NAME=N: the value of a model's named size");
    visit("machine", self.machine,
          "description of a processor or GPU whose peak rates the costs follow from; default: "
          "this one");
    visit("profile", self.profile, "measure the passes of every operator on the cpu device");
    visit("threads", self.threads, "with --profile: worker threads; 0: one per core");
    visit("small_pass", self.passes.small, "costs are fitted to passes of so many samples,");
    visit("large_pass", self.passes.large, "and of so many");
    visit("profile_batch", self.profile_batch, "samples that PipeDream's profile measured at once");
  }
};

struct PlanInput {
  pipeline::GraphComputation network;  // without a graph where only costs are known
  std::vector<std::string> frozen;
  bool is_trained = false;  // the graph has a loss
};

// Says in the report where the costs come from. Throws what loading throws, and kInvalidArgument
// for options that the input has no use for.
PlanInput load_plan_input(const PlanInputOptions& options, Json& report);

}  // namespace lamina::cli
