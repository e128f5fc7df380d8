// Closures as bit sets, computed once.
#include "search/precedence.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace lamina::search {

void Bits::merge(const Bits& other) {
  for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
}

std::vector<std::size_t> Bits::common(const Bits& a, const Bits& b, const Bits& without) {
  std::vector<std::size_t> found;
  for (std::size_t w = 0; w < a.words_.size(); ++w) {
    std::uint64_t word = a.words_[w] & b.words_[w] & ~without.words_[w];
    for (; word != 0; word &= word - 1) {
      found.push_back(64 * w + static_cast<std::size_t>(std::countr_zero(word)));
    }
  }
  return found;
}

std::size_t Bits::first_missing(const Bits& of, std::size_t none) const {
  for (std::size_t w = 0; w < words_.size(); ++w) {
    const std::uint64_t word = of.words_[w] & ~words_[w];
    if (word != 0) return 64 * w + static_cast<std::size_t>(std::countr_zero(word));
  }
  return none;
}

std::size_t Bits::hash() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words_) {
    sum = (std::rotl(sum, 23) ^ word) * 0x9e3779b97f4a7c15ULL;
  }
  return static_cast<std::size_t>(sum ^ (sum >> 32));
}

Precedence::Precedence(std::vector<std::vector<std::size_t>> producers)
    : producers_(std::move(producers)),
      consumers_(producers_.size()),
      before_(producers_.size(), Bits(producers_.size())),
      after_(before_) {
  for (std::size_t n = 0; n < producers_.size(); ++n) {
    for (const std::size_t p : producers_[n]) {
      check(p < n, "node {} reads node {}: not in topological order", n, p);
      consumers_[p].push_back(n);
      before_[n].merge(before_[p]);
      before_[n].insert(p);
    }
  }
  for (std::size_t n = producers_.size(); n-- > 0;) {
    for (const std::size_t c : consumers_[n]) {
      after_[n].merge(after_[c]);
      after_[n].insert(c);
    }
  }
}

std::vector<std::size_t> Precedence::convex_hull(std::vector<std::size_t> nodes) const {
  Bits before(size());
  Bits after(size());
  Bits inside(size());
  for (const std::size_t n : nodes) {
    before.merge(before_[n]);
    after.merge(after_[n]);
    inside.insert(n);
  }
  const std::vector<std::size_t> between = Bits::common(before, after, inside);
  nodes.insert(nodes.end(), between.begin(), between.end());
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace lamina::search
