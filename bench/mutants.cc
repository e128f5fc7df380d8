// Wrong mutants of many graphs: the identity tester has to accept none.
//
//   mutants [N [SEED [OUT.json [THREADS]]]]
//   mutants long COUNT [SEED [OUT.json]]
//
// N mutants of N / 100 graphs, one fault each (src/graph/mutation.h), all texts of one graph
// different; `long`: COUNT mutants of each of the six programs and of a fused form of each, with
// axes of thousands of elements. The mutants of a graph are made before their shared primes are
// drawn. What is accepted to 80 bits is evaluated by interval arithmetic at harsh real points:
// where two enclosures are disjoint, a wrong program was accepted. Exit status 1 if there is one.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "graph/mutation.h"
#include "lamina/device.h"
#include "lamina/verify.h"
#include "mutant_bases.h"
#include "verify/harsh_points.h"

namespace {

using namespace lamina;
using namespace lamina::bench;

constexpr std::size_t kPrograms = 6;  // of examples/programs, the first families
constexpr std::size_t kMutantsEach = 100;
constexpr std::size_t kAttempts = 4;  // for each mutant: many faults have no place, or come twice

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Trial {
  const Mutation* mutation;
  Mutant mutant;
};

// Different texts, the faults in turn.
std::vector<Trial> make_trials(const Graph& graph, std::size_t count, Rng& rng) {
  std::vector<Trial> trials;
  std::set<std::string> texts;
  for (std::size_t i = 0; i < kAttempts * count && trials.size() < count; ++i) {
    const Mutation& mutation = all_mutations()[i % all_mutations().size()];
    std::optional<Mutant> mutant = mutate(graph, mutation, rng);
    if (!mutant || !texts.insert(print_graph(mutant->graph)).second) continue;
    trials.push_back({&mutation, std::move(*mutant)});
  }
  return trials;
}

// The mutants of one fault.
struct Row {
  std::int64_t made = 0;
  std::int64_t witnessed = 0;  // different, by real numbers
  std::int64_t in_field = 0;   // different, by the fields alone
  std::int64_t close = 0;      // of both: of the size of rounding
  std::int64_t equal = 0;      // accepted, and enclosed tightly by overlapping intervals
  std::int64_t loose = 0;      // accepted, and enclosed by wide or unbounded ones only
  std::int64_t wrong = 0;      // accepted, and apart
  std::int64_t open = 0;
  std::int64_t not_evaluated = 0;  // a program that cannot run, or an operator without a meaning

  void add(const Row& other) {
    for (const auto member : {&Row::made, &Row::witnessed, &Row::in_field, &Row::close, &Row::equal,
                              &Row::loose, &Row::wrong, &Row::open, &Row::not_evaluated}) {
      this->*member += other.*member;
    }
  }
};

struct Results {
  std::map<std::string, Row> rows;                                // by fault
  std::map<std::string, std::map<std::string, std::int64_t>> at;  // accepted: fault, base and place
  std::map<std::string, std::int64_t> reasons;                    // of what stayed open
  std::map<std::string, std::size_t> bases;
  std::set<std::size_t> pairs;  // hashes of graph and mutant
  Json::Array wrong;
  double least_bits = 1e3;
  double seconds = 0.0;  // in verify()
  std::size_t graphs = 0;
  double slowest_s = 0.0;
  std::string slowest;

  void note_time(double seconds_taken, const std::string& what) {
    if (seconds_taken <= slowest_s) return;
    slowest_s = seconds_taken;
    slowest = what;
  }

  void add(const Results& other) {
    for (const auto& [name, row] : other.rows) rows[name].add(row);
    for (const auto& [name, places] : other.at) {
      for (const auto& [place, count] : places) at[name][place] += count;
    }
    for (const auto& [reason, count] : other.reasons) reasons[reason] += count;
    for (const auto& [base, count] : other.bases) bases[base] += count;
    pairs.insert(other.pairs.begin(), other.pairs.end());
    wrong.insert(wrong.end(), other.wrong.begin(), other.wrong.end());
    least_bits = std::min(least_bits, other.least_bits);
    seconds += other.seconds;
    graphs += other.graphs;
    note_time(other.slowest_s, other.slowest);
  }
};

// A reason without its names and numbers.
std::string kind_of(const std::string& reason) {
  std::string kind;
  bool quoted = false;
  for (const char c : reason) {
    if (c == '\'') quoted = !quoted;
    if (quoted || c == '\'' || c == '.' || c == '-') continue;
    const bool digit = c >= '0' && c <= '9';
    if (!digit) {
      kind += c;
    } else if (kind.empty() || kind.back() != '#') {
      kind += '#';
    }
  }
  return kind;
}

class Bench {
 public:
  explicit Bench(int harsh_points) : harsh_points_(harsh_points) {}

  Results try_base(const Base& base, std::size_t count, Rng& rng) const {
    Results results;
    const std::vector<Trial> trials = make_trials(base.graph, count, rng);
    results.graphs = 1;
    results.bases[base.name] = 1;
    const VerifyOptions options{.primes = share_primes(), .shrink_witness = false};
    const std::string text = print_graph(base.graph);
    for (const Trial& trial : trials) {
      results.pairs.insert(std::hash<std::string>()(text + print_graph(trial.mutant.graph)));
      judge(base, trial, options, results);
    }
    return results;
  }

 private:
  void judge(const Base& base, const Trial& trial, const VerifyOptions& options,
             Results& results) const {
    Row& row = results.rows[std::string(trial.mutation->name)];
    ++row.made;
    Verdict verdict;
    const double start = now_s();
    try {
      verdict = verify(base.graph, trial.mutant.graph, options);
    } catch (const Error& error) {
      ++row.not_evaluated;
      ++results.reasons[kind_of(std::string("error: ") + error.what())];
      return;
    }
    const double seconds = now_s() - start;
    results.seconds += seconds;
    results.note_time(
        seconds, fmt::format("{}, {} at {}", base.name, trial.mutation->name, trial.mutant.place));
    switch (verdict.outcome) {
      case Outcome::kDifferent:
        ++(verdict.witness ? row.witnessed : row.in_field);
        row.close += verdict.close ? 1 : 0;
        break;
      case Outcome::kEquivalent:
        results.least_bits =
            std::min(results.least_bits, verdict.bits.value_or(results.least_bits));
        accepted(base, trial, row, results);
        break;
      case Outcome::kInconclusive:
        ++row.open;
        ++results.reasons[kind_of(verdict.reason)];
        break;
      case Outcome::kUnsupported:
        ++row.not_evaluated;
        ++results.reasons[kind_of("unsupported: " + verdict.reason)];
    }
  }

  void accepted(const Base& base, const Trial& trial, Row& row, Results& results) const {
    const verify_test::Enclosures seen =
        verify_test::enclose_at_harsh_points(base.graph, trial.mutant.graph, harsh_points_);
    if (seen.gap > 0.0) {
      ++row.wrong;
      Json entry;
      entry["fault"] = trial.mutation->name;
      entry["base"] = print_graph(base.graph);
      entry["mutant"] = print_graph(trial.mutant.graph);
      entry["gap"] = seen.gap;
      results.wrong.push_back(std::move(entry));
      return;
    }
    ++(seen.distance <= 1e-6 ? row.equal : row.loose);
    ++results.at[std::string(trial.mutation->name)][base.name + ": " + trial.mutant.place];
  }

  int harsh_points_;
};

Json to_json(const Row& row) {
  Json json;
  json["mutants"] = row.made;
  json["witnessed"] = row.witnessed;
  json["in_field"] = row.in_field;
  json["close"] = row.close;
  json["equal"] = row.equal;
  json["loose"] = row.loose;
  json["wrong"] = row.wrong;
  json["open"] = row.open;
  json["not_evaluated"] = row.not_evaluated;
  return json;
}

template <class Count>
Json to_json(const std::map<std::string, Count>& counts) {
  Json json = Json::Object{};
  for (const auto& [name, count] : counts) json[name] = static_cast<std::int64_t>(count);
  return json;
}

Json to_json(const Results& results) {
  Json json;
  json["version"] = 1;
  json["machine"] = find_device("cpu").description();
  json["graphs"] = static_cast<std::int64_t>(results.graphs);
  json["different_pairs"] = static_cast<std::int64_t>(results.pairs.size());
  json["seconds"] = results.seconds;
  json["slowest_s"] = results.slowest_s;
  json["slowest"] = results.slowest;
  json["least_bits"] = results.least_bits;
  for (const auto& [name, row] : results.rows) json["faults"][name] = to_json(row);
  json["open"] = to_json(results.reasons);
  json["bases"] = to_json(results.bases);
  json["accepted"] = Json::Object{};
  for (const auto& [name, places] : results.at) json["accepted"][name] = to_json(places);
  json["wrong"] = results.wrong;
  return json;
}

void print_row(const std::string& name, const Row& row) {
  fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", name, row.made, row.witnessed,
             row.in_field, row.close, row.equal, row.loose, row.open, row.not_evaluated, row.wrong);
}

// 1 if something wrong was accepted.
int report(const Results& results, const char* path) {
  fmt::print(
      "| fault | mutants | different, a witness | different, in a field | of these close | equal, "
      "enclosed | equal, loosely enclosed | open | not evaluated | wrongly accepted |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  Row all;
  for (const auto& [name, row] : results.rows) {
    print_row(name, row);
    all.add(row);
  }
  print_row("all", all);
  fmt::print(
      "{} graphs, {} different pairs, {:.0f} s in verify, slowest {:.2f} s ({}), {:.1f} bits\n",
      results.graphs, results.pairs.size(), results.seconds, results.slowest_s, results.slowest,
      results.least_bits);
  for (const auto& [reason, count] : results.reasons) fmt::print("{:7} {}\n", count, reason);
  if (path != nullptr) write_file_atomically(path, to_json(results).dump());
  return all.wrong > 0 ? 1 : 0;
}

Results small_bases(std::size_t mutants, std::uint64_t seed, int threads) {
  constexpr int kHarshPoints = 27;
  const Bench bench(kHarshPoints);
  const std::size_t bases = (mutants + kMutantsEach - 1) / kMutantsEach;
  Results results;
  std::mutex lock;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < bases; i = next++) {
      Rng rng = Rng(seed).split(bases + i);
      const Results found = bench.try_base(make_base(i, seed), kMutantsEach, rng);
      const std::lock_guard<std::mutex> guard(lock);
      results.add(found);
      if (results.graphs % 50 == 0) {
        fmt::print(stderr, "{} of {} graphs, {} wrongly accepted\n", results.graphs, bases,
                   results.wrong.size());
      }
    }
  };
  std::vector<std::jthread> workers;
  for (int i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  workers.clear();
  return results;
}

Results long_programs(std::size_t mutants, std::uint64_t seed) {
  constexpr int kHarshPoints = 9;
  const Bench bench(kHarshPoints);
  Results results;
  for (std::size_t i = 0; i < 2 * kPrograms; ++i) {
    Rng rng = Rng(seed).split(i);
    const Base base = make_long_base(i / 2, i % 2 == 1, rng);
    results.add(bench.try_base(base, mutants, rng));
    fmt::print(stderr, "{}: {:.0f} s, slowest {:.2f} s\n", base.name, results.seconds,
               results.slowest_s);
  }
  return results;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const bool long_axes = !words.empty() && words[0] == "long";
    const std::size_t first = long_axes ? 1 : 0;
    const auto number = [&](std::size_t i, std::uint64_t fallback) {
      return words.size() > i ? std::strtoull(words[i].c_str(), nullptr, 10) : fallback;
    };
    const std::uint64_t count = number(first, long_axes ? 10 : 2000);
    const std::uint64_t seed = number(first + 1, 2026);
    const char* path = words.size() > first + 2 ? words[first + 2].c_str() : nullptr;
    const int threads = static_cast<int>(number(first + 3, 1));
    return report(long_axes ? long_programs(count, seed) : small_bases(count, seed, threads), path);
  } catch (const std::exception& error) {
    fmt::print(stderr, "mutants: error: {}\n", error.what());
    return 1;
  }
}
