// Options, JSON, random numbers, Ctrl-C and the progress line.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>

#include "base/json.h"
#include "base/options.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/stop.h"
#include "lamina/error.h"

using namespace lamina;

namespace {

struct SampleOptions {
  std::string model;
  std::vector<std::string> input;
  int threads = 2;
  double scale = 0.5;
  bool quiet = false;
  Seconds budget{60.0};

  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("MODEL", self.model, "a model");
    visit("input", self.input, "inputs");
    visit("num_threads", self.threads, "threads");
    visit("scale", self.scale, "a scale");
    visit("quiet", self.quiet, "say nothing");
    visit("budget", self.budget, "time");
  }
};

}  // namespace

TEST_CASE("flags derive from the list of fields") {
  SampleOptions options;
  const std::vector<Flag> all = flags(options);
  REQUIRE(all.size() == 6);
  CHECK(all[0].positional);
  CHECK(all[1].repeated);
  CHECK(all[2].name == "num-threads");
  CHECK(all[2].fallback == "2");
  CHECK(all[4].value_name == "");
  CHECK(all[5].fallback == "60s");
  all[1].set("a");
  all[1].set("b");
  all[2].set("7");
  all[5].set("250ms");
  CHECK(options.input == std::vector<std::string>{"a", "b"});
  CHECK(options.threads == 7);
  CHECK(options.budget.value == doctest::Approx(0.25));
  CHECK_THROWS_WITH_AS(all[2].set("7x"), "expected an integer, got '7x'", Error);
  CHECK_THROWS_AS(all[2].set("99999999999"), Error);
  CHECK_THROWS_AS(all[5].set("-1s"), Error);
}

TEST_CASE("options go to JSON and back") {
  SampleOptions options{"m", {"x"}, 3, 1.5, true, {90.0}};
  const Json json = Json::parse(to_json(options).dump());
  SampleOptions again;
  from_json(again, json);
  CHECK(to_json(again) == to_json(options));
  CHECK(json.at("num_threads").integer() == 3);
  CHECK_THROWS_WITH_AS(from_json(again, Json::parse("{\"speed\": 1}")), "unknown option 'speed'",
                       Error);
  CHECK_THROWS_AS(from_json(again, Json::parse("{\"num_threads\": \"3\"}")), Error);
}

TEST_CASE("JSON keeps order, refuses nonsense and writes no NaN") {
  Json json;
  json["z"] = 1;
  json["a"].push_back("x\n");
  json["a"].push_back(std::numeric_limits<double>::quiet_NaN());
  CHECK(json.dump() == "{\n  \"z\": 1,\n  \"a\": [\n    \"x\\n\",\n    null\n  ]\n}\n");
  CHECK(Json::parse("[1, 2.5, true, null]").array().size() == 4);
  CHECK_THROWS_AS(Json::parse("{"), Error);
  CHECK_THROWS_AS(Json::parse(std::string(100000, '[')), Error);
  CHECK_THROWS_WITH_AS(json.at("q"), "JSON: the key 'q' is missing", Error);
}

TEST_CASE("random numbers repeat, are spread evenly and split") {
  Rng a(1);
  Rng b(1);
  for (int i = 0; i < 100; ++i) CHECK(a.bits() == b.bits());
  CHECK(Rng(1).split(5).bits() == Rng(1).split(5).bits());
  CHECK(Rng(1).split(5).bits() != Rng(1).split(6).bits());
  Rng rng(42);
  double sum = 0.0;
  double squares = 0.0;
  bool in_range = true;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    const std::int64_t k = rng.integer(-3, 3);
    in_range = in_range && k >= -3 && k <= 3;
  }
  CHECK(in_range);
  // Standard errors are 0.007 and 0.01; five of each.
  CHECK(std::fabs(sum / kDraws) < 0.035);
  CHECK(squares / kDraws == doctest::Approx(1.0).epsilon(0.05));
  CHECK(rng.integer(5, 5) == 5);
  CHECK_THROWS_AS(rng.integer(1, 0), Error);
}

// The first value of SplitMix64 with seed 0 (reference implementation by S. Vigna).
TEST_CASE("the generator is SplitMix64") { CHECK(Rng(0).bits() == 0xe220a8397b1dcdafU); }

TEST_CASE("SIGINT requests a stop") {
  Interrupt interrupt;
  CHECK_FALSE(interrupt.requested());
  std::mutex mutex;
  std::condition_variable_any stopped;
  kill(getpid(), SIGINT);
  std::unique_lock lock(mutex);
  // Wakes up when the token is stopped; the time limit only ends a broken test.
  stopped.wait_for(lock, interrupt.token(), std::chrono::seconds(20), [] { return false; });
  CHECK(interrupt.requested());
}

TEST_CASE("the progress line stays in its line and off pipes") {
  CHECK(progress_text("a\nb", 80) == "a b");
  CHECK(progress_text("abcdef", 4) == "abc");
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  {
    ProgressLine line(ends[1]);
    line.show("text");
  }
  close(ends[1]);
  char byte = 0;
  CHECK(read(ends[0], &byte, 1) == 0);
  close(ends[0]);
}
