// How many scalar identities a second one batch proves to 80 bits, on one core.
//
//   identity_batch [COUNT [OUT.json]]
//
// The true identities of tests/identities that can be proved, in turn until there are COUNT of
// them. Nothing is remembered from one identity to the next but the points of the inputs, so a
// repeated one costs what another of its size does. Times are of the processor: first one pass of
// both sides alone, then the whole check, which takes a bound and one or two passes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "lamina/device.h"
#include "lamina/identity.h"

namespace {

using namespace lamina;

constexpr int kRounds = 5;

double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

// The best of several rounds; machines are shared.
template <class Work>
double seconds_of(Work work) {
  double best = 0.0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = processor_seconds();
    work();
    const double seconds = processor_seconds() - start;
    best = round == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

struct Batch {
  std::string name;
  std::vector<Identity> identities;
  std::size_t different = 0;
};

// Those of the file that are accepted, all together and by group.
std::vector<Batch> read_batches(std::size_t count) {
  const std::string file = "tests/identities/true.txt";
  const std::vector<Identity> all = parse_identities(read_file(file), file);
  const std::vector<BatchVerdict> verdicts = verify_identities(all);
  std::vector<Batch> batches = {{"without graphs", {}, 0}, {"all that are proved", {}, 0}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (verdicts[i].outcome != Outcome::kEquivalent) continue;
    batches[1].identities.push_back(all[i]);
    if (verdicts[i].whole) continue;
    batches[0].identities.push_back(all[i]);
    if (batches.back().name != all[i].group) batches.push_back({all[i].group, {}, 0});
    batches.back().identities.push_back(all[i]);
  }
  for (Batch& batch : batches) {
    batch.different = batch.identities.size();
    const std::size_t size = batch.name == "without graphs" ? count : count / 10;
    batch.identities.reserve(size);
    for (std::size_t i = batch.different; i < size; ++i) {
      batch.identities.push_back(batch.identities[i - batch.different]);
    }
  }
  return batches;
}

struct Row {
  std::string name;
  std::size_t different = 0;
  std::size_t identities = 0;
  double evaluated = 0.0;  // a second
  double proved = 0.0;     // a second
  double least_bits = 0.0;
  bool all_proved = false;
};

Row measure(const Batch& batch) {
  // Primes are drawn and counted once for a batch, whatever its size, and timed apart.
  const VerifyOptions proving{.primes = share_primes()};
  const VerifyOptions evaluating{.bits = 0.0, .primes = proving.primes};
  std::vector<BatchVerdict> verdicts = verify_identities(batch.identities, proving);
  Row row{batch.name, batch.different, batch.identities.size(), 0.0, 0.0, 1e3, true};
  for (const BatchVerdict& verdict : verdicts) {
    row.all_proved = row.all_proved && verdict.outcome == Outcome::kEquivalent;
    row.least_bits = std::min(row.least_bits, verdict.bits.value_or(0.0));
  }
  const auto rate = [&](const VerifyOptions& options) {
    const double seconds =
        seconds_of([&] { verdicts = verify_identities(batch.identities, options); });
    return static_cast<double>(row.identities) / seconds;
  };
  row.evaluated = rate(evaluating);
  row.proved = rate(proving);
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
  if (count < 1000) {
    fmt::print(stderr, "identity_batch: a batch has at least 1000 identities\n");
    return 2;
  }
  const double start = processor_seconds();
  share_primes();
  verify_identities(parse_identities("exp(x)*sin(x) = sin(x)*exp(x)", "text"));
  fmt::print("primes of two passes with angles, drawn and counted: {:.3f} s\n",
             processor_seconds() - start);
  Json report;
  report["machine"] = find_device("cpu").description();
  report["batches"] = Json::Array{};
  bool proved = true;
  fmt::print(
      "| identities | different | in the batch | evaluated a second | proved a second | bits at "
      "least |\n"
      "|---|---|---|---|---|---|\n");
  for (const Batch& batch : read_batches(count)) {
    const Row row = measure(batch);
    fmt::print("| {} | {} | {} | {:.0f} | {:.0f} | {:.1f} |\n", row.name, row.different,
               row.identities, row.evaluated, row.proved, row.least_bits);
    Json entry;
    entry["name"] = row.name;
    entry["different"] = static_cast<std::int64_t>(row.different);
    entry["identities"] = static_cast<std::int64_t>(row.identities);
    entry["evaluated_per_second"] = row.evaluated;
    entry["proved_per_second"] = row.proved;
    entry["least_bits"] = row.least_bits;
    report["batches"].push_back(std::move(entry));
    proved = proved && row.all_proved;
  }
  if (argc > 2) write_file_atomically(argv[2], report.dump());
  return proved ? 0 : 1;
}
