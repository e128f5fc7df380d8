// Packing, blocking and reducing around the kernels of products.
#include "num/lane_products.h"

#include <algorithm>
#include <span>

#include "num/lane_kernel.h"

namespace lamina {
namespace {

static_assert(kLanes == kKernelLanes);

using Moduli = std::array<Modulus, kLanes>;

// The kernels that this CPU runs, the fastest first.
std::vector<const LaneKernel*> kernels_here() {
  std::vector<const LaneKernel*> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    kernels.push_back(&kIfmaKernel);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back(&kFmaKernel);
  }
#endif
  kernels.push_back(&kPortableKernel);
  return kernels;
}

// Terms between two reductions: a panel of each operand stays in the caches.
constexpr std::int64_t kRun = 512;
static_assert(kRun <= LaneKernel::kMostTerms);

// Lines [first, first + width) of the terms [from, to) for a kernel; lines that are not there are
// 0.
struct Panels {
  std::int64_t width;
  std::int64_t from;
  std::int64_t to;
  std::int64_t size() const { return (to - from) * width; }
};

std::vector<LaneWords> packed(const LaneMatrix& matrix, const Panels& panels,
                              const LaneKernel& kernel, const Moduli& moduli) {
  const std::int64_t count = (matrix.lines + panels.width - 1) / panels.width;
  std::vector<LaneWords> words(static_cast<std::size_t>(count * panels.size()));
  for (std::int64_t line = 0; line < matrix.lines; ++line) {
    LaneWords* to = words.data() + line / panels.width * panels.size() + line % panels.width;
    const Lanes* from = matrix.elements.data() + line * matrix.depth;
    for (std::int64_t k = panels.from; k < panels.to; ++k, to += panels.width) {
      for (std::size_t i = 0; i < kLanes; ++i)
        to->lane[i] = kernel.word(from[k][i], moduli[i].value());
    }
  }
  return words;
}

class Product {
 public:
  Product(const LaneMatrix& a, const LaneMatrix& b, const Moduli& moduli, const LaneKernel& kernel)
      : a_(a), b_(b), moduli_(moduli), kernel_(kernel) {
    narrow_ = std::all_of(moduli.begin(), moduli.end(), [](const Modulus& m) {
      return m.value() < static_cast<std::uint64_t>(LaneKernel::kNarrow);
    });
    for (std::size_t i = 0; i < kLanes; ++i) {
      const int scale = narrow_ ? kernel.narrow_scale : kernel.scale;
      power_[i] = moduli[i].reduce(std::int64_t{1} << scale);
    }
  }

  std::vector<Lanes> run() {
    totals_.assign(static_cast<std::size_t>(a_.lines * b_.lines), Lanes{});
    for (std::int64_t from = 0; from < a_.depth; from += kRun) {
      terms(from, std::min(from + kRun, a_.depth));
    }
    return std::move(totals_);
  }

 private:
  void terms(std::int64_t from, std::int64_t to) {
    const Panels rows{kernel_.rows, from, to};
    const Panels columns{kernel_.columns, from, to};
    const std::vector<LaneWords> a = packed(a_, rows, kernel_, moduli_);
    const std::vector<LaneWords> b = packed(b_, columns, kernel_, moduli_);
    const auto block = narrow_ ? kernel_.narrow_block : kernel_.block;
    std::vector<LaneSum> sums(static_cast<std::size_t>(rows.width * columns.width));
    for (std::int64_t j = 0; j < b_.lines; j += columns.width) {
      const LaneWords* right = b.data() + j / columns.width * columns.size();
      for (std::int64_t i = 0; i < a_.lines; i += rows.width) {
        block(a.data() + i / rows.width * rows.size(), right, to - from, sums.data());
        add(i, j, sums);
      }
    }
  }

  void add(std::int64_t first_row, std::int64_t first_column, std::span<const LaneSum> sums) {
    const std::int64_t rows = std::min<std::int64_t>(kernel_.rows, a_.lines - first_row);
    const std::int64_t columns = std::min<std::int64_t>(kernel_.columns, b_.lines - first_column);
    for (std::int64_t i = 0; i < rows; ++i) {
      Lanes* total = totals_.data() + (first_row + i) * b_.lines + first_column;
      for (std::int64_t j = 0; j < columns; ++j) {
        const LaneSum& sum = sums[static_cast<std::size_t>(i * kernel_.columns + j)];
        for (std::size_t k = 0; k < kLanes; ++k) {
          const Modulus& m = moduli_[k];
          const std::uint64_t high = m.multiply(m.reduce(sum.high[k]), power_[k]);
          total[j][k] = m.add(total[j][k], m.add(high, m.reduce(sum.low[k])));
        }
      }
    }
  }

  const LaneMatrix& a_;
  const LaneMatrix& b_;
  const Moduli& moduli_;
  const LaneKernel& kernel_;
  bool narrow_ = false;
  Lanes power_{};  // 2^scale
  std::vector<Lanes> totals_;
};

}  // namespace

std::vector<Lanes> lane_products(const LaneMatrix& a, const LaneMatrix& b, const Moduli& moduli) {
  static const LaneKernel& best = *kernels_here().front();
  return Product(a, b, moduli, best).run();
}

std::vector<Lanes> lane_products_by(std::string_view name, const LaneMatrix& a, const LaneMatrix& b,
                                    const Moduli& moduli) {
  for (const LaneKernel* kernel : kernels_here()) {
    if (kernel->name == name) return Product(a, b, moduli, *kernel).run();
  }
  return {};
}

}  // namespace lamina
