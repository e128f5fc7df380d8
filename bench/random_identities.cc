// Random true identities: none may be rejected. And what one change makes of them: what certainly
// differs may not be accepted.
//
//   random_identities [COUNT [SEED [OUT.json]]]
//
// COUNT identities, the same number of each family (src/verify/random_axioms.h): a random
// expression and what 1 to 20 random axioms make of it. Of every 20th a twin is made by one change;
// interval arithmetic at real points says which twins certainly differ. Exit status 1 when an
// identity was rejected or a twin that certainly differs was accepted.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "lamina/device.h"
#include "verify/random_axioms.h"

namespace {

using namespace lamina;
using verify_test::Family;
using verify_test::TermPair;
using verify_test::TermSource;

constexpr std::size_t kBatch = 10000;
constexpr std::size_t kTwinEvery = 20;
constexpr std::size_t kShown = 3;  // open identities of each family and kind

double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

struct Row {
  std::size_t identities = 0;
  std::size_t quick = 0;     // accepted without graphs
  std::size_t by_graph = 0;  // accepted otherwise
  std::map<std::string, std::size_t> open;
  std::size_t rejected = 0;
  std::size_t nodes = 0;
  double seconds = 0.0;  // of checking
  double least_bits = 1e3;
};

struct Twins {
  std::size_t made = 0;
  std::size_t differ = 0;    // certainly
  std::size_t rejected = 0;  // of these
  std::size_t open = 0;
  std::size_t accepted = 0;
  std::size_t others_rejected = 0;  // of those that no point tells apart
  std::size_t others_accepted = 0;
  double seconds = 0.0;
};

std::vector<Identity> to_identities(const std::vector<TermPair>& pairs) {
  std::vector<Identity> identities;
  identities.reserve(pairs.size());
  for (const TermPair& pair : pairs) {
    identities.push_back(verify_test::to_identity(pair.left, pair.right));
  }
  return identities;
}

// Reasons without their numbers.
std::string kind_of(const std::string& reason) {
  if (reason.find("proves") != std::string::npos) return "too few bits";
  if (reason.find("at a real point") != std::string::npos) return "one side defined";
  if (reason.find("undefined in every pass") != std::string::npos) return "undefined";
  return "mismatch outside the fragment";
}

class Run {
 public:
  Run(const Family& family, std::uint64_t seed) : family_(family), rng_(seed) {}

  void add(std::size_t count) {
    TermSource source(family_, rng_);
    std::vector<TermPair> pairs, twins;
    std::vector<bool> differ;
    for (std::size_t i = 0; i < count; ++i) {
      pairs.push_back(source.identity());
      if (i % kTwinEvery != 0) continue;
      TermPair twin = pairs.back();
      if (!source.spoil(twin.right)) continue;
      differ.push_back(verify_test::certainly_different(twin.left, twin.right, rng_));
      twins.push_back(std::move(twin));
    }
    check_true(pairs);
    check_twins(twins, differ);
  }

  const Row& row() const { return row_; }
  const Twins& twins() const { return twins_; }

 private:
  void check_true(const std::vector<TermPair>& pairs) {
    const std::vector<Identity> identities = to_identities(pairs);
    const double start = processor_seconds();
    const std::vector<BatchVerdict> verdicts = verify_identities(identities);
    row_.seconds += processor_seconds() - start;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const BatchVerdict& verdict = verdicts[i];
      row_.nodes += identities[i].left.nodes.size() + identities[i].right.nodes.size();
      ++row_.identities;
      if (verdict.outcome == Outcome::kEquivalent) {
        ++(verdict.whole ? row_.by_graph : row_.quick);
        row_.least_bits = std::min(row_.least_bits, verdict.bits.value_or(0.0));
        continue;
      }
      const std::string& reason = verdict.whole->reason;
      const bool rejected = verdict.outcome != Outcome::kInconclusive;
      if (rejected) {
        ++row_.rejected;
      } else {
        ++row_.open[kind_of(reason)];
      }
      if (rejected || row_.open[kind_of(reason)] <= kShown) {
        fmt::print(stderr, "{} {}: {}\n  {}\n", to_string(verdict.outcome), family_.name,
                   to_text(pairs[i]), reason);
      }
    }
  }

  void check_twins(const std::vector<TermPair>& pairs, const std::vector<bool>& differ) {
    const double start = processor_seconds();
    const std::vector<BatchVerdict> verdicts = verify_identities(to_identities(pairs));
    twins_.seconds += processor_seconds() - start;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Outcome outcome = verdicts[i].outcome;
      ++twins_.made;
      if (!differ[i]) {
        twins_.others_rejected += outcome == Outcome::kDifferent ? 1 : 0;
        twins_.others_accepted += outcome == Outcome::kEquivalent ? 1 : 0;
        continue;
      }
      ++twins_.differ;
      ++(outcome == Outcome::kDifferent    ? twins_.rejected
         : outcome == Outcome::kEquivalent ? twins_.accepted
                                           : twins_.open);
      if (outcome == Outcome::kEquivalent) {
        fmt::print(stderr, "accepted {}: {}\n", family_.name, to_text(pairs[i]));
      }
    }
  }

  const Family& family_;
  Rng rng_;
  Row row_;
  Twins twins_;
};

Json row_report(const std::string& name, const Row& row, const Twins& twins) {
  const auto number = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  Json entry;
  entry["family"] = name;
  entry["identities"] = number(row.identities);
  entry["accepted_quickly"] = number(row.quick);
  entry["accepted_by_graph"] = number(row.by_graph);
  for (const auto& [reason, count] : row.open) entry["open"][reason] = number(count);
  entry["rejected"] = number(row.rejected);
  entry["nodes"] = number(row.nodes);
  entry["seconds"] = row.seconds;
  entry["least_bits"] = row.least_bits;
  entry["twins"] = number(twins.made);
  entry["twins_differ"] = number(twins.differ);
  entry["twins_rejected"] = number(twins.rejected);
  entry["twins_open"] = number(twins.open);
  entry["twins_accepted"] = number(twins.accepted);
  entry["other_twins_rejected"] = number(twins.others_rejected);
  entry["other_twins_accepted"] = number(twins.others_accepted);
  entry["twin_seconds"] = twins.seconds;
  return entry;
}

void print_row(const std::string& name, const Row& row, const Twins& twins) {
  std::size_t open = 0;
  for (const auto& [reason, count] : row.open) open += count;
  const auto n = static_cast<double>(row.identities);
  fmt::print("| {} | {} | {:.0f} | {} | {} | {} | {} | {:.0f} | {:.1f} | {} | {} / {} / {} |\n",
             name, row.identities, static_cast<double>(row.nodes) / n, row.quick, row.by_graph,
             open, row.rejected, n / row.seconds, row.least_bits, twins.differ, twins.rejected,
             twins.open, twins.accepted);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 60000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 2026;
  const std::vector<Family> families = verify_test::all_families();
  Json report;
  report["machine"] = find_device("cpu").description();
  report["seed"] = static_cast<std::int64_t>(seed);
  report["families"] = Json::Array{};
  fmt::print(
      "seed {}\n| family | identities | operators each | accepted quickly | by graphs | open | "
      "rejected | a second | bits at least | wrong twins | rejected / open / accepted |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n",
      seed);
  bool good = true;
  for (std::size_t f = 0; f < families.size(); ++f) {
    Run run(families[f], seed + f);
    const std::size_t share = count / families.size() + (f < count % families.size() ? 1 : 0);
    for (std::size_t done = 0; done < share; done += std::min(kBatch, share - done)) {
      run.add(std::min(kBatch, share - done));
    }
    print_row(families[f].name, run.row(), run.twins());
    std::fflush(stdout);
    report["families"].push_back(row_report(families[f].name, run.row(), run.twins()));
    good = good && run.row().rejected == 0 && run.twins().accepted == 0;
  }
  if (argc > 3) write_file_atomically(argv[3], report.dump());
  return good ? 0 : 1;
}
