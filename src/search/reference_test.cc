// Reference outputs survive the way through their file, and damage is seen.
#include "search/reference.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"
#include "lamina/bench.h"

using namespace lamina;
using namespace lamina::search;
namespace fs = std::filesystem;

namespace {

bool equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].shape() != b[i].shape() || a[i].dtype() != b[i].dtype()) return false;
    if (std::memcmp(a[i].data(), b[i].data(), a[i].bytes()) != 0) return false;
  }
  return true;
}

Graph example(std::uint64_t seed) {
  return fill_weights(parse_graph(R"(lamina 1
graph two(x: bf16[3, 5], weight w: bf16[5, 4]) {
  y = matmul(x, w)
  z = exp(y)
  return y, z
})"),
                      seed);
}

std::ptrdiff_t count(const std::string& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

}  // namespace

TEST_CASE("reference outputs are read again, and computed again when the file was changed") {
  const TemporaryFolder owner;
  const std::string& folder = owner.path();
  const Graph graph = example(1);
  const std::vector<Tensor> inputs = random_inputs(graph, {}, 1);
  const auto plain = reference_outputs(graph, inputs, "");
  CHECK(count(folder) == 0);
  const auto kept = reference_outputs(graph, inputs, folder);
  CHECK(equal(plain.outputs, kept.outputs));
  REQUIRE(count(folder) == 1);
  const std::string path = fs::directory_iterator(folder)->path().string();
  CHECK(equal(reference_outputs(graph, inputs, folder).outputs, plain.outputs));

  // Other weights or inputs are another file.
  const Graph other = example(2);
  CHECK_FALSE(equal(reference_outputs(other, inputs, folder).outputs, plain.outputs));
  CHECK_FALSE(
      equal(reference_outputs(graph, random_inputs(graph, {}, 2), folder).outputs, plain.outputs));
  CHECK(count(folder) == 3);

  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file.put('\x55');
  }
  const auto changed = reference_outputs(graph, inputs, folder);
  CHECK(changed.warning.find("was changed") != std::string::npos);
  CHECK(equal(changed.outputs, plain.outputs));
  CHECK(reference_outputs(graph, inputs, folder).warning.empty());

  fs::resize_file(path, fs::file_size(path) / 2);
  const auto cut = reference_outputs(graph, inputs, folder);
  CHECK(cut.warning.find("bytes, expected") != std::string::npos);
  CHECK(equal(cut.outputs, plain.outputs));
}
