// What is compiled, how often, and what happens without a compiler.
#include "exec/cpu/compile_cache.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/temporary_folder.h"
#include "exec/cpu/cpu_device.h"
#include "exec/ref/ref_device.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

Graph small_graph(double factor) {
  Graph graph;
  const Value x = graph.add_input("x", {DType::kF32, {3, 5}, {}});
  Value y = x;
  for (int i = 0; i < 3; ++i) y = graph.add("mul", {y, graph.constant(factor)});
  graph.add_output("y", y);
  return graph;
}

std::vector<Tensor> small_inputs() {
  return {Tensor::from_doubles(DType::kF32, {3, 5}, std::vector<double>(15, 1.5))};
}

// Sets PATH for the life of the object.
struct Path {
  explicit Path(const char* value) : before(std::getenv("PATH")) { setenv("PATH", value, 1); }
  ~Path() { setenv("PATH", before.c_str(), 1); }
  std::string before;
};

}  // namespace

TEST_CASE("equal kernels are compiled once, over programs and runs of the compiler") {
  const TemporaryFolder cache;
  const RunOptions options{1, cache.path()};
  const auto first = compile(small_graph(2.0), cpu_device(), options);
  CHECK(first->stats().compiles == 1);  // one distinct kernel
  CHECK(first->stats().kernels == 3);
  const auto second = compile(small_graph(2.0), cpu_device(), options);
  CHECK(second->stats().compiles == 0);
  CHECK(second->run(small_inputs())[0].to_doubles() == std::vector<double>(15, 12.0));
  CHECK(first->run(small_inputs())[0].to_doubles() == std::vector<double>(15, 12.0));
}

TEST_CASE("a damaged file of the cache is replaced") {
  const TemporaryFolder cache;
  const RunOptions options{1, cache.path()};
  compile(small_graph(2.0), cpu_device(), options);
  for (const auto& entry : std::filesystem::directory_iterator(cache.path())) {
    std::filesystem::remove(entry.path());
    std::ofstream(entry.path()) << "not a shared object";
  }
  const auto program = compile(small_graph(2.0), cpu_device(), options);
  CHECK(program->stats().compiles >= 1);
  CHECK(program->run(small_inputs())[0].to_doubles() == std::vector<double>(15, 12.0));
}

TEST_CASE("compiler runs are bounded") {
  const TemporaryFolder cache;
  RunOptions options{1, cache.path()};
  options.max_compiles = 0;
  try {
    compile(small_graph(2.0), cpu_device(), options);
    FAIL("compiled");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kExhausted);
  }
}

TEST_CASE("without a compiler the device says so and interprets") {
  const Path nowhere("");
  CHECK_FALSE(cpu::find_compiler().has_value());
  CHECK(cpu_device().description().find("no C++ compiler in PATH") != std::string::npos);
  const auto program = compile(small_graph(2.0), cpu_device());
  CHECK(program->stats().kernels == 0);
  CHECK(program->stats().fallbacks >= 3);
  CHECK(program->run(small_inputs())[0].to_doubles() == std::vector<double>(15, 12.0));
}

TEST_CASE("a cache folder that cannot be, or that others can write, is refused") {
  CHECK_THROWS_AS(compile(small_graph(2.0), cpu_device(), {1, "/proc/nowhere"}), Error);
  const TemporaryFolder cache;
  std::filesystem::permissions(cache.path(), std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  CHECK_THROWS_AS(compile(small_graph(2.0), cpu_device(), {1, cache.path()}), Error);
}
