// Looking up and making the values of uninterpreted functions.
#include "num/fresh_table.h"

#include <bit>
#include <stdexcept>

namespace lamina {

std::size_t FreshTable::KeyHash::operator()(const Key& key) const {
  std::uint64_t hash = key.function << 8 | key.operands;
  for (const auto& words : key.p) {
    for (const std::uint64_t word : words) {
      hash = (std::rotl(hash, 23) ^ word) * 0x9e3779b97f4a7c15u;
    }
  }
  return hash ^ (hash >> 32);
}

std::uint64_t FreshTable::number_of(std::string_view name) {
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    if (functions_[i].name == name) return i;
  }
  functions_.push_back({std::string(name), 0});
  return functions_.size() - 1;
}

Formal FreshTable::find(std::string_view name, std::span<const Formal> operands,
                        const std::function<Formal()>& draw) {
  if (operands.size() > kMostOperands) throw std::length_error("too many operands");
  const std::uint64_t number = number_of(name);
  Key key{number, operands.size(), {}};
  Entry entry;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Formal& x = operands[i];
    key.operands = key.operands << 2 | static_cast<std::uint64_t>(x.state);
    key.p[i] = x.p;
    entry.known[i] = x.has_q() || !x.finite();
    if (entry.known[i]) entry.q[i] = x.q;
  }
  const auto [first, last] = entries_.equal_range(key);
  for (auto at = first; at != last; ++at) {
    bool same = true;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const bool both = entry.known[i] && at->second.known[i];
      same = same && (!both || entry.q[i] == at->second.q[i]);
    }
    if (same) return at->second.value;
  }
  entry.value = draw();
  ++functions_[number].values;
  return entries_.emplace(key, entry)->second.value;
}

std::map<std::string, std::size_t> FreshTable::counts() const {
  std::map<std::string, std::size_t> counts;
  for (const Function& function : functions_) {
    if (function.values > 0) counts[function.name] = function.values;
  }
  return counts;
}

}  // namespace lamina
