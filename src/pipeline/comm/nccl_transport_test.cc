// Messages through NCCL, with an emulation in its place: none of this has run on GPUs.
#include "pipeline/comm/nccl_transport.h"

#include <doctest/doctest.h>

#include <mutex>

#include "lamina/error.h"
#include "pipeline/comm/nccl_double_for_test.h"
#include "pipeline/comm/ordered_sum.h"
#include "pipeline/comm/tensors.h"
#include "pipeline/comm/threads.h"
#include "pipeline/run/rank_run.h"
#include "pipeline/run/trial_for_test.h"

using namespace lamina;
using namespace lamina::pipeline;
using test::EmulatedLinks;
using test::EmulatedNccl;

namespace {

using RankBody = std::function<void(Transport&, EmulatedNccl&)>;

// Ranks are threads, and their first messages too; all other go through the emulation.
void run_emulated(int ranks, EmulatedLinks& links, const RankBody& body) {
  run_thread_ranks(ranks, {.delay_ms = links.delay_ms(), .seed = 5}, [&](Transport& start) {
    const int rank = start.rank();
    EmulatedNccl calls(links, rank, "gpu" + std::to_string(rank));
    run_on_nccl(start, calls, [&](Transport& transport) { body(transport, calls); });
    CHECK(calls.left_over() == 0);
  });
  CHECK(links.mismatches() == 0);
}

// What message `k` of a tag between two ranks holds.
std::vector<std::byte> content(int from, int to, int tag, int k) {
  Rng rng = Rng(8).split(static_cast<std::uint64_t>(((from * 10 + to) * 10 + tag) * 100 + k));
  std::vector<std::byte> bytes(static_cast<std::size_t>(
      rng.chance(0.2) ? 0 : rng.integer(1, rng.chance(0.2) ? 20000 : 200)));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.integer(0, 255));
  return bytes;
}

struct Posted {
  int message = 0;
  std::vector<std::byte> want;
  std::vector<std::byte> bytes;
};

}  // namespace

TEST_CASE("messages of all ranks, in any order of tags, posted before and after they come") {
  constexpr int kRanks = 4, kTags = 3, kEach = 6;
  EmulatedLinks links(0.3);
  std::mutex mutex;
  run_emulated(kRanks, links, [&](Transport& transport, EmulatedNccl& calls) {
    const int rank = transport.rank();
    Rng rng = Rng(31).split(static_cast<std::uint64_t>(rank));
    // Sends and receives, shuffled; those of one peer and tag stay in order.
    struct Step {
      bool is_send = false;
      int peer = 0;
      int tag = 0;
    };
    std::vector<Step> steps;
    for (int p = 0; p < kRanks; ++p) {
      for (int t = 0; t < kTags; ++t) {
        for (int k = 0; k < kEach; ++k) {
          steps.push_back({true, p, t});
          steps.push_back({false, p, t});
        }
      }
    }
    for (std::size_t i = steps.size(); i-- > 1;) {
      std::swap(steps[i], steps[static_cast<std::size_t>(rng.integer(0, static_cast<int>(i)))]);
    }
    std::map<std::tuple<bool, int, int>, int> counts;
    std::vector<Posted> posted(steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto& [is_send, other, tag] = steps[i];
      const int k = counts[{is_send, other, tag}]++;
      Posted& own = posted[i];
      own.want = is_send ? content(rank, other, tag, k) : content(other, rank, tag, k);
      own.bytes = is_send ? own.want : std::vector<std::byte>(own.want.size());
      own.message = is_send ? transport.send(other, tag, own.bytes)
                            : transport.receive(other, tag, own.bytes);
      // Whatever waits for the whole GPU must not wait for another rank.
      if (rng.chance(0.1)) calls.synchronize();
    }
    for (Posted& own : posted) {
      while (rng.chance(0.5) && own.message >= 0) {
        if (transport.is_done(own.message)) own.message = -1;
      }
      if (own.message >= 0) transport.wait(own.message);
      const std::scoped_lock lock(mutex);
      CHECK(own.bytes == own.want);
    }
  });
}

TEST_CASE("a rank that waits for its GPU keeps no other from going on") {
  EmulatedLinks links;
  std::atomic<int> received = 0;
  run_emulated(2, links, [&](Transport& transport, EmulatedNccl& calls) {
    const int other = 1 - transport.rank();
    std::vector<std::byte> out(5000, std::byte{7}), in(5000);
    const int receive = transport.receive(other, 4, in);
    const int send = transport.send(other, 9, out);  // nobody receives it yet
    for (int i = 0; i < 20; ++i) calls.synchronize();
    const int second = transport.send(other, 4, out);
    while (!transport.is_done(receive)) calls.synchronize();
    CHECK(in == out);
    ++received;
    // The first message comes to a receive that is posted long after.
    std::vector<std::byte> late(5000);
    transport.wait(transport.receive(other, 9, late));
    transport.wait(send);
    transport.wait(second);
    CHECK(late == out);
  });
  CHECK(received == 2);
}

TEST_CASE("sums and tensors by name come as over threads") {
  EmulatedLinks links(0.1);
  std::mutex mutex;
  run_emulated(3, links, [&](Transport& transport, EmulatedNccl&) {
    std::vector<double> numbers = {1.0 / (transport.rank() + 1)};
    sum_numbers(transport, 1, numbers);
    const std::vector<double> values = {0.5, 1e8, transport.rank() * 1.0};
    std::vector<Tensor> tensors = {Tensor::from_doubles(DType::kF32, {3}, values)};
    const Group group{{2, 0, 1}, (transport.rank() + 1) % 3};
    sum_owned(transport, group, 0, tensors);
    gather_owned(transport, group, 0, tensors);
    const std::scoped_lock lock(mutex);
    CHECK(numbers[0] == (1.0 + 1.0 / 2) + 1.0 / 3);
    CHECK(tensors[0].to_doubles() == std::vector<double>{1.5, 3e8, 3.0});
  });
}

TEST_CASE("pipelines through NCCL equal the reference bit for bit") {
  Rng rng(77);
  int ran = 0, messages = 0;
  for (int i = 0; i < 24; ++i) {
    CAPTURE(i);
    test::RandomPlanOptions options;
    options.ranks = 2 << (i % 2);
    options.schedule = static_cast<ScheduleKind>(i % 4);
    const std::optional<test::Trial> trial = test::make_trial(options, rng);
    if (!trial) continue;
    const test::Ran want = test::run_reference(*trial, 2);
    const PipelineJob job = trial->job();
    EmulatedLinks links(0.1);
    std::mutex mutex;
    run_emulated(options.ranks, links, [&](Transport& transport, EmulatedNccl&) {
      RankRun run(job, trial->parameters, transport);
      for (std::size_t step = 0; step < want.losses.size(); ++step) {
        const auto data = [&](const Samples& s) {
          return test::random_inputs(static_cast<int>(step), s.begin, s.end);
        };
        const StepResult result = run.step(data, 0.05);
        const std::scoped_lock lock(mutex);
        CHECK(result.loss == want.losses[step]);
        CHECK(result.gradient_norm == want.norms[step]);
      }
      const std::scoped_lock lock(mutex);
      for (const auto& [name, parameter] : run.parameters()) {
        CAPTURE(name);
        CHECK(test::same_bits(parameter, want.parameters.at(name)));
      }
    });
    ++ran;
    messages += static_cast<int>(trial->program.graph.edges.size());
  }
  CHECK(ran > 12);
  CHECK(messages > ran);
}

TEST_CASE("when a rank fails, all end") {
  EmulatedLinks links(0.1);
  CHECK_THROWS_WITH_AS(run_emulated(3, links,
                                    [&](Transport& transport, EmulatedNccl&) {
                                      if (transport.rank() == 1) {
                                        throw Error(ErrorCode::kIo, "the disk is gone");
                                      }
                                      std::vector<std::byte> bytes(100);
                                      transport.wait(transport.receive(1, 0, bytes));
                                    }),
                       "the disk is gone", Error);
}

TEST_CASE("what was set up is released where setting up fails, or the GPU is lost") {
  std::atomic<int> released = 0;
  const auto run = [&](EmulatedLinks& links, const auto& prepare, const auto& body) {
    run_thread_ranks(2, {}, [&](Transport& start) {
      EmulatedNccl calls(links, start.rank(), "gpu" + std::to_string(start.rank()));
      prepare(calls);
      try {
        run_on_nccl(start, calls, [&](Transport&) { body(calls); });
      } catch (const Error&) {
        if (calls.left_over() == 0) ++released;
        throw;
      }
    });
  };
  EmulatedLinks some;
  CHECK_THROWS_WITH_AS(
      run(
          some, [](EmulatedNccl& calls) { calls.fail_connection(1); }, [](EmulatedNccl&) {}),
      "ncclCommInitRank: no memory", Error);
  CHECK(released == 2);
  EmulatedLinks all;
  CHECK_THROWS_WITH_AS(run(
                           all, [](EmulatedNccl&) {},
                           [](EmulatedNccl& calls) {
                             calls.lose_gpu();
                             throw Error(ErrorCode::kIo, "the disk is gone");
                           }),
                       "the disk is gone", Error);
  CHECK(released == 4);
}

TEST_CASE("when NCCL fails, those that wait are told") {
  EmulatedLinks links;
  std::atomic<int> told = 0;
  CHECK_THROWS_WITH_AS(run_emulated(2, links,
                                    [&](Transport& transport, EmulatedNccl&) {
                                      std::vector<std::byte> bytes(100);
                                      // Only rank 0 receives; no transfer begins at rank 1.
                                      const int other = 1 - transport.rank();
                                      links.break_all();
                                      const int in = transport.receive(other, 0, bytes);
                                      const int out = transport.send(other, 0, bytes);
                                      try {
                                        transport.wait(in);
                                        transport.wait(out);
                                        while (true) {
                                          const int more = transport.receive(other, 0, bytes);
                                          transport.wait(transport.send(other, 0, bytes));
                                          transport.wait(more);
                                        }
                                      } catch (const Error& error) {
                                        ++told;
                                        transport.fail_all(error.what(), 6);
                                        throw;
                                      }
                                    }),
                       "NCCL: unhandled system error", Error);
  CHECK(told == 2);
}

TEST_CASE("lengths that differ, and ranks that share a GPU, are refused") {
  EmulatedLinks links;
  CHECK_THROWS_WITH_AS(run_emulated(2, links,
                                    [](Transport& transport, EmulatedNccl&) {
                                      std::vector<std::byte> bytes(10 + transport.rank());
                                      const int other = 1 - transport.rank();
                                      const int message = transport.rank() == 0
                                                              ? transport.send(other, 0, bytes)
                                                              : transport.receive(other, 0, bytes);
                                      transport.wait(message);
                                    }),
                       doctest::Contains("a message of 10 bytes, where 11 are expected"), Error);
  const auto share = [&](Transport& start) {
    EmulatedNccl calls(links, start.rank(), start.rank() == 1 ? "b" : "a");
    run_on_nccl(start, calls, [](Transport&) {});
  };
  CHECK_THROWS_WITH_AS(run_thread_ranks(3, {}, share),
                       "ranks 0 and 2 have the same GPU, a: NCCL needs one for each rank", Error);
}
