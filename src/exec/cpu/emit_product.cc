// Kernels of matrix products (contractions of two operands) from register tiles.
//
// A task computes a block of rows times a few panels of columns of one batch, in blocks of K that
// stay in the first-level cache beside a panel. Rows of a that are floats in memory are read where
// they lie, others are copied to scratch as floats; b is packed at load when it is constant, else
// panel by panel in scratch. Sums of whole panels of floats go straight to the output, others stay
// in scratch until they are converted and stored.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_contract.h"
#include "exec/cpu/gemm_text.h"

namespace lamina::cpu {
namespace {

constexpr std::int64_t kRowBlock = 96;          // rows of a kept at a time
constexpr std::int64_t kPackedRows = 192;       // where b is packed for every block of rows
constexpr std::int64_t kDepth = 192;            // deepest block of K
constexpr std::int64_t kCachedFloats = 65536;   // of a, beside which b streams
constexpr std::int64_t kPage = 1024;            // floats of a page
constexpr std::int64_t kFewTasks = 32;          // wanted at least, so that 16 threads share evenly
constexpr std::int64_t kMostPanels = 16;        // per task
constexpr std::int64_t kPackBytes = 512 << 10;  // of b, packed in scratch

std::int64_t constant_or(const Dim& dim, std::int64_t otherwise) {
  return dim.is_constant() ? dim.constant_part() : otherwise;
}

class ProductEmitter {
 public:
  ProductEmitter(const EmitContext& context, const LoopForm& form, const ProductLoops& loops)
      : context_(context),
        form_(form),
        loops_(loops),
        shape_(context.target),
        rows_(product(extents_of(form, loops.m))),
        columns_(product(extents_of(form, loops.n))),
        depth_(product(extents_of(form, loops.k))),
        constant_b_(context.constant_inputs[static_cast<std::size_t>(loops.b)]) {
    if (constant_b_ && type(loops.b).dtype == DType::kBF16) packed_ = DType::kBF16;
    if (packed_ == DType::kF32 && columns_.is_constant()) {
      shape_ = TileShape::of_columns(context.target, columns_.constant_part());
    }
    panels_ = ceil_div(columns_, shape_.panel());
    group_ = panels_per_task();
    find_direct_rows();
    find_direct_sums();
  }

  Kernel emit() {
    kernel_.name = std::string(context_.node.op.name);
    TileSpec spec{.prefix = "NAME_mm", .packed = packed_, .vectors = shape_.vectors};
    if (rows_.is_constant() && rows_.constant_part() <= row_block()) {
      spec.rows = rows_.constant_part();
    }
    kernel_.text = tiles_text(context_.target, spec) + pack_text(context_.target);
    kernel_.text += kernel_head(kernel_, context_);
    if (constant_b_) request_packing();
    kernel_.text += single_loops(form_) + task_text();
    set_sizes();
    return std::move(kernel_);
  }

 private:
  const Type& type(int operand) const {
    return context_.node.inputs[static_cast<std::size_t>(operand)];
  }
  const Access& access(int operand) const {
    return form_.operands[static_cast<std::size_t>(operand)];
  }
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }

  Dim batch() const { return product(extents_of(form_, loops_.batch)); }
  // Rows of a block: whole tiles.
  std::int64_t row_block() const {
    return (constant_b_ ? kRowBlock : kPackedRows) / shape_.max_rows * shape_.max_rows;
  }
  Dim row_blocks() const { return ceil_div(rows_, Dim(row_block())); }
  Dim column_blocks() const { return ceil_div(panels_, Dim(group_)); }

  // Panels of one task: few enough that all threads have work, many enough to repay copying rows.
  std::int64_t panels_per_task() const {
    const std::int64_t panels = constant_or(panels_, 4 * kMostPanels);
    const std::int64_t others = constant_or(batch() * row_blocks(), 1);
    std::int64_t group = std::clamp<std::int64_t>(panels * others / kFewTasks, 1, kMostPanels);
    if (panels >= 8) group = (group + 3) / 4 * 4;
    if (!constant_b_) {
      const std::int64_t panel_bytes = constant_or(depth_, 1024) * shape_.panel() * 4;
      group = std::min(group, std::max<std::int64_t>(1, kPackBytes / panel_bytes));
    }
    return std::min(group, panels);
  }

  void set_sizes() {
    kernel_.tasks = batch() * row_blocks() * column_blocks();
    const Dim rows =
        rows_.is_constant() ? std::min(rows_.constant_part(), row_block()) : row_block();
    const Dim sums = sums_step_ ? Dim(0) : rows * Dim(group_ * shape_.panel());
    const Dim packed = constant_b_ ? Dim(0) : depth_ * Dim(group_ * shape_.panel());
    const Dim cells = row_step_ ? Dim(0) : rows * depth_ + depth_;
    kernel_.scratch_bytes = (cells + Dim(48) + sums + packed) * Dim(4);
  }

  // The step from one row to the next, where index r over `loops` is always r steps away.
  std::optional<Dim> even_step(const LinearAccess& linear, const std::vector<int>& loops) const {
    if (loops.empty()) return Dim(0);
    const Dim step = linear.strides[static_cast<std::size_t>(loops.back())];
    return contiguous(linear, loops, step) ? std::optional(step) : std::nullopt;
  }

  void find_direct_rows() {
    if (type(loops_.a).dtype != DType::kF32) return;
    const auto linear = linear_access(access(loops_.a), type(loops_.a).shape, form_.extents);
    if (!linear || !linear->within || !contiguous(*linear, loops_.k, 1)) return;
    // Rows that lie apart, and those a page long, would fall into few sets of the caches.
    const std::optional<Dim> step = even_step(*linear, loops_.m);
    const bool pages = depth_.is_constant() && depth_.constant_part() % kPage == 0;
    if (step && (loops_.m.empty() || (*step == depth_ && !pages))) row_step_ = step;
  }

  void find_direct_sums() {
    const bool whole = columns_.is_constant() && columns_.constant_part() % shape_.panel() == 0;
    if (whole && context_.outputs[0].dtype == DType::kF32) {
      sums_step_ = even_step(output_access(form_), loops_.m);
    }
  }

  void request_packing() {
    PackRequest pack;
    pack.input = loops_.b;
    pack.access = access(loops_.b);
    pack.panel = shape_.panel();
    pack.dtype = packed_;
    std::vector<int> order;
    for (const int l : loops_.batch) {
      if (uses(access(loops_.b), l)) order.push_back(l);
    }
    pack.batch = extents_of(form_, order);
    pack.k = extents_of(form_, loops_.k);
    pack.n = extents_of(form_, loops_.n);
    packed_batch_ = order;
    order.insert(order.end(), loops_.k.begin(), loops_.k.end());
    order.insert(order.end(), loops_.n.begin(), loops_.n.end());
    for (AxisIndex& axis : pack.access.axes) renumber(axis, order);
    kernel_.text += fmt::format("const {0}* packed = (const {0}*)call->buffers[{1}];\n",
                                packed_type(packed_), kernel_.buffers.size());
    kernel_.buffers.push_back({BufferUse::Kind::kPacked, static_cast<int>(kernel_.packs.size())});
    kernel_.packs.push_back(std::move(pack));
  }

  // Loops of extent 1 are always 0: their terms go.
  static void renumber(AxisIndex& axis, const std::vector<int>& order) {
    std::vector<AxisIndex::LoopTerm> terms;
    for (const auto& term : axis.loops) {
      const auto at = std::find(order.begin(), order.end(), term.loop);
      if (at != order.end())
        terms.push_back({static_cast<int>(at - order.begin()), term.coefficient});
    }
    axis.loops = std::move(terms);
  }

  std::string task_text() {
    std::string out = fmt::format(
        "const long M = {}, N = {}, K = {}, PANELS = {};\n"
        "const long row_blocks = {}, column_blocks = {};\n"
        "enum : long {{ NR = {}, GROUP = {}, TILE = {} }};\n"
        "const long row_tiles = (M + TILE - 1) / TILE;\n",
        text(rows_), text(columns_), text(depth_), text(panels_), text(row_blocks()),
        text(column_blocks()), shape_.panel(), group_, shape_.max_rows);
    if (!row_step_) out += "long copied = -1;\n";
    out += fmt::format(
        "for (long task = begin; task < end; ++task) {{\n"
        "const long p0 = task % column_blocks * GROUP;\n"
        "const long panels = PANELS - p0 < GROUP ? PANELS - p0 : GROUP;\n"
        "const long block = task / column_blocks % row_blocks;\n"
        "const long m0 = row_tiles * block / row_blocks * TILE;\n"
        "const long m1 = row_tiles * (block + 1) / row_blocks * TILE;\n"
        "const long rows = (m1 < M ? m1 : M) - m0;\n"
        "const long outer = task / column_blocks / row_blocks;\n"
        "const long blocks = rows <= {} ? 1 : (K + {} - 1) / {};\n"
        "const long depth = blocks > 0 ? ((K + blocks - 1) / blocks + 3) / 4 * 4 : 0;\n"
        "float* room = (float*)call->scratch;\n",
        shape_.max_rows, kDepth, kDepth);
    out += split_index(loops_.batch, form_.extents, "outer", kernel_);
    out += (row_step_ ? direct_rows_text() : rows_text()) + sums_text() + panels_text();
    out += products_text() + (sums_step_ ? "" : store_text());
    return out + "}\n}\n";
  }

  // `left`: row m0 of a, rows `left_step` apart.
  std::string direct_rows_text() {
    const auto linear = linear_access(access(loops_.a), type(loops_.a).shape, form_.extents);
    return fmt::format(
        "const long left_step = {1};\nconst float* left = in{0} + {2} + m0 * {1};\n", loops_.a,
        text(*row_step_),
        linear_text(without(without(*linear, loops_.k), loops_.m), -1, kernel_.sizes));
  }

  // `sums`: those of the task's rows and panels.
  std::string sums_text() {
    if (!sums_step_) {
      return "const long sums_step = rows * NR, row_step = NR;\nfloat* sums = room;\n"
             "room += (rows * panels * NR + 15) / 16 * 16;\n";
    }
    const LinearAccess first = without(without(output_access(form_), loops_.n), loops_.m);
    return fmt::format(
        "const long sums_step = NR, row_step = {0};\nfloat* sums = out0 + {1} + m0 * {0} + p0 * "
        "NR;\n",
        text(*sums_step_), linear_text(first, -1, kernel_.sizes));
  }

  // Copies the rows of a to cells, [block of K][row][depth].
  std::string rows_text() {
    const auto linear = linear_access(access(loops_.a), type(loops_.a).shape, form_.extents);
    const bool run = linear && linear->within && contiguous(*linear, loops_.k, 1);
    std::string out =
        "float* cells = room;\nroom += (rows * K + 15) / 16 * 16;\n"
        "float* line = room;\nroom += (K + 15) / 16 * 16;\n"
        "if (copied != task / column_blocks)\n"
        "for (long r = 0; r < rows; ++r) {\n";
    out += scoped_index(loops_.m, "m0 + r");
    if (run) {
      out += fmt::format("const auto* from = in{} + {};\n", loops_.a,
                         linear_text(without(*linear, loops_.k), -1, kernel_.sizes));
    } else {
      out += "float* to = line;\n" + open_loops(loops_.k, form_.extents, kernel_);
      out += offset_statements(access(loops_.a), type(loops_.a).shape, form_.extents, "at",
                               context_, kernel_);
      out += fmt::format("*to++ = at_ok ? lm_load<float>(in{} + at) : 0.0f;\n", loops_.a);
      out += close_braces(loops_.k.size()) + "const float* from = line;\n";
    }
    out +=
        "for (long s = 0; s < K; s += depth) {\n"
        "const long span = K - s < depth ? K - s : depth;\n"
        "float* to = cells + s * rows + r * span;\n"
        "long i = 0;\n"
        "for (; i + LM_F <= span; i += LM_F) lm_store(to + i, lm_load<vf>(from + s + i));\n"
        "for (; i < span; ++i) to[i] = lm_load<float>(from + s + i);\n}\n";
    return out + close_braces(1 + scope_count(loops_.m)) + "copied = task / column_blocks;\n";
  }

  // `packs`: the task's panels of b, K rows of NR each.
  std::string panels_text() {
    if (constant_b_) {
      std::string index = "0L";
      for (const int l : packed_batch_) {
        index = fmt::format("({} * {} + i{})", index,
                            text(form_.extents[static_cast<std::size_t>(l)]), l);
      }
      return fmt::format("const auto* packs = packed + ({} * PANELS + p0) * (K * NR);\n", index);
    }
    std::string out =
        "float* packs = room;\n"
        "for (long p = 0; p < panels; ++p) {\n"
        "float* to = packs + p * (K * NR);\n"
        "const long n0 = (p0 + p) * NR, count = N - n0 < NR ? N - n0 : NR;\n";
    const auto linear = linear_access(access(loops_.b), type(loops_.b).shape, form_.extents);
    const bool columns = linear && linear->within && loops_.n.size() == 1;
    out +=
        columns && contiguous(*linear, loops_.k, 1) ? transposed_panel(*linear) : gathered_panel();
    return out + "}\n";
  }

  // b's columns are contiguous along k.
  std::string transposed_panel(const LinearAccess& linear) {
    const LinearAccess start = without(without(linear, loops_.k), loops_.n);
    const Dim& step = linear.strides[static_cast<std::size_t>(loops_.n[0])];
    return fmt::format("NAME_pack<NR>(to, in{} + ({}) + n0 * {}, 1, {}, K, count);\n", loops_.b,
                       linear_text(start, -1, kernel_.sizes), text(step), text(step));
  }

  struct AxisParts {
    std::string columns;  // of the index: what depends on n
    std::string rest;     // and on the batch, k and nothing
    std::string stride;
    std::string extent;
    bool checked = false;
  };

  std::vector<AxisParts> axis_parts() {
    const Access& b = access(loops_.b);
    const Dims& shape = type(loops_.b).shape;
    const Dims seen = b.flat ? Dims{product(shape)} : shape;
    const Dims strides = dim_strides(seen);
    std::vector<AxisParts> parts;
    for (std::size_t a = 0; a < seen.size(); ++a) {
      const AxisIndex& axis = b.axes[a];
      AxisParts part{"0L", text(axis.offset), text(strides[a]), text(seen[a])};
      for (const auto& term : axis.loops) {
        const bool is_column = std::count(loops_.n.begin(), loops_.n.end(), term.loop) > 0;
        const std::string product_text =
            form_.extents[static_cast<std::size_t>(term.loop)] == Dim(1)
                ? "0L"
                : fmt::format("{} * i{}", text(term.coefficient), term.loop);
        (is_column ? part.columns : part.rest) += " + " + product_text;
      }
      const Access alone{{axis}, false};
      part.checked = !linear_access(alone, {seen[a]}, form_.extents)->within;
      parts.push_back(std::move(part));
    }
    return parts;
  }

  // A row of the panel is one load where its columns are neighbours within bounds.
  std::string gathered_panel() {
    const std::vector<AxisParts> parts = axis_parts();
    std::string columns = "long place[NR];\nbool neighbours = true;\n";
    std::string place = "place[j] = 0";
    std::string fill_lanes, offset = "0L", whole = "neighbours", inside = "j < count";
    for (std::size_t a = 0; a < parts.size(); ++a) {
      place += fmt::format(" + {} * ({})", parts[a].stride, parts[a].columns);
      offset += fmt::format(" + {} * ({})", parts[a].stride, parts[a].rest);
      if (!parts[a].checked) continue;
      columns += fmt::format("long x{0}[NR], low{0} = 1L << 62, high{0} = -low{0};\n", a);
      fill_lanes += fmt::format(
          "x{0}[j] = {1};\nif (x{0}[j] < low{0}) low{0} = x{0}[j];\n"
          "if (x{0}[j] > high{0}) high{0} = x{0}[j];\n",
          a, parts[a].columns);
      whole += fmt::format(" & (low{0} + y{0} >= 0) & (high{0} + y{0} < {1})", a, parts[a].extent);
      inside += fmt::format(" && (unsigned long)(x{0}[j] + y{0}) < (unsigned long){1}", a,
                            parts[a].extent);
    }
    std::string out = columns + "for (long j = 0; j < count; ++j) {\n";
    out += scoped_index(loops_.n, "n0 + j") + place + ";\n" + fill_lanes;
    out += close_braces(scope_count(loops_.n));
    out += "if (place[j] != place[0] + j) neighbours = false;\n}\n";
    out += open_loops(loops_.k, form_.extents, kernel_);
    for (std::size_t a = 0; a < parts.size(); ++a) {
      if (parts[a].checked) out += fmt::format("const long y{} = {};\n", a, parts[a].rest);
    }
    out += fmt::format(
        "const auto* from = in{0} + ({1});\n"
        "if ({2}) {{\n"
        "for (long j = 0; j < NR; j += LM_F)\n"
        "lm_store(to + j, lm_load<vf>(from + place[0] + j, count - j));\n"
        "}} else {{\n"
        "for (long j = 0; j < NR; ++j)\n"
        "to[j] = {3} ? lm_load<float>(from + place[j]) : 0.0f;\n"
        "}}\nto += NR;\n",
        loops_.b, offset, whole, inside);
    return out + close_braces(loops_.k.size());
  }

  std::string products_text() const {
    // While all rows of a stay cached, one panel at a time streams straight through memory.
    return fmt::format(
        "const long group = rows * K <= {} ? 1 : panels;\n"
        "for (long p = 0; p < panels; p += rows <= {} ? panels : group)\n"
        "for (long s = 0; s < K || s == 0; s += depth) {{\n"
        "const long span = K - s < depth ? K - s : depth;\n"
        "NAME_mm_panels({}, rows, packs + (p * K + s) * NR, K * NR,\n"
        "rows <= {} ? panels : group, span, sums + p * sums_step, row_step, sums_step, s == 0);\n"
        "if (depth == 0) break;\n}}\n",
        kCachedFloats, shape_.max_rows,
        row_step_ ? "left + s, left_step" : "cells + s * rows, span", shape_.max_rows);
  }

  std::string store_text() {
    const LinearAccess out_access = output_access(form_);
    const LinearAccess row = without(out_access, loops_.n);
    std::string out = "for (long r = 0; r < rows; ++r) {\n" + scoped_index(loops_.m, "m0 + r");
    out += fmt::format("auto* out = out0 + {};\n", linear_text(row, -1, kernel_.sizes));
    out +=
        "for (long p = 0; p < panels; ++p)\n"
        "for (long j = 0, n = (p0 + p) * NR; j < NR && n < N; j += LM_F, n += LM_F)\n"
        "lm_store(out + n, lm_load<vf>(sums + (p * rows + r) * NR + j), N - n);\n";
    return out + close_braces(1 + scope_count(loops_.m));
  }

  // split_index() in a scope of its own: it declares names.
  std::string scoped_index(const std::vector<int>& loops, const std::string& from) {
    return loops.empty() ? "" : "{\n" + split_index(loops, form_.extents, from, kernel_);
  }
  static std::size_t scope_count(const std::vector<int>& loops) { return loops.empty() ? 0 : 1; }

  static LinearAccess without(LinearAccess access, const std::vector<int>& loops) {
    for (const int l : loops) access.strides[static_cast<std::size_t>(l)] = 0;
    return access;
  }

  // True when walking `loops` in order goes `step` elements on each time.
  bool contiguous(const LinearAccess& linear, const std::vector<int>& loops, Dim step) const {
    for (std::size_t i = loops.size(); i-- > 0;) {
      const auto l = static_cast<std::size_t>(loops[i]);
      if (linear.strides[l] != step) return false;
      step = step * form_.extents[l];
    }
    return true;
  }

  const EmitContext& context_;
  const LoopForm& form_;
  const ProductLoops& loops_;
  TileShape shape_;
  Dim rows_;
  Dim columns_;
  Dim depth_;
  Dim panels_;
  bool constant_b_;
  DType packed_ = DType::kF32;
  std::int64_t group_ = 1;
  std::optional<Dim> row_step_;   // of a; nothing: rows are copied
  std::optional<Dim> sums_step_;  // of the output; nothing: sums are kept in scratch
  std::vector<int> packed_batch_;
  Kernel kernel_;
};

}  // namespace

Kernel emit_product(const EmitContext& context, const LoopForm& form, const ProductLoops& loops) {
  return ProductEmitter(context, form, loops).emit();
}

}  // namespace lamina::cpu
