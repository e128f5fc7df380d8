// Reading reports, which anybody may have written.
#include "verify/replay_report.h"

#include <charconv>

#include "base/check.h"
#include "base/json.h"

namespace lamina {
namespace {

std::uint64_t natural(const Json& object, std::string_view key) {
  const std::int64_t value = object.at(key).integer();
  require(value >= 0, "report: '{}' is {}", key, value);
  return static_cast<std::uint64_t>(value);
}

SecretRandom::Seed parse_seed(const std::string& text) {
  SecretRandom::Seed seed{};
  require(text.size() == 8 * seed.size(), "report: a seed has {} hexadecimal digits, not {}",
          8 * seed.size(), text.size());
  for (std::size_t i = 0; i < seed.size(); ++i) {
    const char* first = text.data() + 8 * i;
    const auto [end, error] = std::from_chars(first, first + 8, seed[i], 16);
    require(error == std::errc() && end == first + 8, "report: '{}' is no seed", text);
  }
  return seed;
}

FieldTuple read_tuple(const Json& json) {
  FieldTuple tuple;
  tuple.p = natural(json, "p");
  tuple.q = natural(json, "q");
  tuple.omega = natural(json, "omega");
  tuple.root_p = natural(json, "root_p");
  tuple.root_q = natural(json, "root_q");
  tuple.candidates = static_cast<std::int64_t>(natural(json, "candidates"));
  tuple.seed = json.at("seed").text();
  for (const auto& [name, size] : json.at("sizes").object()) tuple.sizes[name] = size.integer();
  return tuple;
}

// Pass `number`, counted from 1.
ReportedPass read_pass(const Json& report, std::size_t number) {
  ReportedPass pass;
  const Json& digests = report.at("passes").array()[number - 1];
  pass.digest = {digests.at("digest_a").text(), digests.at("digest_b").text()};
  const auto tagged = [&](const Json& json) {
    require(natural(json, "pass") == number, "report: pass {} is out of order", number);
  };
  tagged(digests);
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Json& tuple = report.at("tuples").array()[(number - 1) * kLanes + i];
    tagged(tuple);
    pass.tuples[i] = read_tuple(tuple);
    require(pass.tuples[i].seed == pass.tuples[0].seed && pass.tuples[i].sizes == pass.sizes(),
            "report: the tuples of pass {} have different seeds or sizes", number);
  }
  pass.seed = parse_seed(pass.tuples[0].seed);
  return pass;
}

}  // namespace

ReportedCheck read_report(std::string_view text) {
  const Json report = Json::parse(text);
  require(report.at("version").integer() == 2, "report: expected version 2, got {}",
          report.at("version").integer());
  ReportedCheck check;
  check.verdict = report.at("verdict").text();
  check.bounded = !report.at("bits").is_null();
  check.witness = !report.at("witness").is_null();
  check.by_cells =
      check.verdict == to_string(Outcome::kEquivalent) && report.at("cells").integer() > 0;
  check.shrunk = report.at("shrunk").flag();
  check.compared = report.at("compared").integer();
  check.uncompared = report.at("uncompared").integer();
  for (const auto& [function, count] : report.at("abstracted").object()) {
    check.abstracted[function] = count.integer();
  }
  const std::string level = report.at("level").text();
  if (!level.empty()) {
    fail(ErrorCode::kUnsupported,
         "report: the values agree {}; only evaluations with free variables can be replayed",
         level);
  }
  const std::size_t passes = report.at("passes").array().size();
  const std::size_t tuples = report.at("tuples").array().size();
  require(passes > 0, "report: it has no passes");
  require(tuples == kLanes * passes, "report: {} passes have {} tuples, not {}", passes,
          kLanes * passes, tuples);
  for (std::size_t k = 1; k <= passes; ++k) check.passes.push_back(read_pass(report, k));
  return check;
}

}  // namespace lamina
