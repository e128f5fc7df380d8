// Dominance among labels, in lists that are sorted by devices.
#include "pipeline/planners/graphpipe_front.h"

#include <algorithm>

namespace lamina::pipeline {
namespace {

// The words of keys: two numbers of steps, a height, and the bits between.
constexpr int kStepBits = 24, kHeightBits = 13;
constexpr std::uint64_t kBetween = (std::uint64_t{1} << kStepBits) |
                                   (std::uint64_t{1} << (2 * kStepBits + 1)) |
                                   (std::uint64_t{1} << (2 * kStepBits + kHeightBits + 2));

bool covers(std::uint64_t one, std::uint64_t other) {
  return (((other | kBetween) - one) & kBetween) == kBetween;
}

}  // namespace

// Paths there and back stand for those there too, whose share of them is much the same everywhere.
std::uint64_t Dominance::steps_of(const Label& label) const {
  const auto in_steps = [&](double seconds) {
    constexpr double kMost = (1 << kStepBits) - 1;
    return static_cast<std::uint64_t>(std::min(seconds / slop_s_, kMost));
  };
  const auto height = static_cast<std::uint64_t>(std::min(label.height, (1 << kHeightBits) - 1));
  return in_steps(label.paths.back_s) | in_steps(label.paths.all_s) << (kStepBits + 1) |
         height << (2 * kStepBits + 2);
}

int Dominance::place(const Label& label) {
  const bool is_exact = slop_s_ <= 0.0;
  Key key{is_exact ? 0 : steps_of(label), label.devices, 0};
  const auto covered_by = [&](const Key& one, const Key& other) {
    if (!is_exact) return covers(one.steps, other.steps);
    const Label& a = exact_[static_cast<std::size_t>(one.place)];
    const Label& b = exact_[static_cast<std::size_t>(other.place)];
    return a.height <= b.height && a.paths.covers(b.paths, 0.0);
  };
  const auto more =
      std::upper_bound(keys_.begin(), keys_.end(), key.devices,
                       [](int devices, const Key& other) { return devices < other.devices; });
  key.place = new_place();
  if (is_exact) {
    exact_.resize(static_cast<std::size_t>(places_));
    exact_[static_cast<std::size_t>(key.place)] = label;
  }
  // Those that cover most are those with nearly as many devices.
  for (auto other = more; other != keys_.begin();) {
    if (!covered_by(*--other, key)) continue;
    free_.push_back(key.place);
    return -1;
  }
  auto first = more;
  while (first != keys_.begin() && std::prev(first)->devices == key.devices) --first;
  const auto kept = std::remove_if(first, keys_.end(), [&](const Key& other) {
    if (!covered_by(key, other)) return false;
    free_.push_back(other.place);
    return true;
  });
  keys_.erase(kept, keys_.end());
  keys_.insert(first, key);
  return key.place;
}

int Dominance::new_place() {
  if (free_.empty()) return places_++;
  const int place = free_.back();
  free_.pop_back();
  return place;
}

std::vector<int> Dominance::places() const {
  std::vector<int> places;
  for (const Key& key : keys_) places.push_back(key.place);
  return places;
}

}  // namespace lamina::pipeline
