// Unions, intersections and differences of sorted ranges.
#include "verify/ranges.h"

#include <algorithm>

namespace lamina {
namespace {

using Range = Ranges::Range;

// Appends a range that starts at or after the last one.
void append(std::vector<Range>& ranges, Range next) {
  if (!ranges.empty() && next.first <= ranges.back().second) {
    ranges.back().second = std::max(ranges.back().second, next.second);
  } else {
    ranges.push_back(next);
  }
}

}  // namespace

std::uint64_t Ranges::size() const {
  std::uint64_t total = 0;
  for (const auto& [first, last] : ranges_) total += last - first;
  return total;
}

void Ranges::extend(const Ranges& other) {
  if (other.empty()) return;
  // The common case: one range that touches one of these from behind.
  if (other.ranges_.size() == 1) {
    const Range added = other.ranges_[0];
    for (std::size_t i = ranges_.size(); i-- > 0;) {
      const bool last = i + 1 == ranges_.size() || added.second < ranges_[i + 1].first;
      if (ranges_[i].first <= added.first && added.first <= ranges_[i].second && last) {
        ranges_[i].second = std::max(ranges_[i].second, added.second);
        return;
      }
      if (ranges_[i].second < added.first) break;
    }
  }
  *this = *this | other;
}

bool Ranges::contains(std::uint32_t x) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), x,
                                      [](std::uint32_t v, const Range& r) { return v < r.first; });
  return after != ranges_.begin() && x < std::prev(after)->second;
}

void Ranges::coarsen(std::size_t most) {
  while (ranges_.size() > most) {
    std::vector<std::uint32_t> gaps;
    for (std::size_t i = 1; i < ranges_.size(); ++i) {
      gaps.push_back(ranges_[i].first - ranges_[i - 1].second);
    }
    const auto surplus = static_cast<std::ptrdiff_t>(ranges_.size() - most - 1);
    std::nth_element(gaps.begin(), gaps.begin() + surplus, gaps.end());
    const std::uint32_t widest = gaps[static_cast<std::size_t>(surplus)];
    std::vector<Range> merged;
    for (const Range& range : ranges_) {
      if (!merged.empty() && range.first - merged.back().second <= widest) {
        merged.back().second = range.second;
      } else {
        merged.push_back(range);
      }
    }
    ranges_ = std::move(merged);
  }
}

Ranges operator|(const Ranges& a, const Ranges& b) {
  Ranges result;
  std::size_t i = 0, k = 0;
  while (i < a.ranges_.size() || k < b.ranges_.size()) {
    const bool from_a =
        k == b.ranges_.size() || (i < a.ranges_.size() && a.ranges_[i] <= b.ranges_[k]);
    append(result.ranges_, from_a ? a.ranges_[i++] : b.ranges_[k++]);
  }
  return result;
}

Ranges operator&(const Ranges& a, const Ranges& b) {
  Ranges result;
  std::size_t i = 0, k = 0;
  while (i < a.ranges_.size() && k < b.ranges_.size()) {
    const std::uint32_t first = std::max(a.ranges_[i].first, b.ranges_[k].first);
    const std::uint32_t last = std::min(a.ranges_[i].second, b.ranges_[k].second);
    if (first < last) result.ranges_.emplace_back(first, last);
    (a.ranges_[i].second < b.ranges_[k].second ? i : k) += 1;
  }
  return result;
}

Ranges operator-(const Ranges& a, const Ranges& b) {
  Ranges result;
  std::size_t k = 0;
  for (auto [first, last] : a.ranges_) {
    while (k < b.ranges_.size() && b.ranges_[k].second <= first) ++k;
    for (std::size_t j = k; first < last && j < b.ranges_.size() && b.ranges_[j].first < last;
         ++j) {
      if (first < b.ranges_[j].first) result.ranges_.emplace_back(first, b.ranges_[j].first);
      first = std::max(first, b.ranges_[j].second);
    }
    if (first < last) result.ranges_.emplace_back(first, last);
  }
  return result;
}

}  // namespace lamina
