// Arithmetic of residues in four lanes, exponentials, and the keys of maxima.
#include "num/residue_field.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace lamina {
namespace {

using Slot = Formal::Slot;
using Word = std::uint64_t;

constexpr std::size_t kDigits = 256;
constexpr std::size_t kPositions = 4;  // digits of an exponent below 2^32
constexpr std::size_t kFewParts = 8;   // of a maximum, that are kept one by one
constexpr std::int64_t kSmallInteger = std::int64_t{1} << 31;

}  // namespace

ResidueField::ResidueField(const std::array<PrimePair, kLanes>& pairs,
                           std::uint64_t (*next_random)(void*), void* random_state)
    : pairs_(pairs), next_random_(next_random), random_state_(random_state) {
  std::vector<Word> powers;
  powers.reserve(kLanes * kPositions * kDigits);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    p_[lane] = Modulus(pairs[lane].p);
    q_[lane] = Modulus(pairs[lane].q);
    Word base = pairs[lane].omega;
    for (std::size_t position = 0; position < kPositions; ++position) {
      Word power = 1;
      for (std::size_t digit = 0; digit < kDigits; ++digit) {
        powers.push_back(power);
        power = p_[lane].multiply(power, base);
      }
      base = power;
    }
  }
  powers_ = std::make_shared<const std::vector<Word>>(std::move(powers));
}

ResidueField::ResidueField(const ResidueField& primes, std::uint64_t (*next_random)(void*),
                           void* random_state)
    : pairs_(primes.pairs_),
      p_(primes.p_),
      q_(primes.q_),
      next_random_(next_random),
      random_state_(random_state),
      powers_(primes.powers_) {}

Formal ResidueField::blank(Slot slot) const {
  Formal x;
  x.algebra = this;
  x.slot = slot;
  return x;
}

std::uint64_t ResidueField::uniform(std::uint64_t bound) const {
  const Word mask = ~Word(0) >> std::countl_zero(bound);
  Word word = next_random_(random_state_) & mask;
  while (word >= bound) word = next_random_(random_state_) & mask;
  return word;
}

Formal ResidueField::random() const {
  Formal x = blank(Slot::kKnown);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = uniform(p_[i].value());
    x.q[i] = static_cast<std::uint32_t>(uniform(q_[i].value()));
  }
  return x;
}

Formal ResidueField::add(const Formal& a, const Formal& b) const {
  Formal x = blank(std::max(a.slot, b.slot));
  for (std::size_t i = 0; i < kLanes; ++i) x.p[i] = p_[i].add(a.p[i], b.p[i]);
  if (!x.has_q()) return x;
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.q[i] = static_cast<std::uint32_t>(q_[i].add(a.q[i], b.q[i]));
  }
  return x;
}

Formal ResidueField::negate(const Formal& a) const {
  Formal x = blank(a.slot);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = p_[i].negate(a.p[i]);
    x.q[i] = static_cast<std::uint32_t>(q_[i].negate(a.q[i]));
  }
  return x;
}

Formal ResidueField::multiply(const Formal& a, const Formal& b) const {
  Formal x = blank(std::max(a.slot, b.slot));
  for (std::size_t i = 0; i < kLanes; ++i) x.p[i] = p_[i].multiply(a.p[i], b.p[i]);
  if (!x.has_q()) return x;
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.q[i] = static_cast<std::uint32_t>(q_[i].multiply(a.q[i], b.q[i]));
  }
  return x;
}

// A zero divisor in any lane poisons the value in all: with primes of 50 bits that is rare, and a
// value is compared in all lanes or in none. One among the exponents alone costs their slot.
Formal ResidueField::divide(const Formal& a, const Formal& b) const {
  Slot slot = std::max(a.slot, b.slot);
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (b.p[i] == 0) return poison();
    if (slot == Slot::kKnown && b.q[i] == 0) slot = Slot::kVoid;
  }
  Formal x = blank(slot);
  // Whole rows are divided by one value.
  if (divisor_ != b.p) {
    for (std::size_t i = 0; i < kLanes; ++i) reciprocal_[i] = p_[i].inverse(b.p[i]);
    divisor_ = b.p;
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = p_[i].multiply(a.p[i], reciprocal_[i]);
    if (slot != Slot::kKnown) continue;
    x.q[i] = static_cast<std::uint32_t>(q_[i].multiply(a.q[i], q_[i].inverse(b.q[i])));
  }
  return x;
}

Formal ResidueField::integer(std::int64_t value) const {
  Formal x = blank(Slot::kKnown);
  for (std::size_t i = 0; i < kLanes; ++i) {
    x.p[i] = p_[i].of(value);
    x.q[i] = static_cast<std::uint32_t>(q_[i].of(value));
  }
  x.constant = true;
  x.bit = value == 0 || value == 1;
  return x;
}

std::uint64_t ResidueField::power_of_omega(int lane, std::uint64_t exponent) const {
  const auto i = static_cast<std::size_t>(lane);
  const Word* row = powers_->data() + i * kPositions * kDigits;
  Word result = row[exponent % kDigits];
  for (std::size_t position = 1; position < kPositions; ++position) {
    exponent /= kDigits;
    result = p_[i].multiply(result, row[position * kDigits + exponent % kDigits]);
  }
  return result;
}

Formal ResidueField::exponential(const Formal& x, bool turned) const {
  Formal result = blank(Slot::kAbsent);
  // Turned, a free variable is no multiple of itself: it stays with the rest.
  Exponent note{turned ? x.q : without_terms(x).q, turned ? Terms{} : terms_of(x)};
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto i = static_cast<std::size_t>(lane);
    const Word exponent = turned ? q_[i].multiply(x.q[i], pairs_[i].root_q) : x.q[i];
    result.p[i] = power_of_omega(lane, exponent);
    if (turned) {
      note.rest[i] = static_cast<std::uint32_t>(q_[i].multiply(note.rest[i], pairs_[i].root_q));
    }
  }
  exponents_.push_back(std::move(note));
  return result;
}

std::optional<Formal> ResidueField::imaginary() const {
  if (pairs_[0].root_p == 0) return std::nullopt;
  Formal x = blank(Slot::kAbsent);
  for (std::size_t i = 0; i < kLanes; ++i) x.p[i] = pairs_[i].root_p;
  return x;
}

std::optional<std::int64_t> ResidueField::known_integer(const Formal& x) const {
  if (!x.constant || !x.finite() || !x.has_q()) return std::nullopt;
  const bool negative = x.p[0] > p_[0].value() / 2;
  const auto magnitude = static_cast<std::int64_t>(negative ? p_[0].negate(x.p[0]) : x.p[0]);
  if (magnitude >= kSmallInteger) return std::nullopt;
  const std::int64_t value = negative ? -magnitude : magnitude;
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (p_[i].of(value) != x.p[i] || q_[i].of(value) != x.q[i]) return std::nullopt;
  }
  return value;
}

bool ResidueField::certainly_equal(const Formal& a, const Formal& b) const {
  return a.p == b.p && (!a.has_q() || !b.has_q() || a.q == b.q);
}

bool ResidueField::leads(const Formal& x) const {
  const std::size_t number = tape_.leads.size();
  bool first = x.p[0] <= p_[0].value() / 2;
  if (followed_ != nullptr) {
    in_step_ = in_step_ && number < followed_->leads.size();
    first = in_step_ && followed_->leads[number];
  }
  tape_.leads.push_back(first);
  return first;
}

Formal ResidueField::fresh(std::string_view name, std::span<const Formal> operands) const {
  const std::size_t number = tape_.values.size();
  Formal value;
  if (followed_ == nullptr) {
    value = table_.find(name, operands, [this] { return new_variable(random()); });
  } else {
    const auto& values = followed_->values;
    in_step_ = in_step_ && number < values.size() && values[number].first == name;
    value = new_variable(in_step_ ? values[number].second : random());
    value.algebra = this;
  }
  tape_.values.emplace_back(name, value);
  return value;
}

bool ResidueField::in_step() const {
  return in_step_ && followed_ != nullptr && tape_.values.size() == followed_->values.size() &&
         tape_.leads.size() == followed_->leads.size();
}

Formal ResidueField::shifted(const Formal& x) const {
  if (!shift_) shift_ = random();
  return add(*shift_, x);
}

ResidueField::Join ResidueField::join_of(const Formal& x) const {
  const auto found = joins_.find(x.p);
  return found == joins_.end() ? Join{shifted(x), 1, {x}} : found->second;
}

ResidueField::Join ResidueField::joined(std::span<const Formal> operands) const {
  Join all;
  bool few = true;
  for (const Formal& x : operands) {
    Join join = join_of(x);
    all.key = all.count == 0 ? join.key : multiply(all.key, join.key);
    all.count += join.count;
    few = few && !join.parts.empty() && all.parts.size() <= kFewParts;
    if (!few) continue;
    for (Formal& part : join.parts) {
      const bool known = std::any_of(all.parts.begin(), all.parts.end(),
                                     [&](const Formal& other) { return part.agrees(other); });
      if (!known) all.parts.push_back(std::move(part));
    }
  }
  if (!few || all.parts.size() > kFewParts) {
    all.parts.clear();
  } else if (all.parts.size() < all.count) {
    all.count = all.parts.size();
    all.key = shifted(all.parts[0]);
    for (std::size_t i = 1; i < all.count; ++i) all.key = multiply(all.key, shifted(all.parts[i]));
  }
  return all;
}

Formal ResidueField::greatest(std::span<const Formal> operands) const {
  Join join = joined(operands);
  if (join.count == 1) {
    ++idempotent_maxima_;
    // Nothing is concluded from that it was one value in this field.
    Formal same = forget(join.parts[0]);
    same.constant = false;
    return same;
  }
  join.key.slot = Slot::kAbsent;
  join.key.q = {};
  const Formal key[] = {join.key, integer(static_cast<std::int64_t>(join.count))};
  const Formal result = fresh("max", key);
  joins_.try_emplace(result.p, std::move(join));
  return result;
}

}  // namespace lamina
