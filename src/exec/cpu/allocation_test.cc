// Running allocates nothing after the first run with a size binding. Counts the calls of operator
// new in this whole test binary.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/temporary_folder.h"
#include "exec/cpu/cpu_device.h"

namespace {
std::atomic<long> allocations = 0;
}

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace lamina;

TEST_CASE("no allocation while running, and the arena is reused") {
  const TemporaryFolder cache;
  Graph graph;
  graph.sizes = {{"T", 1, 1000}};
  const Value x = graph.add_input("x", {DType::kF32, {Dim::size("T"), 64}, {}});
  Value y = x;
  for (int i = 0; i < 10; ++i) y = graph.add("exp", {graph.add("mul", {y, graph.constant(-0.5)})});
  graph.add_output("y", graph.add("sum", {y}, {{"axes", Dims{1}}}));
  const auto program = compile(graph, cpu_device(), {2, cache.path()});
  const std::vector<Tensor> large = {Tensor(DType::kF32, {1000, 64})};
  const std::vector<Tensor> small = {Tensor(DType::kF32, {10, 64})};
  std::vector<Tensor> large_out = {Tensor(DType::kF32, {1000})};
  std::vector<Tensor> small_out = {Tensor(DType::kF32, {10})};
  program->run_into(large, large_out);
  CHECK(program->stats().arena_bytes == 1000 * 64 * 4);
  program->run_into(small, small_out);
  CHECK(program->stats().arena_bytes == 10 * 64 * 4);
  const long before = allocations;
  for (int i = 0; i < 10; ++i) {
    program->run_into(large, large_out);
    program->run_into(small, small_out);
  }
  const long after = allocations;
  CHECK(after == before);
}
