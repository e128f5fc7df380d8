// Arithmetic of tiles on a small instance.
#include "search/block_values.h"

#include <algorithm>
#include <numeric>

#include "graph/meaning/domain.h"
#include "verify/primes.h"

namespace lamina::search {
namespace {

constexpr std::int64_t kTile = 2;   // elements of a part of an axis
constexpr std::int64_t kParts = 2;  // of an axis that is cut

std::uint64_t next_word(void* random) { return static_cast<SecretRandom*>(random)->word(); }

std::int64_t whole_extent(const Dim& extent) { return extent == Dim(1) ? 1 : kTile * kParts; }

std::int64_t product(std::span<const std::int64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<std::int64_t> tile_shape(const std::vector<TileAxis>& axes) {
  std::vector<std::int64_t> shape;
  for (const TileAxis& axis : axes) shape.push_back(BlockFields::tile(axis));
  return shape;
}

std::optional<std::vector<TileAxis>> joined_axes_of(std::span<const BlockValue* const> operands) {
  std::vector<const std::vector<TileAxis>*> axes;
  for (const BlockValue* x : operands) axes.push_back(&x->axes);
  return joined_axes(axes);
}

// What is known only after the loop does not meet what varies in it.
std::optional<bool> joined_after(std::span<const BlockValue* const> operands) {
  bool after = false, varies = false;
  for (const BlockValue* x : operands) {
    after = after || x->after;
    varies = varies || x->varies_in_loop();
  }
  if (after && varies) return std::nullopt;
  return after;
}

std::vector<std::int64_t> joined_points(std::span<const BlockValue* const> operands) {
  std::vector<std::int64_t> points = operands[0]->points;
  for (const BlockValue* x : operands) {
    for (std::size_t i = 0; i < points.size(); ++i) points[i] = std::max(points[i], x->points[i]);
  }
  return points;
}

// Two axes of a tensor may not be cut by the same dimension.
bool cuts_differ(const std::vector<TileAxis>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (axes[i].cut != kWhole && axes[i].cut == axes[j].cut) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::vector<TileAxis>> joined_axes(
    std::span<const std::vector<TileAxis>* const> operands) {
  std::size_t rank = 0;
  for (const std::vector<TileAxis>* x : operands) rank = std::max(rank, x->size());
  std::vector<TileAxis> axes(rank, TileAxis{Dim(1), kWhole});
  for (const std::vector<TileAxis>* x : operands) {
    const std::size_t skip = rank - x->size();
    for (std::size_t i = 0; i < x->size(); ++i) {
      TileAxis& axis = axes[skip + i];
      if ((*x)[i].extent == Dim(1)) continue;
      if (axis.extent == Dim(1)) {
        axis = (*x)[i];
      } else if (!(axis == (*x)[i])) {
        return std::nullopt;
      }
    }
  }
  return axes;
}

std::int64_t BlockFields::tile(const TileAxis& axis) {
  const std::int64_t whole = whole_extent(axis.extent);
  return axis.cut == kWhole || whole == 1 ? whole : kTile;
}

BlockFields::BlockFields(std::size_t grid, bool loops)
    : grid_(grid), loops_(loops), random_(SecretRandom::system_seed()) {
  const PrimeProfile profile = prime_profile(false);
  std::array<PrimePair, kLanes> pairs;
  for (PrimePair& pair : pairs) pair = draw_pair(profile, random_);
  field_ = std::make_unique<ResidueField>(pairs, next_word, &random_);
}

BlockFields::Whole BlockFields::draw(const std::vector<Dim>& shape) const {
  Whole whole{shape, {}};
  std::int64_t count = 1;
  for (const Dim& extent : shape) count *= whole_extent(extent);
  for (std::int64_t i = 0; i < count; ++i) whole.elements.push_back(field_->random());
  return whole;
}

BlockFields::Whole BlockFields::draw_bits(const std::vector<Dim>& shape) const {
  Whole whole{shape, {}};
  std::vector<std::int64_t> extents, tiles;
  for (const Dim& extent : shape) {
    extents.push_back(whole_extent(extent));
    tiles.push_back((extents.back() + kTile - 1) / kTile);
  }
  std::vector<std::int64_t> flips(static_cast<std::size_t>(product(tiles)));
  for (std::int64_t& flip : flips) flip = static_cast<std::int64_t>(random_.below(2));
  const std::vector<std::int64_t> rows = dense_strides(tiles);
  Walker at(Shape(extents.begin(), extents.end()), dense_strides(extents));
  for (std::int64_t i = 0; i < product(extents); ++i, at.next()) {
    std::int64_t tile = 0, bit = 0;
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      tile += at.index[axis] / kTile * rows[axis];
      bit += at.index[axis] % kTile;
    }
    Formal element = field_->integer((bit + flips[static_cast<std::size_t>(tile)]) % 2);
    element.bit = true;
    whole.elements.push_back(element);
  }
  return whole;
}

BlockFields::Whole BlockFields::constant(double value) const {
  return {{}, {field_->constant(value)}};
}

BlockValue BlockFields::blank(std::vector<std::int64_t> points, std::vector<TileAxis> axes,
                              bool after) const {
  BlockValue x{std::move(points), std::move(axes), {}, after};
  x.elements.resize(static_cast<std::size_t>(product(x.points) * product(tile_shape(x.axes))));
  return x;
}

std::optional<BlockValue> BlockFields::checked(BlockValue x) const {
  for (const Formal& element : x.elements) {
    if (element.state == Formal::State::kPoison) return std::nullopt;
  }
  return x;
}

BlockValue BlockFields::load(const Whole& tensor, std::span<const int> given) const {
  std::vector<int> cuts(given.begin(), given.end());
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    if (tensor.shape[i] == Dim(1)) cuts[i] = kWhole;  // one element cannot be cut
  }
  std::vector<std::int64_t> points(grid_ + 1, 1);
  std::vector<TileAxis> axes;
  std::vector<std::int64_t> whole;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    axes.push_back({tensor.shape[i], cuts[i]});
    whole.push_back(whole_extent(tensor.shape[i]));
    if (cuts[i] != kWhole)
      points[cuts[i] == kLoop ? grid_ : static_cast<std::size_t>(cuts[i])] = kParts;
  }
  BlockValue x = blank(points, axes, false);
  const std::vector<std::int64_t> shape = tile_shape(axes);
  const std::vector<std::int64_t> rows = dense_strides(whole);
  auto to = x.elements.begin();
  Walker point(Shape(points.begin(), points.end()), std::vector<std::int64_t>(points.size(), 0));
  for (std::int64_t p = 0; p < product(points); ++p, point.next()) {
    std::int64_t start = 0;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (cuts[i] == kWhole) continue;
      const std::size_t at = cuts[i] == kLoop ? grid_ : static_cast<std::size_t>(cuts[i]);
      start += point.index[at] * kTile * rows[i];
    }
    Walker element(Shape(shape.begin(), shape.end()), rows);
    for (std::int64_t e = 0; e < product(shape); ++e, element.next()) {
      *to++ = tensor.elements[static_cast<std::size_t>(start + element.offset)];
    }
  }
  return x;
}

std::optional<BlockValue> BlockFields::elementwise(
    const OpDef& op, const Attrs& attrs, std::span<const BlockValue* const> operands) const {
  const auto axes = joined_axes_of(operands);
  const auto after = joined_after(operands);
  if (!axes || !after || !cuts_differ(*axes) || op.scalar.formal == nullptr) return std::nullopt;
  BlockValue result = blank(joined_points(operands), *axes, *after);
  const std::vector<std::int64_t> tile = tile_shape(*axes);
  std::vector<std::int64_t> all = result.points;
  all.insert(all.end(), tile.begin(), tile.end());
  std::vector<Walker> at;
  for (const BlockValue* x : operands) {
    std::vector<std::int64_t> extents = x->points;
    extents.resize(x->points.size() + axes->size() - x->axes.size(), 1);
    const std::vector<std::int64_t> own = tile_shape(x->axes);
    extents.insert(extents.end(), own.begin(), own.end());
    at.emplace_back(Shape(all.begin(), all.end()), broadcast_strides(extents, all));
  }
  std::vector<Formal> values(operands.size());
  for (Formal& element : result.elements) {
    for (std::size_t k = 0; k < operands.size(); ++k) {
      values[k] = operands[k]->elements[static_cast<std::size_t>(at[k].offset)];
      at[k].next();
    }
    element = op.scalar.formal(values, attrs);
  }
  return checked(std::move(result));
}

std::optional<BlockValue> BlockFields::matmul(const BlockValue& a, const BlockValue& b) const {
  const std::size_t ra = a.axes.size(), rb = b.axes.size();
  if (ra < 2 || rb < 2) return std::nullopt;
  const TileAxis &row = a.axes[ra - 2], &inner = a.axes[ra - 1], &column = b.axes[rb - 1];
  if (!(inner == b.axes[rb - 2]) || inner.cut >= 0) return std::nullopt;
  const BlockValue* const both[] = {&a, &b};
  const auto after = joined_after(both);
  if (!after) return std::nullopt;
  // Batch axes broadcast like those of element-wise operators.
  const std::vector<TileAxis> batch_a(a.axes.begin(), a.axes.end() - 2);
  const std::vector<TileAxis> batch_b(b.axes.begin(), b.axes.end() - 2);
  const std::vector<TileAxis>* const batches[] = {&batch_a, &batch_b};
  auto axes = joined_axes(batches);
  if (!axes) return std::nullopt;
  const std::vector<TileAxis> batch = *axes;
  axes->push_back(row);
  axes->push_back(column);
  if (!cuts_differ(*axes)) return std::nullopt;
  BlockValue result = blank(joined_points(both), *axes, *after);
  const std::int64_t m = tile(row), k = tile(inner), n = tile(column);
  std::vector<std::int64_t> all = result.points;
  for (const TileAxis& axis : batch) all.push_back(tile(axis));
  const auto walker = [&](const BlockValue& x) {
    std::vector<std::int64_t> extents = x.points;
    extents.resize(x.points.size() + batch.size() - (x.axes.size() - 2), 1);
    for (std::size_t i = 0; i + 2 < x.axes.size(); ++i) extents.push_back(tile(x.axes[i]));
    return Walker(Shape(all.begin(), all.end()), broadcast_strides(extents, all));
  };
  Walker at_a = walker(a), at_b = walker(b);
  auto to = result.elements.begin();
  for (std::int64_t i = 0; i < product(all); ++i, at_a.next(), at_b.next()) {
    const Formal* x = a.elements.data() + at_a.offset * m * k;
    const Formal* y = b.elements.data() + at_b.offset * k * n;
    for (std::int64_t r = 0; r < m; ++r, to += n) {
      std::fill(to, to + n, field_->integer(0));
      field_->dots({x + r * k, 1, 0}, {y, n, 1}, k, {&*to, static_cast<std::size_t>(n)});
    }
  }
  return checked(std::move(result));
}

std::optional<BlockValue> BlockFields::transpose(const BlockValue& x) const {
  const std::size_t rank = x.axes.size();
  if (rank < 2) return std::nullopt;
  BlockValue result = x;
  std::swap(result.axes[rank - 1], result.axes[rank - 2]);
  const std::int64_t rows = tile(x.axes[rank - 2]), columns = tile(x.axes[rank - 1]);
  for (std::size_t at = 0; at < x.elements.size(); at += static_cast<std::size_t>(rows * columns)) {
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      result.elements[at + static_cast<std::size_t>(i % columns * rows + i / columns)] =
          x.elements[at + static_cast<std::size_t>(i)];
    }
  }
  return result;
}

std::optional<BlockValue> BlockFields::reduce(const BlockValue& x, bool largest, std::size_t axis,
                                              bool keep) const {
  if (axis == 0 || axis > x.axes.size()) return std::nullopt;
  const std::size_t at = x.axes.size() - axis;
  if (x.axes[at].cut >= 0 || x.axes[at].extent == Dim(1)) return std::nullopt;
  std::vector<TileAxis> axes = x.axes;
  axes[at] = {Dim(1), kWhole};
  BlockValue result = blank(x.points, axes, x.after);
  std::int64_t inner = 1;
  for (std::size_t i = at + 1; i < x.axes.size(); ++i) inner *= tile(x.axes[i]);
  const std::int64_t extent = tile(x.axes[at]);
  std::vector<Formal> terms(static_cast<std::size_t>(extent));
  for (std::size_t e = 0; e < result.elements.size(); ++e) {
    const auto outer = static_cast<std::int64_t>(e) / inner;
    const auto within = static_cast<std::int64_t>(e) % inner;
    for (std::int64_t k = 0; k < extent; ++k) {
      terms[static_cast<std::size_t>(k)] =
          x.elements[static_cast<std::size_t>((outer * extent + k) * inner + within)];
    }
    Formal total = terms[0];
    if (largest) {
      total = lamina::greatest(*field_, terms);
    } else {
      for (std::size_t k = 1; k < terms.size(); ++k) total = total + terms[k];
    }
    result.elements[e] = total;
  }
  if (!keep) result.axes.erase(result.axes.begin() + static_cast<std::ptrdiff_t>(at));
  return checked(std::move(result));
}

std::optional<BlockValue> BlockFields::accumulate(const BlockValue& x, bool largest) const {
  if (!loops_ || x.after || !x.varies_in_loop()) return std::nullopt;
  if (std::any_of(x.axes.begin(), x.axes.end(), [](const TileAxis& a) { return a.cut == kLoop; })) {
    return std::nullopt;
  }
  std::vector<std::int64_t> points = x.points;
  points.back() = 1;
  BlockValue result = blank(points, x.axes, true);
  const auto size = static_cast<std::size_t>(product(tile_shape(x.axes)));
  for (std::size_t e = 0; e < result.elements.size(); ++e) {
    const std::size_t first = e / size * size * kParts + e % size;
    const Formal parts[] = {x.elements[first], x.elements[first + size]};
    result.elements[e] = largest ? lamina::greatest(*field_, parts) : parts[0] + parts[1];
  }
  return checked(std::move(result));
}

std::optional<BlockValue> BlockFields::running_largest(const BlockValue& x) const {
  if (!accumulate(x, true)) return std::nullopt;
  BlockValue result = x;
  const auto size = static_cast<std::size_t>(product(tile_shape(x.axes)));
  for (std::size_t first = 0; first < x.elements.size(); first += kParts * size) {
    for (std::size_t e = first + size; e < first + 2 * size; ++e) {
      const Formal parts[] = {x.elements[e - size], x.elements[e]};
      result.elements[e] = lamina::greatest(*field_, parts);
    }
  }
  return checked(std::move(result));
}

std::optional<BlockValue> BlockFields::rescaled_sum(const BlockValue& x,
                                                    const BlockValue& m) const {
  if (!x.varies_in_loop() || !m.varies_in_loop()) return std::nullopt;
  BlockValue last = m;
  const auto size = static_cast<std::size_t>(product(tile_shape(m.axes)));
  for (std::size_t first = 0; first < m.elements.size(); first += kParts * size) {
    std::copy_n(m.elements.begin() + static_cast<std::ptrdiff_t>(first + size), size,
                last.elements.begin() + static_cast<std::ptrdiff_t>(first));
  }
  const BlockValue* const difference[] = {&m, &last};
  const auto shift = elementwise(find_op("sub"), {}, difference);
  if (!shift) return std::nullopt;
  const BlockValue* const argument[] = {&*shift};
  const auto factor = elementwise(find_op("exp"), {}, argument);
  if (!factor) return std::nullopt;
  const BlockValue* const factors[] = {&x, &*factor};
  const auto scaled = elementwise(find_op("mul"), {}, factors);
  return scaled && scaled->axes == x.axes ? accumulate(*scaled, false) : std::nullopt;
}

Fingerprint BlockFields::fingerprint(const BlockValue& x) const {
  Fingerprint hash = {0x243f6a8885a308d3u, 0x13198a2e03707344u};
  const auto mix = [&](std::uint64_t word) {
    hash[0] = (hash[0] ^ word) * 0x9e3779b97f4a7c15u;
    hash[0] ^= hash[0] >> 29;
    hash[1] = (hash[1] + word) * 0xd6e8feb86659fd93u;
    hash[1] ^= hash[1] >> 32;
  };
  mix(x.after ? 1 : 0);
  for (const std::int64_t count : x.points) mix(static_cast<std::uint64_t>(count));
  for (const TileAxis& axis : x.axes) {
    mix(static_cast<std::uint64_t>(axis.cut + 3));
    for (const char c : axis.extent.to_string()) mix(static_cast<std::uint64_t>(c));
  }
  for (const Formal& element : x.elements) {
    mix(static_cast<std::uint64_t>(element.state));
    if (!element.finite()) continue;
    for (const std::uint64_t residue : element.p) mix(residue);
  }
  return hash;
}

}  // namespace lamina::search
