// The meaning of contractions and reductions: a fold over the inner loops of a LoopForm.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "graph/meaning/contract.h"

namespace lamina {

template <class Domain>
class LoopMeaning {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  explicit LoopMeaning(Domain& domain) : domain_(domain) {}

  A loops(const NodeView& node, const std::vector<const A*>& in, const Type& type) {
    const LoopForm form = node.op.loop_form(node);
    bool whole = !traits(type.dtype).is_float;
    for (const A* a : in) whole = whole && a->is_whole;
    const Shape extents = *constant_shape(form.extents);
    const std::vector<BoundAccess> accesses = bind_accesses(form, in);
    A out{type.dtype, *constant_shape(type.shape), {}, {}, whole};
    const auto split = static_cast<std::ptrdiff_t>(form.output_rank);
    const Shape outer(extents.begin(), extents.begin() + split);
    const Shape inner(extents.begin() + split, extents.end());
    bool affine = node.op.kind == Kind::kContract && !whole && in.size() == 2;
    for (std::size_t k = 0; k < in.size(); ++k) {
      affine = affine && accesses[k].affine_within(extents) && !in[k]->is_whole;
    }
    if (affine) {
      out.real = AffineContraction<Domain>(domain_, accesses, extents, form.output_rank).run(in);
    }
    Walker at(outer, std::vector<std::int64_t>(outer.size(), 0));
    std::vector<std::int64_t> point(extents.size(), 0);
    const std::int64_t count = affine ? 0 : element_count(outer);
    for (std::int64_t i = 0; i < count; ++i, at.next()) {
      std::copy(at.index.begin(), at.index.end(), point.begin());
      if (whole) {
        out.whole.push_back(wrap_to(type.dtype, fold_whole(node, in, accesses, point, inner)));
      } else {
        out.real.push_back(fold_real(node, in, accesses, point, inner));
      }
    }
    // See ElementwiseMeaning: integers and booleans that are not known as such.
    for (Number& value : out.real) {
      if (traits(type.dtype).is_integer) value = domain_.round_to(value, type.dtype);
      if (type.dtype == DType::kBool) value = truth(value);
    }
    return out;
  }

 private:
  static std::vector<BoundAccess> bind_accesses(const LoopForm& form,
                                                const std::vector<const A*>& in) {
    std::vector<Shape> shapes;
    for (const A* a : in) shapes.push_back(a->shape);
    std::vector<BoundAccess> accesses;
    for (std::size_t k = 0; k < in.size(); ++k) {
      accesses.emplace_back(form.operands[k], shapes[k], shapes);
    }
    return accesses;
  }

  template <class Visit>
  void for_each_inner(std::vector<std::int64_t>& point, const Shape& inner, Visit visit) {
    const std::size_t split = point.size() - inner.size();
    Walker at(inner, std::vector<std::int64_t>(inner.size(), 0));
    const std::int64_t count = element_count(inner);
    for (std::int64_t i = 0; i < count; ++i, at.next()) {
      std::copy(at.index.begin(), at.index.end(),
                point.begin() + static_cast<std::ptrdiff_t>(split));
      visit();
    }
  }

  static std::int64_t no_index(int, std::int64_t) { return -1; }

  Number fold_real(const NodeView& node, const std::vector<const A*>& in,
                   const std::vector<BoundAccess>& accesses, std::vector<std::int64_t>& point,
                   const Shape& inner) {
    const bool contract = node.op.kind == Kind::kContract;
    if constexpr (requires { domain_.greatest(std::span<const Number>{}); }) {
      const Monoid monoid = node.op.monoid;
      if (!contract && (monoid == Monoid::kMax || monoid == Monoid::kMin)) {
        return extreme(*in[0], accesses[0], point, inner, monoid == Monoid::kMin);
      }
    }
    Number total = contract ? domain_.integer(0) : identity_real(node.op.monoid);
    for_each_inner(point, inner, [&] {
      std::optional<Number> term;
      for (std::size_t k = 0; k < in.size(); ++k) {
        const std::int64_t offset = accesses[k].offset(point, no_index);
        if (offset < 0) return;
        const Number x = real_at(domain_, *in[k], offset);
        term = term ? *term * x : x;
      }
      total = contract ? total + *term : combine_real(node.op.monoid, total, *term);
    });
    return total;
  }

  // The greatest term, or the least as the negative of the greatest negative.
  Number extreme(const A& in, const BoundAccess& access, std::vector<std::int64_t>& point,
                 const Shape& inner, bool least) {
    std::vector<Number> terms;
    for_each_inner(point, inner, [&] {
      const std::int64_t offset = access.offset(point, no_index);
      if (offset < 0) return;
      const Number x = real_at(domain_, in, offset);
      terms.push_back(least ? -x : x);
    });
    const Number greatest = domain_.greatest(terms);
    return least ? -greatest : greatest;
  }

  std::int64_t fold_whole(const NodeView& node, const std::vector<const A*>& in,
                          const std::vector<BoundAccess>& accesses,
                          std::vector<std::int64_t>& point, const Shape& inner) {
    const Monoid monoid = node.op.kind == Kind::kContract ? Monoid::kSum : node.op.monoid;
    std::int64_t total = identity_whole(monoid);
    for_each_inner(point, inner, [&] {
      std::int64_t term = 1;
      for (std::size_t k = 0; k < in.size(); ++k) {
        const std::int64_t offset = accesses[k].offset(point, no_index);
        if (offset < 0) return;
        term = num::mul(term, in[k]->whole[static_cast<std::size_t>(offset)]);
      }
      total = combine_whole(monoid, total, term);
    });
    return total;
  }

  Number identity_real(Monoid monoid) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    switch (monoid) {
      case Monoid::kSum:
        return domain_.integer(0);
      case Monoid::kProd:
        return domain_.integer(1);
      case Monoid::kMax:
        return domain_.constant(-kInfinity);
      case Monoid::kMin:
        return domain_.constant(kInfinity);
    }
    return domain_.integer(0);
  }

  static Number combine_real(Monoid monoid, const Number& a, const Number& b) {
    using num::max;
    using num::min;
    switch (monoid) {
      case Monoid::kSum:
        return a + b;
      case Monoid::kProd:
        return a * b;
      case Monoid::kMax:
        return max(a, b);
      case Monoid::kMin:
        return min(a, b);
    }
    return a;
  }

  static std::int64_t identity_whole(Monoid monoid) {
    switch (monoid) {
      case Monoid::kSum:
        return 0;
      case Monoid::kProd:
        return 1;
      case Monoid::kMax:
        return std::numeric_limits<std::int64_t>::min();
      case Monoid::kMin:
        return std::numeric_limits<std::int64_t>::max();
    }
    return 0;
  }

  static std::int64_t combine_whole(Monoid monoid, std::int64_t a, std::int64_t b) {
    switch (monoid) {
      case Monoid::kSum:
        return num::add(a, b);
      case Monoid::kProd:
        return num::mul(a, b);
      case Monoid::kMax:
        return num::max(a, b);
      case Monoid::kMin:
        return num::min(a, b);
    }
    return a;
  }

  Domain& domain_;
};

}  // namespace lamina
