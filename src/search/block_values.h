// Values of block programs on a small instance, for all points of the grid and all iterations of
// the loop at once: every axis that is cut has two parts of two elements. Over fields of random
// primes (src/num/residue_field.h), so that equal fingerprints mean equal values but for an error
// that no search meets; what a search finds is proved afterwards on fresh primes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "graph/op_def.h"
#include "lamina/graph.h"
#include "num/residue_field.h"
#include "search/tiling.h"
#include "verify/secret_random.h"

namespace lamina::search {

struct TileAxis {
  Dim extent;  // of the whole axis
  int cut = kWhole;
  bool operator==(const TileAxis&) const = default;
};

// Axes of an element-wise result, aligned at the end: the operands' agree or have one element.
// Nothing where they do not.
std::optional<std::vector<TileAxis>> joined_axes(
    std::span<const std::vector<TileAxis>* const> operands);

// A tile for each point of the grid and each iteration of the loop.
struct BlockValue {
  std::vector<std::int64_t> points;  // of each grid dimension, then of the loop; 1 where all agree
  std::vector<TileAxis> axes;
  std::vector<Formal> elements;  // [points..., tile...]
  bool after = false;            // exists only when the loop has ended

  bool varies_in_loop() const { return points.back() > 1; }
};

using Fingerprint = std::array<std::uint64_t, 2>;

// The arithmetic. Operations return nothing where they do not apply (shapes, cuts) or where an
// element is undefined.
class BlockFields {
 public:
  // `grid` dimensions, and a loop if `loops`.
  BlockFields(std::size_t grid, bool loops);

  // The elements of a whole tensor, drawn; their tiles come from load().
  struct Whole {
    std::vector<Dim> shape;
    std::vector<Formal> elements;
  };
  Whole draw(const std::vector<Dim>& shape) const;
  // Zeros and ones; each is among any two neighbours in a tile, so that no tile is masked whole.
  Whole draw_bits(const std::vector<Dim>& shape) const;
  Whole constant(double value) const;

  BlockValue load(const Whole& tensor, std::span<const int> cuts) const;
  std::optional<BlockValue> elementwise(const OpDef& op, const Attrs& attrs,
                                        std::span<const BlockValue* const> operands) const;
  std::optional<BlockValue> matmul(const BlockValue& a, const BlockValue& b) const;
  // Exchanges the last two axes.
  std::optional<BlockValue> transpose(const BlockValue& x) const;
  // Over one axis, counted from the end (1: the last), which is kept with one element or dropped.
  std::optional<BlockValue> reduce(const BlockValue& x, bool largest, std::size_t axis,
                                   bool keep) const;
  // Over all iterations of the loop.
  std::optional<BlockValue> accumulate(const BlockValue& x, bool largest) const;
  // The largest so far, in each iteration.
  std::optional<BlockValue> running_largest(const BlockValue& x) const;
  // The sum over iterations i of x_i e^(m_i - m_last): what a sum that is rescaled whenever the
  // running maximum m grows ends as.
  std::optional<BlockValue> rescaled_sum(const BlockValue& x, const BlockValue& m) const;

  Fingerprint fingerprint(const BlockValue& x) const;

  static std::int64_t tile(const TileAxis& axis);

 private:
  BlockValue blank(std::vector<std::int64_t> points, std::vector<TileAxis> axes, bool after) const;
  std::optional<BlockValue> checked(BlockValue x) const;

  std::size_t grid_;
  bool loops_;
  mutable SecretRandom random_;
  std::unique_ptr<ResidueField> field_;
};

}  // namespace lamina::search
