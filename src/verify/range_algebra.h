// Formal values as ranges of reals: between which bounds the outputs lie while the inputs run
// through a box.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "num/formal.h"
#include "num/interval.h"

namespace lamina {

class RangeAlgebra final : public Algebra {
 public:
  Formal variable(const Interval& range) const { return kept(range); }
  const Interval& range(const Formal& x) const { return ranges_[x.p[0]]; }

  Formal add(const Formal& a, const Formal& b) const override;
  Formal negate(const Formal& x) const override;
  Formal multiply(const Formal& a, const Formal& b) const override;
  Formal divide(const Formal& a, const Formal& b) const override;
  Formal integer(std::int64_t value) const override;
  Formal exponential(const Formal& x, bool turned) const override;
  // Sines and cosines are functions of their own here.
  std::optional<Formal> imaginary() const override { return std::nullopt; }
  std::optional<std::int64_t> known_integer(const Formal& x) const override;
  bool certainly_equal(const Formal& a, const Formal& b) const override;
  bool leads(const Formal&) const override { return true; }
  Formal fresh(std::string_view name, std::span<const Formal> operands) const override;
  Formal greatest(std::span<const Formal> operands) const override;

 private:
  Formal kept(const Interval& range) const;

  mutable std::vector<Interval> ranges_;
  mutable std::map<std::uint64_t, std::uint64_t> negatives_;  // x: -x, by number
};

}  // namespace lamina
