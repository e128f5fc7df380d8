// Drawing for the second levels.
#include "verify/level_pass.h"

#include <algorithm>
#include <stdexcept>

#include "verify/prime_supply.h"

namespace lamina {
namespace {

constexpr std::uint32_t kMostInputs = 32;
constexpr std::size_t kMostNodes = 512;

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

}  // namespace

LevelDraw::LevelDraw(const LevelSetting& setting, int number)
    : seed_(SecretRandom::system_seed()), random_(seed_) {
  const PrimeSupply::Set* shared =
      setting.options.primes ? &setting.options.primes->get(setting.profile, number) : nullptr;
  for (std::size_t i = 0; i < kLanes; ++i) {
    primes_[i] = shared != nullptr ? shared->pairs[i] : draw_pair(setting.profile, random_);
    if (shared != nullptr) candidates_[i] = shared->candidates[i];
  }
  residues_ = std::make_unique<ResidueField>(primes_, next_word, &random_);
}

bool LevelDraw::count_primes(const PrimeProfile& profile) {
  bool enough = true;
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (candidates_[i] == 0) candidates_[i] = count_candidates(profile, primes_[i]);
    enough = enough && candidates_[i] >= profile.least_candidates;
  }
  return enough;
}

void LevelDraw::add_tuples(int number, const Sizes& sizes, std::vector<FieldTuple>& tuples) const {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const PrimePair& pair = primes_[i];
    tuples.push_back({pair.p, pair.q, pair.omega, pair.root_p, pair.root_q, candidates_[i], number,
                      to_hex(seed_), sizes});
  }
}

std::uint32_t count_elements(const std::vector<InputPlan>& plans) {
  std::int64_t elements = 0;
  for (const InputPlan& plan : plans) elements += element_count(plan.shape);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(elements, kMostInputs + 1));
}

std::optional<LevelResult> compare_small(
    const Graph& a, const Graph& b, const LevelSetting& setting,
    const std::function<std::optional<LevelResult>()>& compare) {
  const bool real = std::all_of(setting.plans.begin(), setting.plans.end(),
                                [](const InputPlan& plan) { return plan.real; });
  const std::size_t nodes = a.nodes.size() + b.nodes.size();
  if (!real || count_elements(setting.plans) > kMostInputs || nodes > kMostNodes) {
    return std::nullopt;
  }
  try {
    return compare();
  } catch (const std::length_error&) {  // more values than are kept
    return std::nullopt;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return std::nullopt;
  }
}

}  // namespace lamina
