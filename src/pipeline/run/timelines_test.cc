// What of a measured iteration is no bubble.
#include "pipeline/run/timelines.h"

#include <doctest/doctest.h>

using namespace lamina::pipeline;

TEST_CASE("busy is passes and the update, by the iteration; waits and sums are not") {
  using Kind = Action::Kind;
  const std::vector<TimedAction> timeline = {{{Kind::kReceiveForward, 1, 0, 0}, 0.0, 1.0},
                                             {{Kind::kForward, 1, 0}, 1.0, 2.0},
                                             {{Kind::kBackward, 1, 0}, 3.0, 5.0},
                                             {{Kind::kReduce, 1}, 5.0, 6.0},
                                             {{Kind::kUpdate, 1}, 7.0, 8.0}};
  CHECK(busy_share(timeline, 10.0) == doctest::Approx(0.4));
  CHECK(busy_share({}, 10.0) == 0.0);
  CHECK(busy_share({}, 0.0) == 0.0);
}
