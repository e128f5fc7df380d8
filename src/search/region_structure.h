// What makes two regions of a model equal up to names: the key under which they are priced.
#pragma once

#include <cstdint>
#include <vector>

#include "search/operator_graph.h"

namespace lamina::search {

// Describes regions by numbers such that equal descriptions mean equal cuts (region.h), up to
// names. Cheaper than cutting and hashing: millions of regions are looked up.
class Structures {
 public:
  explicit Structures(const OperatorGraph& operators);

  std::vector<int> describe(const Positions& region) const;

 private:
  void describe(const Positions& region, Value input, std::vector<Value>& border,
                std::vector<int>& text) const;
  bool is_read_outside(const Positions& region, std::size_t p) const;
  std::size_t id_at(std::size_t p) const { return static_cast<std::size_t>(operators_.nodes[p]); }

  const OperatorGraph& operators_;
  std::vector<int> position_;            // by node
  std::vector<int> labels_;              // by node
  std::vector<std::vector<int>> types_;  // by node and output
  std::vector<bool> literal_;            // by node: a constant of every region that reads it
  std::vector<bool> read_at_end_;        // by node
};

// Of lists of numbers: descriptions and regions.
struct NumbersHash {
  template <class T>
  std::size_t operator()(const std::vector<T>& numbers) const {
    std::uint64_t sum = numbers.size();
    for (const T number : numbers) {
      sum = (sum ^ static_cast<std::uint64_t>(number)) * 0x9e3779b97f4a7c15ULL;
      sum ^= sum >> 29;
    }
    return static_cast<std::size_t>(sum);
  }
};

}  // namespace lamina::search
