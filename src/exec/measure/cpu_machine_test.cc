// Descriptions of processors: the shipped one, what is wrong with others, and the remembered one.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/temporary_folder.h"
#include "lamina/error.h"
#include "lamina/machine.h"

using namespace lamina;

namespace {

const char* const kShipped = "share/machines/epyc_zen3.json";

// The shipped description with what `pattern` matches replaced.
std::string changed(const std::string& pattern, const std::string& by) {
  const std::string text = std::regex_replace(read_file(kShipped), std::regex(pattern), by);
  REQUIRE(text != read_file(kShipped));
  return text;
}

void refused(const std::string& text, const char* words) {
  CHECK_THROWS_WITH_AS(parse_cpu_machine(text, "m.json"), doctest::Contains(words), Error);
}

}  // namespace

TEST_CASE("a description goes through its file unchanged") {
  const CpuMachine machine = load_cpu_machine(kShipped);
  CHECK(machine.flops_f32 > machine.elements_per_second);
  CHECK(machine.elements_per_second > machine.exp_per_second);
  CHECK(parse_cpu_machine(to_json(machine), "again") == machine);
}

TEST_CASE("descriptions that cannot be used") {
  refused("{", "m.json: expected a machine description");
  refused("[]", "m.json: expected a JSON object");
  refused("{}", "m.json: 'device' is missing");
  refused(read_file("share/machines/h100.json"), "m.json: describes a GPU, expected a processor");
  refused(changed("\"version\": 2", "\"version\": 7"), "m.json: version 7, known is 2");
  refused(changed("\"device\": \"cpu\"", "\"device\": \"tpu\""), "must be \"cpu\", got \"tpu\"");
  refused(changed("\"cores\": [0-9]+", "\"cores\": 0"), "m.json: cores must be positive, got 0");
  refused(changed("\"cores\": [0-9]+", "\"cores\": 1.5"), "cores must be a whole number, got 1.5");
  refused(changed("\"cores\": [0-9]+", "\"cores\": \"two\""), "cores must be a number");
  refused(changed("\"cores\": [0-9]+", "\"cores\": 99999999"), "cores is too large");
  refused(changed("\"exp_per_second\": [^,]*", "\"exp_per_second\": -1"),
          "must be positive, got -1");
  refused(changed("\"l2_bytes\": [^,]*,", ""), "m.json: 'l2_bytes' is missing");
  CHECK(parse_cpu_machine(changed("\"l3_bytes\": [0-9]+", "\"l3_bytes\": 0"), "m").l3_bytes == 0);
  CHECK_THROWS_AS(load_cpu_machine("share/machines/absent.json"), Error);
}

TEST_CASE("those who measure at once go by the same figures") {
  const TemporaryFolder folder;
  RunOptions options;
  options.cache_dir = folder.path();
  std::vector<RememberedMachine> seen(2);
  {
    const std::jthread other([&] { seen[1] = remembered_cpu_machine(options); });
    seen[0] = remembered_cpu_machine(options);
  }
  CHECK(seen[0].machine == seen[1].machine);
}

TEST_CASE("the measured description is remembered, and measured again when damaged") {
  namespace fs = std::filesystem;
  const TemporaryFolder owner;
  const std::string& folder = owner.path();
  RunOptions options;
  options.cache_dir = folder;
  const RememberedMachine first = remembered_cpu_machine(options);
  CHECK(first.warning.empty());
  CHECK(parse_cpu_machine(to_json(first.machine), "measured") == first.machine);
  CHECK(remembered_cpu_machine(options).machine == first.machine);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("machine-"))
      fs::resize_file(entry.path(), fs::file_size(entry.path()) / 2);
  }
  const RememberedMachine again = remembered_cpu_machine(options);
  CHECK(again.warning.find("measured again") != std::string::npos);
  CHECK(remembered_cpu_machine(options).machine == again.machine);
}
