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

static_assert(sizeof(Lanes) == sizeof(LaneWords));

LaneWords words_of(const Lanes& x) {
  LaneWords words;
  std::copy(x.begin(), x.end(), words.lane);
  return words;
}

LaneModuli kernel_moduli(const Moduli& moduli) {
  constexpr std::uint64_t kNarrow = std::uint64_t{1} << 31;
  LaneModuli result{{}, true, {}, {}, {}, {}};
  for (std::size_t i = 0; i < kLanes; ++i) {
    result.value.lane[i] = moduli[i].value();
    result.narrow = result.narrow && moduli[i].value() < kNarrow;
    result.power_26.lane[i] = moduli[i].power(2, 26);
    result.power_30.lane[i] = moduli[i].power(2, 30);
    result.power_50.lane[i] = moduli[i].power(2, 50);
    result.power_76.lane[i] = moduli[i].power(2, 76);
  }
  return result;
}

// The terms [from, to) of all lines, `width` lines to a panel; lines that are not there are 0.
struct Panels {
  std::int64_t width;
  std::int64_t from;
  std::int64_t to;
  std::int64_t size() const { return (to - from) * width; }
};

std::vector<LaneWords> packed(const LaneMatrix& matrix, const Panels& panels,
                              const LaneKernel& kernel, const LaneModuli& moduli) {
  const std::int64_t count = (matrix.lines + panels.width - 1) / panels.width;
  std::vector<LaneWords> words(static_cast<std::size_t>(count * panels.size()));
  std::vector<LaneWords> line(static_cast<std::size_t>(panels.to - panels.from));
  for (std::int64_t i = 0; i < matrix.lines; ++i) {
    const auto first = matrix.elements.begin() + i * matrix.depth;
    std::transform(first + panels.from, first + panels.to, line.begin(), words_of);
    kernel.pack(line.data(), panels.to - panels.from, moduli,
                words.data() + i / panels.width * panels.size() + i % panels.width, panels.width);
  }
  return words;
}

class Product {
 public:
  Product(const LaneMatrix& a, const LaneMatrix& b, const Moduli& moduli, const LaneKernel& kernel)
      : a_(a), b_(b), moduli_(moduli), lanes_(kernel_moduli(moduli)), kernel_(kernel) {}

  std::vector<Lanes> run() {
    totals_.assign(static_cast<std::size_t>(a_.lines * b_.lines), Lanes{});
    for (std::int64_t from = 0; from < a_.depth; from += LaneKernel::kMostTerms) {
      terms(from, std::min(from + LaneKernel::kMostTerms, a_.depth));
    }
    return std::move(totals_);
  }

 private:
  void terms(std::int64_t from, std::int64_t to) {
    const Panels rows{kernel_.rows, from, to};
    const Panels columns{kernel_.columns, from, to};
    const std::vector<LaneWords> a = packed(a_, rows, kernel_, lanes_);
    const std::vector<LaneWords> b = packed(b_, columns, kernel_, lanes_);
    std::vector<LaneWords> sums(static_cast<std::size_t>(rows.width * columns.width));
    for (std::int64_t j = 0; j < b_.lines; j += columns.width) {
      const LaneWords* right = b.data() + j / columns.width * columns.size();
      for (std::int64_t i = 0; i < a_.lines; i += rows.width) {
        kernel_.block(a.data() + i / rows.width * rows.size(), right, to - from, lanes_,
                      sums.data());
        put(i, j, sums, from == 0);
      }
    }
  }

  void put(std::int64_t first_row, std::int64_t first_column, std::span<const LaneWords> sums,
           bool first) {
    const std::int64_t rows = std::min<std::int64_t>(kernel_.rows, a_.lines - first_row);
    const std::int64_t columns = std::min<std::int64_t>(kernel_.columns, b_.lines - first_column);
    for (std::int64_t i = 0; i < rows; ++i) {
      Lanes* total = totals_.data() + (first_row + i) * b_.lines + first_column;
      for (std::int64_t j = 0; j < columns; ++j) {
        const LaneWords& sum = sums[static_cast<std::size_t>(i * kernel_.columns + j)];
        for (std::size_t k = 0; k < kLanes; ++k) {
          total[j][k] = first ? sum.lane[k] : moduli_[k].add(total[j][k], sum.lane[k]);
        }
      }
    }
  }

  const LaneMatrix& a_;
  const LaneMatrix& b_;
  const Moduli& moduli_;
  LaneModuli lanes_;
  const LaneKernel& kernel_;
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
