// Convolutions as matrix products without a matrix of windows: a row of the product is a window,
// given to the register tiles as pointers to its pieces in x (indirect convolution, Dukhan,
// arXiv:1907.02129). Pieces are runs of neighbouring elements: all channels of one tap, or of all
// taps along the last axis where these are not dilated. Only windows that reach outside of x have
// pieces copied, to be surrounded by zeros.
//
// A task computes a block of rows, which fits in the second-level cache, for a group of panels of
// filters. Sums go from the tile to a piece of scratch, and from there through what follows the
// convolution to the output.
#include "exec/cpu/emit_conv.h"

#include <fmt/core.h>

#include <algorithm>

#include "exec/cpu/gemm_text.h"

namespace lamina::cpu {
namespace {

constexpr std::int64_t kCachedFloats = 49152;  // of the rows of a block
constexpr std::int64_t kMostRows = 240;        // of a block
constexpr std::int64_t kFewTasks = 16;
constexpr std::int64_t kSmallWork = 1 << 16;  // multiply-adds that do not repay a second task
constexpr std::int64_t kDepth = 256;          // longest sum that is not split in blocks

class ConvEmitter {
 public:
  ConvEmitter(const EmitContext& context, const ConvSource& source)
      : context_(context),
        source_(source),
        form_(source.form),
        shape_(TileShape::of_columns(context.target, source.form.filters)) {
    merged_ = !form_.axes.empty() && form_.axes.back().dilation == 1;
    run_ = form_.channels * (merged_ ? form_.axes.back().size : 1);
    depth_ = form_.channels * form_.taps();
    pieces_ = run_ == 0 ? 0 : depth_ / run_;
    panels_ = (form_.filters + shape_.panel() - 1) / shape_.panel();
    rows_ = form_.rows();
    choose_tasks();
  }

  Kernel emit() {
    kernel_.name = "conv";
    const SeparateTiles tiles = scattered_tiles_text(shape_, "NAME_mm", block_sizes());
    kernel_.text =
        tiles.text + std::string(kFlush) + finish_text(context_, source_, shape_.panel());
    kernel_.text += kernel_head(kernel_, context_) + "const LmFlush flush;\n";
    kernel_.text += request_filters(source_, shape_.panel(), kernel_);
    kernel_.text += head_text() + rows_text() + products_text(tiles.rows) + "}\n}\n";
    kernel_.tasks = blocks() * Dim(groups());
    const std::int64_t copies = needs_copies() ? block_ * depth_ : 0;
    kernel_.scratch_bytes = sum_floats() * 4 + block_ * pieces_ * 8 + (run_ + copies) * 4;
    return std::move(kernel_);
  }

 private:
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }
  Dim blocks() const { return ceil_div(rows_, Dim(block_)); }
  std::int64_t groups() const { return (panels_ + group_ - 1) / group_; }

  // Room for the sums of all rows and a panel, and of any tile.
  std::int64_t sum_floats() const {
    const std::int64_t tile = shape_.accumulators * shape_.lanes;
    return std::max(is_deep() ? block_ * shape_.panel() : 0, tile);
  }

  // Rows of a block are a multiple of a tile's.
  std::int64_t whole_tiles(std::int64_t rows) const {
    return std::max<std::int64_t>(1, rows / shape_.max_rows) * shape_.max_rows;
  }

  void choose_tasks() {
    block_ = whole_tiles(std::min(kMostRows, kCachedFloats / std::max<std::int64_t>(1, depth_)));
    group_ = panels_;
    const std::optional<std::int64_t> rows = rows_.constant();
    if (!rows || *rows * depth_ * form_.filters <= kSmallWork) return;
    block_ = std::min(block_,
                      whole_tiles(std::max<std::int64_t>(*rows / kFewTasks, 2 * shape_.max_rows)));
    const std::int64_t blocks = (*rows + block_ - 1) / block_;
    if (blocks >= kFewTasks) return;
    group_ = std::clamp<std::int64_t>(panels_ * blocks / kFewTasks,
                                      std::min<std::int64_t>(4, panels_), panels_);
  }

  // How many rows blocks have; empty: any number.
  std::vector<std::int64_t> block_sizes() const {
    if (!rows_.is_constant()) return {};
    const std::int64_t rows = rows_.constant_part();
    std::vector<std::int64_t> sizes;
    if (rows >= block_) sizes.push_back(block_);
    if (rows % block_ != 0) sizes.push_back(rows % block_);
    return sizes;
  }

  // A window is a run of x itself.
  bool is_plain() const {
    return std::all_of(form_.axes.begin(), form_.axes.end(), [](const ConvAxis& axis) {
      return axis.size == 1 && axis.stride == 1 && axis.low == 0 && axis.within;
    });
  }
  bool needs_copies() const { return merged_ && !form_.axes.back().within; }

  std::string head_text() {
    return fmt::format(
        "enum : long {{ C = {}, RUN = {}, PIECES = {}, K = {}, NR = {}, PANELS = {}, GROUP = {},\n"
        "BLOCK = {}, GROUPS = {} }};\n"
        "const long M = {};\n"
        "float* sums = (float*)call->scratch;\n"
        "const float** rows = (const float**)(sums + {});\n"
        "float* zeros = (float*)(rows + BLOCK * PIECES);\n"
        "for (long i = 0; i < RUN; ++i) zeros[i] = 0;\n"
        "long found = -1;\n"
        "for (long task = begin; task < end; ++task) {{\n"
        "const long block = task / GROUPS, p0 = task % GROUPS * GROUP;\n"
        "const long m0 = block * BLOCK, count = BLOCK < M - m0 ? BLOCK : M - m0;\n"
        "const long stop = p0 + GROUP < PANELS ? p0 + GROUP : PANELS;\n",
        form_.channels, run_, pieces_, depth_, shape_.panel(), panels_, group_, block_, groups(),
        text(rows_), sum_floats());
  }

  // rows[r * PIECES...]: the pieces of row m0 + r.
  std::string rows_text() {
    std::string out = "if (found != block) {\nfound = block;\n";
    if (is_plain()) {
      return out +
             fmt::format("for (long r = 0; r < count; ++r) rows[r] = in{} + (m0 + r) * C;\n}}\n",
                         source_.x);
    }
    out += "long rest = m0;\n";
    for (std::size_t a = form_.axes.size(); a-- > 0;) {
      out += fmt::format("long o{0} = rest % {1}; rest /= {1};\n", a, text(form_.axes[a].count));
    }
    out += "const float** to = rows;\nfloat* copy = zeros + RUN;\n";
    out += "for (long r = 0; r < count; ++r) {\n";
    out += pieces_text() + next_text();
    return out + "}\n}\n";
  }

  std::string pieces_text() {
    std::string out, at = "rest", inside = "true";
    const std::size_t rank = form_.axes.size();
    for (std::size_t a = 0; a + (merged_ ? 1 : 0) < rank; ++a) {
      const ConvAxis& axis = form_.axes[a];
      const std::string extent = text(axis.extent);
      out += fmt::format(
          "for (long k{0} = 0; k{0} < {1}; ++k{0}) {{\n"
          "const long y{0} = o{0} * {2}L - {3}L + k{0} * {4}L;\n",
          a, axis.size, axis.stride, axis.low, axis.dilation);
      if (!axis.within)
        inside += fmt::format(" & ((unsigned long)y{} < (unsigned long){})", a, extent);
      at = fmt::format("({} * {} + y{})", at, extent, a);
    }
    if (merged_) {
      const ConvAxis& axis = form_.axes.back();
      at = fmt::format("({} * {} + first)", at, text(axis.extent));
      out += fmt::format("const long first = o{} * {}L - {}L;\n", rank - 1, axis.stride, axis.low);
    }
    out += fmt::format("const float* from = in{} + {} * C;\n", source_.x, at);
    out += fmt::format("if (!({})) *to++ = zeros;\n", inside);
    if (needs_copies()) {
      out += fmt::format(
          "else if (first < 0 || first + {0} > {1}) {{\n"
          "for (long k = 0; k < {0}; ++k)\n"
          "for (long c = 0; c < C; ++c)\n"
          "copy[k * C + c] = (unsigned long)(first + k) < (unsigned long){1} ? from[k * C + c] : "
          "0;\n"
          "*to++ = copy;\ncopy += RUN;\n}}\n",
          form_.axes.back().size, text(form_.axes.back().extent));
    }
    out += "else *to++ = from;\n";
    return out + close_braces(rank - (merged_ ? 1 : 0));
  }

  // Goes on to the next row.
  std::string next_text() {
    std::string out;
    for (std::size_t a = form_.axes.size(); a-- > 0;) {
      out += fmt::format("if (++o{0} == {1}) {{\no{0} = 0;\n", a, text(form_.axes[a].count));
    }
    return out + "++rest;\n" + close_braces(form_.axes.size());
  }

  std::string products_text(const std::vector<int>& rows) {
    std::string out =
        fmt::format("const long tiles = (count + {0} - 1) / {0};\nlong p = p0;\n", shape_.max_rows);
    for (const int count : rows) {
      const int panels = shape_.panels_in_flight(count);
      if (panels == 1) continue;
      out += fmt::format(
          "if (count == {0}) for (const long r = 0; p + {1} <= stop; p += {1}) {{\n{2}{3}}}\n"
          "for (long q = 0; q < {1}; ++q)\n"
          "NAME_finish(call, sums + q * {0} * NR, NR, {0}, m0, (p + q) * NR);\n}}\n",
          count, panels, open_parts(), tile_text(count, panels, "sums"));
    }
    out += "for (; p < stop; ++p) {\n";
    if (is_deep()) {
      return out + open_parts() + each_tile(rows, "sums + r * NR", "") +
             "}\nNAME_finish(call, sums, NR, count, m0, p * NR);\n}\n";
    }
    const std::string finish = "NAME_finish(call, sums, NR, part, m0 + r, p * NR);\n";
    return out + open_parts() + each_tile(rows, "sums", finish) + "}\n}\n";
  }

  // Sums are taken in parts. All tiles of a block pass over a part of the panel while it is in the
  // first-level cache, and what follows waits for the last part.
  bool is_deep() const { return depth_ > kDepth; }

  std::string each_tile(const std::vector<int>& rows, const std::string& sums,
                        const std::string& finish) const {
    std::string out =
        "for (long t = 0, r = 0; t < tiles; ++t) {\n"
        "const long part = count / tiles + (t < count % tiles);\n";
    for (const int count : rows) {
      out += fmt::format("if (part == {}) {}", count, tile_text(count, 1, sums));
    }
    return out + finish + "r += part;\n}\n";
  }

  // Elements of a piece that are summed at once, and whole pieces.
  std::int64_t part_of_run() const {
    const std::int64_t parts = (run_ + kDepth - 1) / kDepth;
    return parts <= 1 ? run_ : ((run_ + parts - 1) / parts + 3) / 4 * 4;
  }
  std::int64_t pieces_at_once() const {
    return std::max<std::int64_t>(1, kDepth / std::max<std::int64_t>(1, run_));
  }

  // Opens a loop over the parts of the sums: pieces from s on, and elements of them from i on.
  std::string open_parts() const {
    if (run_ <= kDepth) {
      return fmt::format(
          "for (long s = 0, i = 0; s < PIECES || s == 0; s += {0}) {{\n"
          "const long pieces = PIECES - s < {0} ? PIECES - s : {0}, length = RUN;\n",
          pieces_at_once());
    }
    return fmt::format(
        "for (long at = 0; at < PIECES * {0}; ++at) {{\n"
        "const long s = at / {0}, i = at % {0} * {1}, pieces = 1;\n"
        "const long length = RUN - i < {1} ? RUN - i : {1};\n",
        (run_ + part_of_run() - 1) / part_of_run(), part_of_run());
  }

  // The tile of `rows` rows from r on and `panels` panels from p on, for one part.
  static std::string tile_text(int rows, int panels, const std::string& sums) {
    return fmt::format(
        "NAME_mm_{0}_{1}(rows + r * PIECES + s, PIECES, pieces, i,\n"
        "packed + (p * K + s * RUN + i) * NR, K * NR, length, {2}, NR, {0} * NR,\n"
        "s == 0 && i == 0);\n",
        rows, panels, sums);
  }

  const EmitContext& context_;
  const ConvSource& source_;
  const ConvForm& form_;
  TileShape shape_;
  bool merged_ = false;      // all taps of the last axis are one piece
  std::int64_t run_ = 0;     // elements of a piece
  std::int64_t depth_ = 0;   // elements of a window
  std::int64_t pieces_ = 0;  // of a window
  std::int64_t panels_ = 0;
  std::int64_t block_ = 0;  // rows of a task
  std::int64_t group_ = 0;  // panels of a task
  Dim rows_;
  Kernel kernel_;
};

}  // namespace

const std::string_view kFlush = R"(
#ifndef LM_FLUSH
#define LM_FLUSH
struct LmFlush {
#if defined(__SSE__)
  unsigned before = __builtin_ia32_stmxcsr();
  LmFlush() { __builtin_ia32_ldmxcsr(before | 0x8040); }
  ~LmFlush() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
  unsigned long before;
  LmFlush() {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    asm volatile("msr fpcr, %0" : : "r"(before | (1ul << 24)));
  }
  ~LmFlush() { asm volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};
#endif
)";

std::string request_filters(const ConvSource& source, int panel, Kernel& kernel) {
  const ConvForm& form = source.form;
  const auto rank = static_cast<int>(form.axes.size());
  PackRequest pack;
  pack.input = source.w;
  pack.panel = panel;
  // Loops: taps, channel (not when depthwise), filter.
  const int channel = rank, filter = form.depthwise ? rank : rank + 1;
  pack.access.axes = {AxisIndex::of(filter), form.depthwise ? AxisIndex{} : AxisIndex::of(channel)};
  for (int a = 0; a < rank; ++a) {
    pack.access.axes.push_back(AxisIndex::of(a));
    pack.k.push_back(form.axes[static_cast<std::size_t>(a)].size);
  }
  if (!form.depthwise) pack.k.push_back(form.channels);
  pack.n = {form.filters};
  const std::string text = fmt::format("const float* packed = (const float*)call->buffers[{}];\n",
                                       kernel.buffers.size());
  kernel.buffers.push_back({BufferUse::Kind::kPacked, static_cast<int>(kernel.packs.size())});
  kernel.packs.push_back(std::move(pack));
  return text;
}

std::optional<Kernel> emit_convolution(const EmitContext& context) {
  const std::optional<ConvSource> source = conv_source(context);
  if (!source) return std::nullopt;
  return source->form.depthwise ? emit_depthwise(context, *source) : emit_conv(context, *source);
}

Kernel emit_conv(const EmitContext& context, const ConvSource& source) {
  return ConvEmitter(context, source).emit();
}

}  // namespace lamina::cpu
