// The meaning of orderings along an axis: sort, top-k, argmax.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "graph/meaning/domain.h"

namespace lamina {

template <class Domain>
class OrderMeaning {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  explicit OrderMeaning(Domain& domain) : domain_(domain) {}

  std::vector<A> order(const OrderForm& form, const A& in, const std::vector<Type>& types) {
    const auto axis = static_cast<std::size_t>(form.axis);
    const std::int64_t line = in.shape[axis];
    const std::int64_t step = dense_strides(in.shape)[axis];
    const std::int64_t keep = *form.count.constant();
    std::vector<A> out;
    for (const Type& type : types) {
      A a{type.dtype, *constant_shape(type.shape), {}, {}, !traits(type.dtype).is_float};
      const auto n = static_cast<std::size_t>(a.size());
      a.is_whole = &type == &types.back() && form.positions ? true : in.is_whole;
      a.is_whole ? a.whole.resize(n) : a.real.resize(n);
      out.push_back(std::move(a));
    }
    const std::int64_t lines = line == 0 ? 0 : in.size() / line;
    for (std::int64_t l = 0; l < lines; ++l) {
      const std::int64_t start = l / step * step * line + l % step;
      const std::int64_t start_out = l / step * step * keep + l % step;
      const std::vector<std::int64_t> ranked = rank_line(form, in, start, step, line);
      for (std::int64_t r = 0; r < keep; ++r) {
        place(form, in, start + ranked[static_cast<std::size_t>(r)] * step,
              ranked[static_cast<std::size_t>(r)], start_out + r * step, out);
      }
    }
    return out;
  }

 private:
  bool before(const A& a, std::int64_t x, std::int64_t y) const {
    const auto i = static_cast<std::size_t>(x);
    const auto j = static_cast<std::size_t>(y);
    return a.is_whole ? a.whole[i] < a.whole[j] : domain_.before(a.real[i], a.real[j]);
  }

  std::vector<std::int64_t> rank_line(const OrderForm& form, const A& in, std::int64_t start,
                                      std::int64_t step, std::int64_t line) const {
    std::vector<std::int64_t> ranked(static_cast<std::size_t>(line));
    std::iota(ranked.begin(), ranked.end(), 0);
    if (form.prefer_last) std::reverse(ranked.begin(), ranked.end());
    std::stable_sort(ranked.begin(), ranked.end(), [&](std::int64_t x, std::int64_t y) {
      const std::int64_t a = start + x * step;
      const std::int64_t b = start + y * step;
      return form.descending ? before(in, b, a) : before(in, a, b);
    });
    return ranked;
  }

  static void place(const OrderForm& form, const A& in, std::int64_t from, std::int64_t position,
                    std::int64_t to, std::vector<A>& out) {
    const auto t = static_cast<std::size_t>(to);
    const auto f = static_cast<std::size_t>(from);
    if (form.values) {
      in.is_whole ? void(out[0].whole[t] = in.whole[f]) : void(out[0].real[t] = in.real[f]);
    }
    if (form.positions) out.back().whole[t] = position;
  }

  Domain& domain_;
};

}  // namespace lamina
