// Searching a real witness with interval arithmetic.
#include "verify/witness.h"

#include <algorithm>

#include "verify/evaluate.h"
#include "verify/witness_shrink.h"

namespace lamina {
namespace {

constexpr int kAttempts = 16;  // to draw a point at which equality is claimed
// Smaller gaps are not trusted: after cancellation they would rest on the last places of library
// functions.
constexpr double kFaintly = 1e-10;

Witness make_witness(const GraphPair& pair, const RealPoint& point, const PointResult& result) {
  Witness witness;
  for (const Input& input : pair.a.inputs) {
    witness.input_names.push_back(pair.a.nodes[static_cast<std::size_t>(input.node)].name);
  }
  witness.inputs = to_tensors(point);
  witness.output = value_names(pair.a)[result.value];
  witness.element = result.element;
  witness.a = result.a;
  witness.b = result.b;
  return witness;
}

std::optional<RealPoint> draw_claimed(const GraphPair& pair, int distribution,
                                      SecretRandom& random) {
  for (int i = 0; i < kAttempts; ++i) {
    RealPoint point = draw_reals(pair.plans, distribution, random);
    if (is_claimed(pair, point)) return point;
  }
  return std::nullopt;
}

}  // namespace

WitnessSearch witness_at(const GraphPair& pair, const RealPoint& point) {
  WitnessSearch search;
  if (!is_claimed(pair, point)) return search;
  try {
    PointResult result = compare_at(pair, point);
    search.points = 1;
    search.unbounded = result.unbounded > 0 || result.compared == 0 ? 1 : 0;
    search.most_distance = result.most_distance;
    if (result.gap <= kFaintly) return search;
    RealPoint shrunk = point;
    if (pair.options.shrink_witness) shrink_witness(pair, shrunk, result);
    search.most_distance = std::max(search.most_distance, result.most_distance);
    search.witness = make_witness(pair, shrunk, result);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    search.failure = error.what();
  }
  return search;
}

WitnessSearch find_witness(const GraphPair& pair, const std::vector<int>& distributions) {
  WitnessSearch search;
  SecretRandom random(SecretRandom::system_seed());
  RealPoint best_point;
  PointResult best;
  for (const int distribution : distributions) {
    const auto point = draw_claimed(pair, distribution, random);
    if (!point) continue;
    try {
      PointResult result = compare_at(pair, *point);
      if (search.one_sided.empty()) search.one_sided = result.one_sided;
      ++search.points;
      if (result.unbounded > 0 || result.compared == 0) ++search.unbounded;
      search.most_distance = std::max(search.most_distance, result.most_distance);
      if (result.gap <= best.gap) continue;
      best_point = *point;
      best = std::move(result);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      search.failure = error.what();
    }
    if (best.gap > kClearly && best.least_distance > kClose) break;
  }
  if (best.gap <= kFaintly) return search;
  if (pair.options.shrink_witness) shrink_witness(pair, best_point, best);
  search.most_distance = std::max(search.most_distance, best.most_distance);
  search.witness = make_witness(pair, best_point, best);
  return search;
}

}  // namespace lamina
