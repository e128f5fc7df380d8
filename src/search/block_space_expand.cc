// The operations that a space tries on each value.
#include <algorithm>

#include "graph/op_def.h"
#include "search/block_space.h"

namespace lamina::search {
namespace {

using Id = TermStore::Id;
using Kind = BlockStep::Kind;

}  // namespace

bool BlockSpace::too_large(const std::vector<std::size_t>& needs, Id term) {
  const auto most = static_cast<std::size_t>(limits_.operators);
  // The last operation of the largest programs gives an output.
  const bool ends =
      !limits_.prune_terms || std::find(targets_.begin(), targets_.end(), term) != targets_.end();
  return needs.size() + 1 > most || (needs.size() + 1 == most && !ends);
}

template <class Compute>
void BlockSpace::offer(Id term, BlockStep step, Compute compute) {
  if (too_large(needs_of(step), term)) {
    ++statistics_.large;
    return;
  }
  ++statistics_.evaluated;
  std::optional<BlockValue> value = compute();
  if (!value) {
    ++statistics_.misfits;
    return;
  }
  keep(std::move(*value), term, std::move(step));
}

Id BlockSpace::term_of(const Operation& what, Id a, Id b) {
  if (what.elementwise == nullptr) return terms_.sum(what.extent, terms_.multiply(a, b));
  const Id operands[] = {a, b};
  return elementwise_term(*what.elementwise, std::span(operands, what.elementwise->arity));
}

// Whether the result can be part of an output, remembered by the operands' terms, which are far
// fewer than the values.
std::optional<Id> BlockSpace::relevant_term(const Operation& what, Id a, Id b) {
  const std::uint64_t kind = kinds_.try_emplace(what, kinds_.size()).first->second;
  const auto [at, added] = pair_terms_.try_emplace(kind << 48 | std::uint64_t{a} << 24 | b);
  if (added) {
    const Id term = term_of(what, a, b);
    if (relevant(term)) at->second = term;
  }
  return at->second;
}

// The terms met so far that `what` can join with `own` (on the left, or on the right), each with
// the term of the result.
const std::vector<std::pair<Id, Id>>& BlockSpace::partners(const Operation& what, Id own,
                                                           bool left) {
  Partners& known = partners_[{what, own, left}];
  for (; known.seen < terms_met_.size(); ++known.seen) {
    const Id other = terms_met_[known.seen];
    const auto term = left ? relevant_term(what, own, other) : relevant_term(what, other, own);
    if (term) known.terms.emplace_back(other, *term);
  }
  return known.terms;
}

// `what` of v and every expanded value, v on the left or on the right.
void BlockSpace::join(const Operation& what, std::size_t v, bool left) {
  const auto count = static_cast<std::int64_t>(expanded_.size());
  std::int64_t tried = 0;
  for (const auto& [other, term] : partners(what, values_[v].term, left)) {
    for (const std::size_t u : by_term_[other]) {
      ++tried;
      const std::size_t a = left ? v : u, b = left ? u : v;
      if (a == b && !left) continue;
      if (what.elementwise != nullptr) {
        join_elementwise(*what.elementwise, a, b, term);
      } else {
        join_product(what.extent, a, b, term);
      }
    }
  }
  statistics_.states += count;
  statistics_.pruned += count - tried;
}

void BlockSpace::join_elementwise(const Elementwise& what, std::size_t a, std::size_t b, Id term) {
  if (what.op->commutative && a > b) std::swap(a, b);
  const Value &x = values_[a], &y = values_[b];
  if (x.value.axes.empty() && y.value.axes.empty() && x.needs.empty() && y.needs.empty()) return;
  offer(term, {Kind::kApply, 0, {}, 0.0, what.op, what.attrs, {a, b}}, [&] {
    const BlockValue* const operands[] = {&values_[a].value, &values_[b].value};
    return fields_.elementwise(*what.op, what.attrs, operands);
  });
}

void BlockSpace::join_product(std::int64_t extent, std::size_t a, std::size_t b, Id term) {
  const BlockValue &x = values_[a].value, &y = values_[b].value;
  const bool fits = x.axes.size() >= 2 && y.axes.size() >= 2 &&
                    x.axes.back() == y.axes[y.axes.size() - 2] &&
                    extent_of(x.axes.back()) == extent;
  if (!fits) {
    ++statistics_.misfits;
    return;
  }
  offer(term, {Kind::kApply, 0, {}, 0.0, &find_op("matmul"), {}, {a, b}},
        [&] { return fields_.matmul(values_[a].value, values_[b].value); });
}

void BlockSpace::apply_unary(const Elementwise& what, std::size_t v) {
  ++statistics_.states;
  const Id x = values_[v].term;
  if (limits_.same_exponents && what.op->name == "exp" && !exponents_.contains(x)) {
    ++statistics_.unsafe;
    return;
  }
  const auto term = relevant_term({&what, 0}, x, x);
  if (!term) {
    ++statistics_.pruned;
    return;
  }
  offer(*term, {Kind::kApply, 0, {}, 0.0, what.op, what.attrs, {v}}, [&] {
    const BlockValue* const operands[] = {&values_[v].value};
    return fields_.elementwise(*what.op, what.attrs, operands);
  });
}

// Steps whose term is looked up directly: reductions and accumulators.
template <class Compute>
void BlockSpace::attempt(Id term, BlockStep step, Compute compute) {
  ++statistics_.states;
  if (!relevant(term)) {
    ++statistics_.pruned;
    return;
  }
  offer(term, std::move(step), compute);
}

void BlockSpace::rescale(std::size_t v, std::size_t peak) {
  attempt(terms_.sum(loop_extent(), values_[v].term),
          {Kind::kRescaledSum, 0, {}, 0.0, nullptr, {}, {v, peak}},
          [&] { return fields_.rescaled_sum(values_[v].value, values_[peak].value); });
}

// Selections are functions that no axiom looks into: only of what the program itself selects.
void BlockSpace::select(std::size_t v) {
  const OpDef& op = find_op("select");
  for (const auto& terms : selections_) {
    const Id term = terms_.function("select", terms);
    for (std::size_t at = 0; at < terms.size(); ++at) {
      if (terms[at] != values_[v].term) continue;
      std::array<std::vector<std::size_t>, 3> choices;
      for (std::size_t k = 0; k < terms.size(); ++k) {
        choices[k] = k == at ? std::vector<std::size_t>{v} : by_term_[terms[k]];
      }
      for (const std::size_t c : choices[0]) {
        for (const std::size_t x : choices[1]) {
          for (const std::size_t y : choices[2]) {
            attempt(term, {Kind::kApply, 0, {}, 0.0, &op, {}, {c, x, y}}, [&] {
              const BlockValue* const operands[] = {&values_[c].value, &values_[x].value,
                                                    &values_[y].value};
              return fields_.elementwise(op, {}, operands);
            });
          }
        }
      }
    }
  }
}

void BlockSpace::accumulators(std::size_t v) {
  if (!shape_.loop) return;
  const auto of = [&](Kind kind) { return BlockStep{kind, 0, {}, 0.0, nullptr, {}, {v}}; };
  const Id x = values_[v].term;
  if (sums_ || products_) {
    attempt(terms_.sum(loop_extent(), x), of(Kind::kSum),
            [&] { return fields_.accumulate(values_[v].value, false); });
  }
  if (!maxima_) return;
  const Id largest = terms_.largest(loop_extent(), x);
  attempt(largest, of(Kind::kLargest), [&] { return fields_.accumulate(values_[v].value, true); });
  if (!exponentials_) return;
  attempt(largest, of(Kind::kRunningLargest),
          [&] { return fields_.running_largest(values_[v].value); });
  for (const std::size_t peak : running_) rescale(v, peak);
  if (values_[v].ways[0].kind != Kind::kRunningLargest) return;
  running_.push_back(v);
  for (const std::size_t u : expanded_) rescale(u, v);
}

void BlockSpace::reduce(const Reduction& reduction, std::size_t v) {
  const std::vector<TileAxis>& axes = values_[v].value.axes;
  if (axes.size() < reduction.axis) {
    ++statistics_.states;
    ++statistics_.misfits;
    return;
  }
  const std::int64_t extent = extent_of(axes[axes.size() - reduction.axis]);
  const auto axis = static_cast<std::int64_t>(reduction.axis);
  const OpDef& op = find_op(reduction.largest ? "reduce_max" : "sum");
  const Attrs attrs{{"axes", Dims{-axis}}, {"keepdims", reduction.keep}};
  attempt(reduction.largest ? terms_.largest(extent, values_[v].term)
                            : terms_.sum(extent, values_[v].term),
          {Kind::kApply, 0, {}, 0.0, &op, attrs, {v}}, [&] {
            return fields_.reduce(values_[v].value, reduction.largest, reduction.axis,
                                  reduction.keep);
          });
}

void BlockSpace::transpose(std::size_t v) {
  const auto rank = static_cast<std::int64_t>(values_[v].value.axes.size());
  Dims axes;
  for (std::int64_t i = 0; i < rank; ++i) {
    axes.emplace_back(i + 2 < rank ? i : (i + 1 == rank ? rank - 2 : rank - 1));
  }
  ++statistics_.states;
  offer(values_[v].term, {Kind::kApply, 0, {}, 0.0, &find_op("transpose"), {{"axes", axes}}, {v}},
        [&] { return fields_.transpose(values_[v].value); });
}

void BlockSpace::expand(std::size_t v) {
  for (const Elementwise& what : unary_) apply_unary(what, v);
  for (const Reduction& reduction : reductions_) reduce(reduction, v);
  if (transposes_) transpose(v);
  expanded_.push_back(v);
  std::vector<std::size_t>& alike = by_term_[values_[v].term];
  if (alike.empty()) terms_met_.push_back(values_[v].term);
  alike.push_back(v);
  accumulators(v);
  select(v);
  for (const Elementwise& what : binary_) {
    join({&what, 0}, v, true);
    if (!what.op->commutative) join({&what, 0}, v, false);
  }
  const std::size_t rank = values_[v].value.axes.size();
  if (!products_ || rank < 2) return;
  join({nullptr, extent_of(values_[v].value.axes[rank - 1])}, v, true);
  join({nullptr, extent_of(values_[v].value.axes[rank - 2])}, v, false);
}

}  // namespace lamina::search
