// Sets of numbers as sorted, disjoint ranges: which variables a value involves.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace lamina {

// Half-open ranges, ascending, with gaps between them.
class Ranges {
 public:
  using Range = std::pair<std::uint32_t, std::uint32_t>;

  Ranges() = default;
  Ranges(std::uint32_t first, std::uint32_t last) : ranges_{{first, last}} {}

  const std::vector<Range>& list() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  std::uint64_t size() const;
  bool contains(std::uint32_t x) const;
  // Adds `other`; cheap when it lies at the end.
  void extend(const Ranges& other);
  // Merges ranges across the smallest gaps until at most `most` are left: a superset.
  void coarsen(std::size_t most);

  bool operator==(const Ranges&) const = default;

  friend Ranges operator|(const Ranges& a, const Ranges& b);
  friend Ranges operator&(const Ranges& a, const Ranges& b);
  friend Ranges operator-(const Ranges& a, const Ranges& b);

 private:
  std::vector<Range> ranges_;
};

}  // namespace lamina
