// What comes before and after what in a directed acyclic graph of numbered nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamina::search {

// A set of small numbers, one bit each.
class Bits {
 public:
  Bits() = default;
  explicit Bits(std::size_t size) : words_((size + 63) / 64, 0) {}

  bool has(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1U) != 0; }
  void insert(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void merge(const Bits& other);
  // Numbers that are in both and not in `without`, in order.
  static std::vector<std::size_t> common(const Bits& a, const Bits& b, const Bits& without);
  // The lowest number of `of` that is not here, or `none`.
  std::size_t first_missing(const Bits& of, std::size_t none) const;

  bool operator==(const Bits&) const = default;
  std::size_t hash() const;

 private:
  std::vector<std::uint64_t> words_;
};

// Nodes 0, 1, ... in topological order: producers have lower numbers.
class Precedence {
 public:
  // `producers`: of each node. Memory is quadratic in their number: two bits per pair.
  explicit Precedence(std::vector<std::vector<std::size_t>> producers);

  std::size_t size() const { return producers_.size(); }
  const std::vector<std::size_t>& producers(std::size_t n) const { return producers_[n]; }
  const std::vector<std::size_t>& consumers(std::size_t n) const { return consumers_[n]; }
  const Bits& before(std::size_t n) const { return before_[n]; }  // all that n depends on
  const Bits& after(std::size_t n) const { return after_[n]; }    // all that depends on n

  // The least convex set with these nodes: with all that lies on a path between two of them.
  std::vector<std::size_t> convex_hull(std::vector<std::size_t> nodes) const;

 private:
  std::vector<std::vector<std::size_t>> producers_;
  std::vector<std::vector<std::size_t>> consumers_;
  std::vector<Bits> before_;
  std::vector<Bits> after_;
};

}  // namespace lamina::search
