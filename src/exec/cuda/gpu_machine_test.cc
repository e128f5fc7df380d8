// Machine descriptions: the shipped ones, and what is wrong with others.
#include "exec/cuda/gpu_machine.h"

#include <doctest/doctest.h>

#include "lamina/error.h"

using namespace lamina;
using namespace lamina::cuda;

TEST_CASE("the shipped descriptions") {
  for (const char* name : {"a100", "h100", "h200"}) {
    const GpuMachine machine = load_gpu_machine("share/machines/" + std::string(name) + ".json");
    CHECK(machine.shared_bytes_per_block > 100000);
    CHECK(machine.multiprocessors > 100);
  }
  CHECK(shipped_gpu_machine("sm_90").target() == "sm_90");
  CHECK_THROWS_WITH_AS(shipped_gpu_machine("sm_100"), doctest::Contains("--machine"), Error);
}

TEST_CASE("descriptions that cannot be used") {
  CHECK_THROWS_AS(parse_gpu_machine("{", "m"), Error);
  CHECK_THROWS_WITH_AS(parse_gpu_machine(R"({"version": 2})", "m"), doctest::Contains("version 2"),
                       Error);
  CHECK_THROWS_WITH_AS(parse_gpu_machine(R"({"version": 1, "name": "old", "sm": 75})", "m"),
                       doctest::Contains("sm_80 or newer"), Error);
  CHECK_THROWS_WITH_AS(
      parse_gpu_machine(R"({"version": 1, "name": "odd", "sm": 80, "multiprocessors": -1})", "m"),
      doctest::Contains("multiprocessors must be positive"), Error);
}
