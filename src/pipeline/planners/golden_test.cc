// Our planners' algorithms on the inputs and the cost models of the originals, against what the
// originals' programs give. LAMINA_PIPELINE_GRAPHS names the folder of the inputs.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "pipeline/planners/dnn_partitioning_for_test.h"
#include "pipeline/planners/pipedream_for_test.h"
#include "pipeline/planners/piper_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;
using Mode = test::DnnPartitioning::Mode;

namespace {

// Empty, with a message, where there are no inputs.
std::string input(const std::string& name) {
  const char* folder = std::getenv("LAMINA_PIPELINE_GRAPHS");
  if (folder != nullptr) return std::string(folder) + "/" + name;
  MESSAGE("skipped: LAMINA_PIPELINE_GRAPHS names no folder with ", name);
  return {};
}

// What `run` gives, and a line with the seconds that it took.
template <class Run>
auto timed(const std::string& what, Run&& run) {
  const auto start = std::chrono::steady_clock::now();
  auto result = run();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  MESSAGE(what, ": ", spent.count(), " s");
  return result;
}

// Equal to `digits` significant ones.
void same(double ours, double golden, int digits) {
  CHECK(fmt::format("{:.{}g}", ours, digits) == fmt::format("{:.{}g}", golden, digits));
}

struct DnnRow {
  const char* name;
  int downsets;
  double ideals, linear, pipedream, one_device;  // milliseconds
};

void check_row(const DnnRow& row) {
  const std::string path = input(fmt::format("dnn_partitioning/{}.json", row.name));
  if (path.empty()) return;
  CAPTURE(path);
  const auto solve = [&](Mode mode, int accelerators) {
    return timed(fmt::format("{}, mode {}", row.name, static_cast<int>(mode)),
                 [&] { return test::DnnPartitioning(path).solve(mode, accelerators); });
  };
  const int all = test::DnnPartitioning(path).accelerators();
  const auto [least, downsets] = solve(Mode::kIdeals, all);
  same(least, row.ideals, 6);
  CHECK(downsets == row.downsets);
  same(solve(Mode::kLinear, all).first, row.linear, 6);
  same(solve(Mode::kPipeDream, all).first, row.pipedream, 6);
  same(test::DnnPartitioning(path).one_accelerator_s(), row.one_device, 6);
}

// Columns: Piper; without data parallelism, without tensor parallelism, without recomputation;
// equal stages. 0: out of memory. Six digits, and as many as the original prints of Piper's own.
struct PiperRow {
  int devices;
  double gib;
  double piper, no_data, no_tensor, no_recompute, equal;
  int stages;
};

bool same_or_none(double ours, double golden, const char* format) {
  if (std::isinf(ours)) return golden == 0.0;
  return fmt::format(fmt::runtime(format), ours) == fmt::format(fmt::runtime(format), golden);
}

void check_row(const PiperRow& row) {
  const std::string path = input("piper/bert32a100.json");
  if (path.empty()) return;
  CAPTURE(row.devices);
  CAPTURE(row.gib);
  const test::PiperInput bert(path);
  const double memory = row.gib * (1 << 30);
  const auto solve = [&](const test::PiperAllowed& allowed) {
    return bert.solve(row.devices, memory, allowed);
  };
  const auto [seconds, stages] = timed(
      fmt::format("BERT on {} devices of {} GiB", row.devices, row.gib), [&] { return solve({}); });
  CHECK(same_or_none(seconds, row.piper, "{:.6f}"));
  CHECK(stages == row.stages);
  CHECK(same_or_none(solve({false, true, true}).first, row.no_data, "{:.6g}"));
  CHECK(same_or_none(solve({true, false, true}).first, row.no_tensor, "{:.6g}"));
  CHECK(same_or_none(solve({true, true, false}).first, row.no_recompute, "{:.6g}"));
  CHECK(same_or_none(bert.equal_stages(row.devices, memory), row.equal, "{:.6g}"));
}

}  // namespace

TEST_CASE("dnn-partitioning's least loads") {
  check_row(DnnRow{"bert24_inference", 30, 17.7899, 17.7899, 17.7899, 92.406});
  check_row(DnnRow{"bert24_training", 30, 41.7458, 41.7458, 187.914, 217.813});
  check_row(DnnRow{"resnet50_inference", 242, 33.7747, 33.7747, 39.3981, 201.45});
  check_row(DnnRow{"resnet50_training", 242, 78.6318, 78.6498, 83.6744, 462.381});
}

// The original, which looks at the sets before a stage in the order of a hash table of addresses,
// finds one of several chains of the same time for AlexNet on 16 machines: it has 3 stages.
TEST_CASE("PipeDream's slowest stages") {
  struct Row {
    const char* name;
    int machines;
    double seconds;
    int stages;
  };
  for (const Row& row : {Row{"vgg16", 4, 0.205520896, 2}, Row{"vgg16", 8, 0.103833170, 2},
                         Row{"vgg16", 16, 0.056529767, 3}, Row{"resnet50", 4, 0.162880924, 2},
                         Row{"resnet50", 8, 0.092012272, 2}, Row{"resnet50", 16, 0.047801345, 3},
                         Row{"alexnet", 4, 0.034217141, 2}, Row{"alexnet", 8, 0.018874368, 2},
                         Row{"alexnet", 16, 0.018874368, 2}}) {
    const std::string path = input(fmt::format("pipedream/{}.txt", row.name));
    if (path.empty()) return;
    CAPTURE(path);
    const auto [seconds, stages] = timed(fmt::format("{} on {}", row.name, row.machines), [&] {
      return test::pipedream_original(path, row.machines, 1e9);
    });
    CHECK(fmt::format("{:.9f}", seconds) == fmt::format("{:.9f}", row.seconds));
    CHECK(stages == row.stages);
  }
}

TEST_CASE("Piper's times per sample of BERT-32") {
  check_row(PiperRow{8, 8, 0.165856, 0.165856, 0.165856, 0.259752, 0.230978, 8});
  check_row(PiperRow{16, 8, 0.082962, 0.100427, 0.0829622, 0.117829, 0.102604, 11});
  check_row(PiperRow{32, 8, 0.041515, 0.0739063, 0.0415155, 0.0566195, 0.0513511, 14});
  check_row(PiperRow{64, 8, 0.020201, 0.0739063, 0.0202006, 0.0279883, 0.0257245, 12});
  check_row(PiperRow{128, 8, 0.010121, 0.0739063, 0.0101209, 0.0135946, 0.0129113, 12});
  check_row(PiperRow{8, 80, 0.122007, 0.164516, 0.122007, 0.122007, 0.122007, 1});
  check_row(PiperRow{32, 2, 0.066550, 0.0739063, 0, 0, 0, 20});
  check_row(PiperRow{8, 2, 0, 0, 0, 0, 0, 0});
  check_row(PiperRow{64, 1, 0, 0, 0, 0, 0, 0});
}

TEST_SUITE("slow") {
  TEST_CASE("Piper's time per sample of BERT-32 on 512 devices") {
    check_row(PiperRow{512, 8, 0.002561, 0.0739063, 0.00256113, 0.00341807, 0.00330132, 12});
  }

  TEST_CASE("dnn-partitioning's least load of GNMT") {
    check_row(DnnRow{"gnmt_inference", 17914, 32.9107, 33.0326, 33.0311, 182.563});
  }
}
