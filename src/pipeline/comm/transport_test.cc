// Which GPU a rank has.
#include "pipeline/comm/transport.h"

#include <doctest/doctest.h>

using namespace lamina::pipeline;

namespace {

// A rank of machines that launchers go round: with two, ranks 0, 2, 4, .. are on the first.
class RoundRobin final : public Transport {
 public:
  RoundRobin(int rank, int machines) : rank_(rank), machines_(machines) {}

  int rank() const override { return rank_; }
  int ranks() const override { return rank_ + 1; }
  int largest_tag() const override { return 0; }
  int sharing() const override { return 1; }
  int place_on_machine() const override { return rank_ / machines_; }
  int send(int, int, std::span<const std::byte>) override { return 0; }
  int receive(int, int, std::span<std::byte>) override { return 0; }
  bool is_done(int) override { return true; }
  void wait(int) override {}
  void fail_all(std::string_view, int) override {}

 private:
  int rank_;
  int machines_;
};

}  // namespace

TEST_CASE("ranks of one machine have different GPUs, however ranks are dealt out to machines") {
  CHECK(gpu_of(RoundRobin(0, 2), 2) == 0);
  CHECK(gpu_of(RoundRobin(2, 2), 2) == 1);
  CHECK(gpu_of(RoundRobin(3, 2), 2) == 1);
  CHECK(gpu_of(RoundRobin(4, 2), 2) == 0);
}
