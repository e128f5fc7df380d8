// Text of products: which arithmetic, how warps share the pieces, and the calls.
#include <algorithm>
#include <optional>

#include "base/check.h"
#include "exec/cpu/emit_common.h"
#include "exec/cuda/block_step.h"

namespace lamina::cuda {

using cpu::BlockProduct;
using cpu::Place;

namespace {

constexpr std::int64_t kPieceRows = 16;
constexpr std::int64_t kPieceColumns = 8;
constexpr std::int64_t kPieceRegisters = 4;  // of a thread, for the sums of a piece
constexpr std::int64_t kMatrixSide = 8;      // of what ldmatrix loads: 16 bytes of elements

std::int64_t pieces(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

// Tensor cores multiply what has at most their precision: two tiles of one 16-bit type as they are,
// a 16-bit type and floats as tf32 (whose 11 bits hold both 16-bit types), floats by plain
// multiply-adds, for which tf32 would be too coarse.
std::string arithmetic_of(DType a, DType b) {
  const auto is_short = [](DType dtype) { return dtype == DType::kBF16 || dtype == DType::kF16; };
  if (a == b && is_short(a)) return a == DType::kBF16 ? "LmBf16" : "LmF16";
  return is_short(a) || is_short(b) ? "LmTf32" : "LmFma";
}

// True if the arithmetic's operands are elements of this type, bit by bit.
bool takes(std::string_view arithmetic, DType dtype) {
  return (arithmetic == "LmBf16" && dtype == DType::kBF16) ||
         (arithmetic == "LmF16" && dtype == DType::kF16);
}

}  // namespace

std::string ProductFormat::type() const {
  return fmt::format("LmProduct<{}, {}, {}, {}, {}>", arithmetic, rows, columns, row_pieces,
                     column_pieces);
}

// Half of a thread's registers may hold sums; what is larger is computed in steps.
ProductFormat StepWriter::format(NodeId id) const {
  const BlockProduct& product = plan_.products.at(id);
  const auto size = [&](const std::vector<int>& loops) {
    std::int64_t n = 1;
    for (const Dim& dim : cpu::extents_of(product.form, loops)) n *= constant_of(dim, "a product");
    return n;
  };
  const auto& inputs = plan_.node(id).inputs;
  ProductFormat format;
  format.arithmetic =
      arithmetic_of(plan_.graph.type(inputs[0]).dtype, plan_.graph.type(inputs[1]).dtype);
  const std::int64_t rows = pieces(size(product.loops.m), kPieceRows);
  const std::int64_t columns = pieces(size(product.loops.n), kPieceColumns);
  while (format.rows * 2 <= std::min<std::int64_t>(tiles_.warps, rows)) format.rows *= 2;
  format.columns = tiles_.warps / format.rows;
  const std::int64_t most =
      std::max<std::int64_t>(1, std::min<std::int64_t>(machine_.registers_per_thread,
                                                       machine_.registers_per_block / threads()) /
                                    2 / kPieceRegisters);
  const std::int64_t down = pieces(rows, format.rows), right = pieces(columns, format.columns);
  const std::int64_t down_now = std::min(down, most);
  const std::int64_t right_now = std::min(right, std::max<std::int64_t>(1, most / down_now));
  format.row_pieces = static_cast<int>(down_now);
  format.column_pieces = static_cast<int>(right_now);
  format.row_steps = pieces(down, down_now);
  format.column_steps = pieces(right, right_now);
  return format;
}

struct StepWriter::Side {
  bool is_a = true;
  std::string first;  // row or column of the step
  std::string depth;  // where a staged product is along k; "": not staged
};

// The length of the loop now, from the operand axis that it walks.
std::string StepWriter::loop_extent(NodeId id, const std::vector<int>& loops) {
  if (loops.empty()) return "1";
  const BlockProduct& product = plan_.products.at(id);
  std::string found = "(int)" + text(product.form.extents[static_cast<std::size_t>(loops[0])]);
  for (std::size_t k = 0; k < product.form.operands.size(); ++k) {
    const NodeId from = plan_.node(id).inputs[k].node;
    const auto& axes = product.form.operands[k].axes;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const bool walks = !axes[a].loops.empty() && axes[a].loops[0].loop == loops[0];
      if (walks && plan_.value(from).cuts[a] >= 0) found = extent(from, a);
    }
  }
  return found;
}

std::string StepWriter::length_from(NodeId id, const std::vector<int>& loops,
                                    const std::string& first) {
  const std::string length = loop_extent(id, loops);
  return first.empty() ? length : fmt::format("{} - {}", length, first);
}

std::string StepWriter::batch_offset(const Place& place, const Dims& strides, NodeId id) {
  std::string out;
  for (const int loop : plan_.products.at(id).loops.batch) {
    const Dim& step = strides[static_cast<std::size_t>(loop)];
    if (step != Dim(0)) out += fmt::format(" + {} * b{}", stride(place, step), loop);
  }
  return out;
}

std::string StepWriter::operand(NodeId id, const Side& side, bool in_steps) {
  const BlockProduct& product = plan_.products.at(id);
  const int index = side.is_a ? product.loops.a : product.loops.b;
  const Dims& strides = side.is_a ? product.strides_a : product.strides_b;
  const std::vector<int>& own = side.is_a ? product.loops.m : product.loops.n;
  const Place& place =
      plan_.value(plan_.node(id).inputs[static_cast<std::size_t>(index)].node).place;
  const auto step = [&](const std::vector<int>& loops) {
    return loops.empty() ? std::string(place.scratch ? "0" : "0L")
                         : stride(place, strides[static_cast<std::size_t>(loops[0])]);
  };
  const std::string across = step(own);
  const std::string first = in_steps ? side.first : "";
  std::string skip = first.empty() ? "" : fmt::format(" + {} * {}", across, first);
  if (!side.depth.empty()) {
    skip += fmt::format(" + {} * {}", step(product.loops.k), side.depth);
  }
  const std::string from = base(place) + batch_offset(place, strides, id) + skip;
  const std::string length = length_from(id, own, first);
  if (const auto stride = matrix_stride(id, side)) {
    return fmt::format("lm_matrix<{}>({}, {}, {})",
                       strides[static_cast<std::size_t>(product.loops.k[0])] == Dim(1), from,
                       *stride, length);
  }
  return fmt::format("lm_operand({}, {}, {}, {})", from, across, step(product.loops.k), length);
}

// The distance of rows in shared memory that ldmatrix can read: of elements that the tensor cores
// take as they are, beginning at multiples of 16 bytes.
std::optional<std::int64_t> StepWriter::matrix_stride(NodeId id, const Side& side) const {
  const BlockProduct& product = plan_.products.at(id);
  const int index = side.is_a ? product.loops.a : product.loops.b;
  const Place& place =
      plan_.value(plan_.node(id).inputs[static_cast<std::size_t>(index)].node).place;
  const std::vector<int>& own = side.is_a ? product.loops.m : product.loops.n;
  if (!place.scratch || !place.offsets.empty() || !takes(format(id).arithmetic, place.dtype) ||
      own.size() != 1 || product.loops.k.size() != 1) {
    return std::nullopt;
  }
  const Dims& strides = side.is_a ? product.strides_a : product.strides_b;
  std::int64_t rows = 0;
  int dense = 0;
  for (std::size_t loop = 0; loop < strides.size(); ++loop) {
    const auto stride = strides[loop].constant();
    if (!stride) return std::nullopt;
    const bool of_piece =
        static_cast<int>(loop) == own[0] || static_cast<int>(loop) == product.loops.k[0];
    if (of_piece && *stride == 1) {
      ++dense;
    } else if (*stride % kMatrixSide != 0) {
      return std::nullopt;
    } else if (of_piece) {
      rows = *stride;
    }
  }
  return dense == 1 && rows > 0 ? std::optional(rows) : std::nullopt;
}

// Copies the rows of a factor from depth k0 on, up to `now` deep, into buffer `buffer`.
std::string StepWriter::stage_text(NodeId id, const Side& side, bool in_steps) {
  const StagedProduct& staged = tiles_.products.at(id);
  const auto& factor = side.is_a ? staged.a : staged.b;
  if (!factor) return "";
  const BlockProduct& product = plan_.products.at(id);
  const std::vector<int>& own = side.is_a ? product.loops.m : product.loops.n;
  const Dims& strides = side.is_a ? product.strides_a : product.strides_b;
  const int index = side.is_a ? product.loops.a : product.loops.b;
  const Place& place =
      plan_.value(plan_.node(id).inputs[static_cast<std::size_t>(index)].node).place;
  const Area& area = tiles_.areas.at(factor->area);
  const std::string length = length_from(id, own, in_steps ? side.first : "");
  const std::string first = in_steps ? side.first : "0";
  const std::string across = stride(place, strides[static_cast<std::size_t>(own[0])]);
  const std::string along = stride(place, strides[static_cast<std::size_t>(product.loops.k[0])]);
  const std::int64_t unit =
      std::max<std::int64_t>(1, factor->copy_bytes / element_bytes(place.dtype));
  const std::string rows = factor->along_k ? length : "now";
  const std::string columns = factor->along_k ? "now" : length;
  const std::string row = factor->along_k ? across : along;
  const std::string origin = factor->along_k ? fmt::format("{} * {} + k0", across, first)
                                             : fmt::format("{} * k0 + {}", along, first);
  return fmt::format(
      "const int units_{0} = ({1} + {2}) / {3};\n"
      "for (int i = thread; i < ({4}) * units_{0}; i += {5}) {{\n"
      "const int r = i / units_{0}, q = i % units_{0} * {3};\n"
      "LmCopy<{6}>::run({0} + buffer * {7} + r * {8} + q,\n{9}{10} + {11} + {12} * r + q, {13} - "
      "q);\n}}\n",
      factor->area, columns, unit - 1, unit, rows, threads(), factor->copy_bytes, area.elements,
      factor->row, base(place), batch_offset(place, strides, id), origin, row, columns);
}

std::string StepWriter::staged_operand(NodeId id, const Side& side, bool in_steps) {
  const StagedProduct& staged = tiles_.products.at(id);
  const auto& factor = side.is_a ? staged.a : staged.b;
  if (!factor) return operand(id, {side.is_a, side.first, "k0"}, in_steps);
  const BlockProduct& product = plan_.products.at(id);
  const std::vector<int>& own = side.is_a ? product.loops.m : product.loops.n;
  const std::string from =
      fmt::format("{} + buffer * {}", factor->area, tiles_.areas.at(factor->area).elements);
  const std::string length = length_from(id, own, in_steps ? side.first : "");
  const int index = side.is_a ? product.loops.a : product.loops.b;
  const DType dtype =
      plan_.value(plan_.node(id).inputs[static_cast<std::size_t>(index)].node).place.dtype;
  if (takes(format(id).arithmetic, dtype)) {
    return fmt::format("lm_matrix<{}>({}, {}, {})", factor->along_k, from, factor->row, length);
  }
  return fmt::format("lm_operand({}, {}, {}, {})", from, factor->along_k ? factor->row : 1,
                     factor->along_k ? 1 : factor->row, length);
}

// The product piece by piece along k: the copies of the next piece run while this one is used.
std::string StepWriter::staged_adds(NodeId id, const std::string& registers, bool in_steps) {
  if (tiles_.products.count(id) == 0) return add_call(id, registers, in_steps);
  const std::string depth = loop_extent(id, plan_.products.at(id).loops.k);
  const std::int64_t most = tiles_.products.at(id).depth;
  return fmt::format(
      "{{\nconst int depth = {0};\n"
      "const auto stage = [&](int k0, int buffer) {{\n"
      "const int now = depth - k0 < {1} ? depth - k0 : {1};\n{2}{3}lm_copy_commit();\n}};\n"
      "LM_SYNC();\nif (depth > 0) stage(0, 0);\n"
      "for (int k0 = 0, buffer = 0; k0 < depth; k0 += {1}, buffer ^= 1) {{\n"
      "lm_copy_wait<0>();\nLM_SYNC();\n"
      "if (k0 + {1} < depth) stage(k0 + {1}, buffer ^ 1);\n"
      "{6}.add({4},\n{5},\ndepth - k0 < {1} ? depth - k0 : {1});\n}}\n}}\n",
      depth, most, stage_text(id, {true, "m0", ""}, in_steps),
      stage_text(id, {false, "n0", ""}, in_steps), staged_operand(id, {true, "m0", ""}, in_steps),
      staged_operand(id, {false, "n0", ""}, in_steps), registers);
}

std::string StepWriter::add_call(NodeId id, const std::string& registers, bool in_steps) {
  return fmt::format("{}.add({},\n{},\n{});\n", registers, operand(id, {true, "m0", ""}, in_steps),
                     operand(id, {false, "n0", ""}, in_steps),
                     loop_extent(id, plan_.products.at(id).loops.k));
}

// `registers.load(...)` or `.store(...)`, of the tile at `place`.
std::string StepWriter::memory_call(NodeId id, std::string_view call, const Place& place,
                                    bool in_steps) {
  const BlockProduct& product = plan_.products.at(id);
  const auto step = [&](const std::vector<int>& loops) {
    return loops.empty() ? std::string("0")
                         : text(place.strides[static_cast<std::size_t>(loops[0])]);
  };
  const std::string down = step(product.loops.m), right = step(product.loops.n);
  const std::string skip = in_steps ? fmt::format(" + {} * m0 + {} * n0", down, right) : "";
  return fmt::format("{}({}{}{}, {}, {}, {}, {});\n", call, base(place),
                     batch_offset(place, place.strides, id), skip, down, right,
                     length_from(id, product.loops.m, in_steps ? "m0" : ""),
                     length_from(id, product.loops.n, in_steps ? "n0" : ""));
}

std::string StepWriter::store_registers(NodeId product, const std::string& registers,
                                        const Place& place) {
  return memory_call(product, registers + ".store", place, false);
}

BlockStep StepWriter::reads_of(NodeId id) const {
  BlockStep step;
  for (const Value& input : plan_.node(id).inputs) {
    const Place& place = plan_.value(input.node).place;
    if (place.scratch) step.reads.insert(place.pointer);
  }
  return step;
}

BlockStep StepWriter::accumulation(NodeId id, const std::string& registers) {
  BlockStep step = reads_of(id);
  step.text = staged_adds(id, registers, false);
  return step;
}

BlockStep StepWriter::product(NodeId id, const Place* onto) {
  const BlockProduct& product = plan_.products.at(id);
  const Place& place = onto != nullptr ? *onto : plan_.value(id).place;
  const ProductFormat format = this->format(id);
  const bool in_steps = format.row_steps * format.column_steps > 1;
  BlockStep step = reads_of(id);
  step.writes.insert(place.pointer);
  std::size_t braces = 1;
  step.text = "{\n";
  for (const int loop : product.loops.batch) {
    step.text +=
        fmt::format("for (int b{0} = 0; b{0} < {1}; ++b{0}) {{\n", loop, loop_extent(id, {loop}));
    ++braces;
  }
  if (in_steps) {
    step.text += fmt::format(
        "for (int m0 = 0; m0 < {}; m0 += {})\nfor (int n0 = 0; n0 < {}; n0 += {}) {{\n",
        loop_extent(id, product.loops.m), format.rows * format.row_pieces * kPieceRows,
        loop_extent(id, product.loops.n), format.columns * format.column_pieces * kPieceColumns);
    ++braces;
  }
  step.text += fmt::format("{} c;\n", format.type());
  step.text += onto != nullptr ? memory_call(id, "c.load", place, in_steps) : "c.fill(0.0f);\n";
  step.text += staged_adds(id, "c", in_steps);
  step.text += memory_call(id, "c.store", place, in_steps) + cpu::close_braces(braces);
  return step;
}

}  // namespace lamina::cuda
