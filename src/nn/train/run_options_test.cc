// What runs say while they go on.
#include "nn/train/run_options.h"

#include <doctest/doctest.h>

using namespace lamina::train;

TEST_CASE("a line of progress counts what this process did, not what a checkpoint had") {
  const LogEntry entry{.step = 102, .loss = 0.25};
  const std::string words = "step 102/200  loss 0.2500  16 samples/s  49 s left";
  CHECK(pace_text(entry, {.first = 100, .steps = 200, .batch = 8, .seconds = 1.0}) == words);
  // The same pace from the beginning.
  CHECK(pace_text(entry, {.first = 0, .steps = 200, .batch = 8, .seconds = 51.0}) == words);
}
