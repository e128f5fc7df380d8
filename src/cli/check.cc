// lamina check: do two models compute the same function?
#include <fmt/core.h>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/verdict_status.h"
#include "lamina/verify.h"

namespace lamina::cli {
namespace {

struct CheckOptions {
  std::string a;
  std::string b;
  std::vector<std::string> size;
  VerifyOptions verify;
  bool by_order = false;

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("A", self.a, "a model");
    visit("B", self.b, "another model with the same inputs and outputs");
    visit("runs", self.verify.runs, "independent random evaluations (per value of the sizes)");
    visit("bindings", self.verify.size_bindings, "how many values of the named sizes are tried");
    visit("shrink", self.verify.shrink,
          "replace dimensions above this by small ones where possible; 0: never");
    visit("by_order", self.by_order, "match inputs by order whatever their names");
    visit("size", self.size, "NAME=N: the value of a named size");
  }
};

int check_models(const CheckOptions& options, Json& report) {
  const Graph a = load_model({options.a, {}, options.size});
  const Graph b = load_model({options.b, {}, options.size});
  VerifyOptions verify_options = options.verify;
  verify_options.match_names = !options.by_order;
  const Verdict verdict = verify(a, b, verify_options);
  fmt::print("{}\n", verdict.to_text());
  report = Json::parse(verdict.to_json());
  report["command"] = "check";
  return exit_status(verdict.outcome);
}

}  // namespace

Command check_command() {
  return command<CheckOptions>("check", "check whether two models compute the same", check_models);
}

}  // namespace lamina::cli
