// The meaning of moves: copies of elements along access maps.
#pragma once

#include <optional>
#include <vector>

#include "graph/meaning/domain.h"

namespace lamina {

template <class Domain>
class MoveMeaning {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  explicit MoveMeaning(Domain& domain) : domain_(domain) {}

  std::vector<A> moves(const MoveForm& form, const std::vector<const A*>& in,
                       const std::vector<Type>& types) {
    std::vector<A> out;
    for (const Type& type : types) {
      A a{type.dtype, *constant_shape(type.shape), {}, {}, !traits(type.dtype).is_float};
      for (const A* x : in) {
        a.is_whole = a.is_whole && (x->is_whole || x->dtype != type.dtype);
      }
      const auto n = static_cast<std::size_t>(a.size());
      a.is_whole ? a.whole.resize(n) : a.real.resize(n, domain_.integer(0));
      out.push_back(std::move(a));
    }
    for (const Copy& copy : form.copies) {
      run_copy(copy, in, out[static_cast<std::size_t>(copy.output)]);
    }
    return out;
  }

 private:
  void run_copy(const Copy& copy, const std::vector<const A*>& in, A& out) {
    if (!out.is_whole && !traits(out.dtype).is_float && copy.combine != Combine::kSet) {
      fail(ErrorCode::kUnsupported, "integers to be combined are not known in this algebra");
    }
    std::vector<Shape> shapes;
    for (const A* a : in) shapes.push_back(a->shape);
    const BoundAccess to(copy.to, out.shape, shapes);
    const Shape extents = *constant_shape(copy.extents);
    const auto read = [&](int operand, std::int64_t linear) {
      const A& a = *in[static_cast<std::size_t>(operand)];
      if (!a.is_whole) fail(ErrorCode::kUnsupported, "an index is not known in this algebra");
      return a.whole[static_cast<std::size_t>(linear)];
    };
    std::optional<BoundAccess> from;
    if (copy.operand >= 0) {
      from.emplace(copy.from, shapes[static_cast<std::size_t>(copy.operand)], shapes);
    }
    Walker at(extents, std::vector<std::int64_t>(extents.size(), 0));
    const std::int64_t count = element_count(extents);
    const double first = copy.fill + static_cast<double>(copy.fill_size.constant_part());
    for (std::int64_t i = 0; i < count; ++i, at.next()) {
      const std::int64_t target = to.offset(at.index, read);
      const std::int64_t source = from ? from->offset(at.index, read) : 0;
      if (target < 0 || source < 0) continue;
      const double value = copy.operand == Copy::kIndex && !at.index.empty()
                               ? first + copy.step * static_cast<double>(at.index[0])
                               : first;
      put(copy, from ? in[static_cast<std::size_t>(copy.operand)] : nullptr, source, value, target,
          out);
    }
  }

  void put(const Copy& copy, const A* from, std::int64_t source, double value, std::int64_t target,
           A& out) {
    const auto t = static_cast<std::size_t>(target);
    if (out.is_whole) {
      const std::int64_t x = from != nullptr ? from->whole[static_cast<std::size_t>(source)]
                                             : num::like(std::int64_t{}, value);
      out.whole[t] = wrap_to(out.dtype, merge_whole(copy.combine, out.whole[t], x));
      return;
    }
    const Number x = from != nullptr ? real_at(domain_, *from, source) : domain_.constant(value);
    out.real[t] = merge_real(copy.combine, out.real[t], x);
  }

  static Number merge_real(Combine combine, const Number& old, const Number& x) {
    using num::max;
    using num::min;
    switch (combine) {
      case Combine::kSet:
        return x;
      case Combine::kAdd:
        return old + x;
      case Combine::kMul:
        return old * x;
      case Combine::kMax:
        return max(old, x);
      case Combine::kMin:
        return min(old, x);
    }
    return x;
  }

  static std::int64_t merge_whole(Combine combine, std::int64_t old, std::int64_t x) {
    switch (combine) {
      case Combine::kSet:
        return x;
      case Combine::kAdd:
        return num::add(old, x);
      case Combine::kMul:
        return num::mul(old, x);
      case Combine::kMax:
        return num::max(old, x);
      case Combine::kMin:
        return num::min(old, x);
    }
    return x;
  }

  Domain& domain_;
};

}  // namespace lamina
