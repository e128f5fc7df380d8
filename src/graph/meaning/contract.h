// Contractions of two real operands with affine accesses: blocks of strided inner products.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "graph/meaning/domain.h"

namespace lamina {

template <class Domain>
class AffineContraction {
 public:
  using Number = typename Domain::Number;
  using A = Array<Number>;

  // `extents` are the loops, the first `output_rank` of which are the axes of the output.
  AffineContraction(Domain& domain, const std::vector<BoundAccess>& accesses, const Shape& extents,
                    int output_rank)
      : domain_(domain), extents_(extents), split_(static_cast<std::size_t>(output_rank)) {
    for (std::size_t k = 0; k < 2; ++k) {
      base_[k] = accesses[k].base();
      for (std::size_t loop = 0; loop < extents.size(); ++loop) {
        strides_[k].push_back(accesses[k].stride(static_cast<int>(loop)));
      }
    }
  }

  std::vector<Number> run(const std::vector<const A*>& in) {
    const std::size_t lines = split_ == 0 ? 0 : split_ - 1;
    const std::int64_t columns = split_ == 0 ? 1 : extents_[lines];
    std::vector<Number> out(static_cast<std::size_t>(element_count(part(extents_, 0, split_))),
                            domain_.integer(0));
    if (out.empty() || by_products(in, out)) return out;
    const std::int64_t next_a = split_ == 0 ? 0 : strides_[0][lines];
    const std::int64_t next_b = split_ == 0 ? 0 : strides_[1][lines];
    // A block of columns stays in the cache while all lines pass over it.
    for (std::int64_t column = 0; column < columns; column += kBlock) {
      const auto count = static_cast<std::size_t>(std::min(kBlock, columns - column));
      Walker a(part(extents_, 0, lines), part(strides_[0], 0, lines));
      Walker b(part(extents_, 0, lines), part(strides_[1], 0, lines));
      const Number* from_a = in[0]->real.data() + base_[0] + column * next_a;
      const Number* from_b = in[1]->real.data() + base_[1] + column * next_b;
      for (auto at = static_cast<std::size_t>(column); at < out.size();
           at += static_cast<std::size_t>(columns), a.next(), b.next()) {
        block({from_a + a.offset, 0, next_a}, {from_b + b.offset, 0, next_b},
              std::span<Number>(out).subspan(at, count));
      }
    }
    return out;
  }

 private:
  // Outputs whose operands are walked together, so that each line of memory is fetched once.
  static constexpr std::int64_t kBlock = 16;

  // Where one operand stays along the last axis of the output and the other along the axis before,
  // as in a product of matrices: the domain may know a way that is faster than inner products.
  bool by_products(const std::vector<const A*>& in, std::vector<Number>& out) {
    if constexpr (requires {
                    domain_.products(Panel<Number>{}, Panel<Number>{}, std::span(out));
                  }) {
      if (split_ < 2) return false;
      const std::size_t row = split_ - 2, column = split_ - 1;
      std::size_t a = 0;  // the operand of the rows
      while (a < 2 && (strides_[a][column] != 0 || strides_[1 - a][row] != 0)) ++a;
      if (a == 2) return false;
      const std::size_t b = 1 - a;
      const Shape head = part(extents_, 0, row);
      const Shape inner = part(extents_, split_, extents_.size());
      const std::vector<std::int64_t> steps[] = {
          offsets(inner, part(strides_[a], split_, extents_.size())),
          offsets(inner, part(strides_[b], split_, extents_.size()))};
      Walker at_a(head, part(strides_[a], 0, row));
      Walker at_b(head, part(strides_[b], 0, row));
      const std::int64_t rows = extents_[row], columns = extents_[column];
      const auto size = static_cast<std::size_t>(rows * columns);
      for (std::size_t from = 0; from < out.size(); from += size, at_a.next(), at_b.next()) {
        const Panel<Number> x{in[a]->real.data() + base_[a] + at_a.offset, rows, strides_[a][row],
                              steps[0]};
        const Panel<Number> y{in[b]->real.data() + base_[b] + at_b.offset, columns,
                              strides_[b][column], steps[1]};
        if (!domain_.products(x, y, std::span<Number>(out).subspan(from, size))) return false;
      }
      return true;
    } else {
      return false;
    }
  }

  static std::vector<std::int64_t> offsets(const Shape& loops,
                                           const std::vector<std::int64_t>& strides) {
    std::vector<std::int64_t> result;
    Walker at(loops, strides);
    const std::int64_t count = element_count(loops);
    for (std::int64_t i = 0; i < count; ++i, at.next()) result.push_back(at.offset);
    return result;
  }

  template <class T>
  static std::vector<T> part(const std::vector<T>& all, std::size_t first, std::size_t last) {
    return {all.begin() + static_cast<std::ptrdiff_t>(first),
            all.begin() + static_cast<std::ptrdiff_t>(last)};
  }

  // All reduction loops for a block of outputs; the innermost one is the domain's.
  void block(Strided<Number> a, Strided<Number> b, std::span<Number> totals) {
    const std::size_t rank = extents_.size();
    const std::size_t last = rank == split_ ? split_ : rank - 1;
    const std::int64_t run = rank == split_ ? 1 : extents_[last];
    const Shape head = part(extents_, split_, last);
    Walker at_a(head, part(strides_[0], split_, last));
    Walker at_b(head, part(strides_[1], split_, last));
    if (rank != split_) {
      a.step = strides_[0][last];
      b.step = strides_[1][last];
    }
    const std::int64_t count = run == 0 ? 0 : element_count(head);
    for (std::int64_t i = 0; i < count; ++i, at_a.next(), at_b.next()) {
      domain_.dots({a.at + at_a.offset, a.step, a.next}, {b.at + at_b.offset, b.step, b.next}, run,
                   totals);
    }
  }

  Domain& domain_;
  const Shape& extents_;
  std::size_t split_;
  std::int64_t base_[2];
  std::vector<std::int64_t> strides_[2];
};

}  // namespace lamina
