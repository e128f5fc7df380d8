// The ONNX conformance table, one per device:  build/release/tests_onnx
// Environment: LAMINA_ONNX_ONLY runs the models whose names contain
// it, LAMINA_ONNX_TABLE writes the table to a file, LAMINA_ONNX_VERBOSE names the refused models.
#include "conformance.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cstdlib>

#include "base/files.h"

namespace lamina {
namespace {

struct Bar {
  const char* folder;
  std::size_t passes;
};

constexpr Bar kBars[] = {
    {"node", 805}, {"pytorch-converted", 80}, {"pytorch-operator", 34}, {"simple", 14}};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void run_device(const std::string& name) {
  if (onnx_test_data().empty()) {
    MESSAGE("skipped: the Debian package libonnx-testdata is not installed");
    return;
  }
  const std::string only = environment("LAMINA_ONNX_ONLY");
  std::vector<FolderResult> results;
  for (const Bar& bar : kBars) {
    const FolderResult result = run_folder(bar.folder, find_device(name), only);
    for (const auto& [model, what] : result.wrong) {
      FAIL_CHECK(fmt::format("{}/{}: {}", bar.folder, model, what));
    }
    if (only.empty()) CHECK_MESSAGE(result.passed.size() >= bar.passes, bar.folder);
    CHECK_MESSAGE(result.fallbacks == 0, bar.folder);
    if (!environment("LAMINA_ONNX_VERBOSE").empty()) {
      for (const auto& [reason, models] : result.refused) {
        for (const std::string& model : models) fmt::print("{}: {}\n", model, reason);
      }
    }
    results.push_back(result);
  }
  const std::string table = to_markdown(results, name);
  fmt::print("{}", table);
  const std::string path = environment("LAMINA_ONNX_TABLE");
  if (!path.empty()) write_file_atomically(path, table);
}

}  // namespace

TEST_CASE("ONNX conformance on the reference device") { run_device("ref"); }

TEST_CASE("ONNX conformance on the CPU device") { run_device("cpu"); }

}  // namespace lamina
