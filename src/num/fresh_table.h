// Uninterpreted functions: one value for each function and each list of operands.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "num/formal.h"

namespace lamina {

class FreshTable {
 public:
  // The value of `name` at up to three operands; `draw` makes one at the first call.
  Formal find(std::string_view name, std::span<const Formal> operands,
              const std::function<Formal()>& draw);
  std::map<std::string, std::size_t> counts() const;  // values made, by function

 private:
  static constexpr std::size_t kMostOperands = 3;
  struct Key {
    std::uint64_t function;  // number
    std::uint64_t operands;  // how many, and their states
    std::array<std::array<std::uint64_t, kLanes>, kMostOperands> p;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  // Exponent slots stand apart: two computations of one value may know different slots of it.
  struct Entry {
    std::array<std::array<std::uint32_t, kLanes>, kMostOperands> q{};
    std::array<bool, kMostOperands> known{};
    Formal value;
  };
  struct Function {
    std::string name;
    std::size_t values;
  };

  std::uint64_t number_of(std::string_view name);

  std::vector<Function> functions_;
  std::unordered_multimap<Key, Entry, KeyHash> entries_;
};

}  // namespace lamina
