// Gradients of filters as products without a matrix of windows: element (tap and channel, filter)
// is a sum over positions of an element of x times one of the gradient, so both factors are read
// where they lie, the first one splat over a vector.
//
// A task is a part of the batch. It goes over its positions in blocks of a few lines, so that both
// factors of a block stay in the first-level cache while all tiles of the result pass over them. x
// is copied, with zeros around it, where windows reach outside of it; the gradient where its
// filters do not fill whole vectors.
#include "exec/cpu/emit_conv_filters.h"

#include <fmt/core.h>

#include <algorithm>

#include "exec/cpu/emit_common.h"
#include "exec/cpu/gemm_text.h"
#include "graph/windows.h"

namespace lamina::cpu {
namespace {

constexpr std::int64_t kBlockBytes = 28 << 10;  // of x and the gradient together

// A spatial axis; a missing first one has the extent 1.
struct Axis {
  std::int64_t extent = 1;  // of x
  std::int64_t count = 1;   // of windows
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t low = 0;
  std::int64_t size = 1;

  // Elements that `windows` windows side by side cover.
  std::int64_t covered(std::int64_t windows) const {
    return (windows - 1) * stride + (size - 1) * dilation + 1;
  }
};

struct Form {
  Axis lines;
  Axis columns;
  std::int64_t channels = 0;
  std::int64_t filters = 0;
  std::int64_t parts = 1;
  Dim samples;  // of a part
};

std::optional<Form> read_form(const NodeView& node) {
  const Dims& x = node.inputs[0].shape;
  const Dims& grad = node.inputs[1].shape;
  const Dims& window = node.attrs.dims("window");
  if (window.empty() || window.size() > 2) return std::nullopt;
  const Windows w = read_windows(node, {x.begin() + 1, x.end() - 1}, window);
  const auto known = [](const Dims& dims, std::size_t from) {
    return std::all_of(dims.begin() + static_cast<std::ptrdiff_t>(from), dims.end(),
                       [](const Dim& d) { return d.is_constant(); });
  };
  if (!known(x, 1) || !known(grad, 1) || !known(window, 0) || !known(w.low, 0)) {
    return std::nullopt;
  }
  Form form;
  for (std::size_t i = 0; i < window.size(); ++i) {
    Axis& axis = i + 1 == window.size() ? form.columns : form.lines;
    axis = {x[1 + i].constant_part(), w.count[i].constant_part(), w.stride[i], w.dilation[i],
            w.low[i].constant_part(), w.size[i].constant_part()};
  }
  form.channels = x.back().constant_part();
  form.filters = grad.back().constant_part();
  form.parts = node.attrs.integer("parts");
  form.samples = floor_div(x[0], Dim(form.parts));
  return form;
}

class FilterEmitter {
 public:
  FilterEmitter(const EmitContext& context, const Form& form)
      : context_(context),
        form_(form),
        shape_(TileShape::of_columns(context.target, form.filters)) {
    panels_ = (form_.filters + shape_.panel() - 1) / shape_.panel();
    rows_ = form_.lines.size * form_.columns.size * form_.channels;
    padded_ = form_.filters % shape_.panel() != 0;
    copies_ = form_.lines.low != 0 || form_.columns.low != 0 ||
              form_.lines.covered(form_.lines.count) > form_.lines.extent ||
              form_.columns.covered(form_.columns.count) > form_.columns.extent;
    wide_ = copies_ ? form_.columns.covered(form_.columns.count) : form_.columns.extent;
    choose_block();
  }

  Kernel emit() {
    kernel_.name = "conv_filters";
    kernel_.text = tiles_text() + kernel_head(kernel_, context_) + constants_text();
    kernel_.text +=
        "for (long r = 0; r < ROWS; ++r) {\n"
        "const long c = r % C, k = r / C;\n"
        "places[r] = (k / KX * DY * WIDE + k % KX * DX) * C + c;\n}\n"
        "for (long task = begin; task < end; ++task) {\n"
        "for (long i = 0; i < PANELS * ROWS * NR; ++i) sums[i] = 0;\n"
        "for (long n = task * SAMPLES; n < task * SAMPLES + SAMPLES; ++n)\n"
        "for (long y0 = 0; y0 < LINES; y0 += BLOCK) {\n"
        "const long lines = LINES - y0 < BLOCK ? LINES - y0 : BLOCK;\n";
    kernel_.text +=
        copies_ ? copy_text() : "const float* x = in0 + (n * HEIGHT + y0 * SY) * WIDE * C;\n";
    kernel_.text +=
        padded_ ? padding_text() : "const float* grad = in1 + (n * LINES + y0) * COLUMNS * O;\n";
    kernel_.text += sweep_text() + "}\n" + store_text() + "}\n}\n";
    kernel_.tasks = form_.parts;
    kernel_.scratch_bytes = 4 * (sum_floats() + x_floats() + grad_floats()) + 8 * rows_;
    return std::move(kernel_);
  }

 private:
  std::int64_t rounded(std::int64_t floats) const { return (floats + 15) / 16 * 16; }
  std::int64_t sum_floats() const { return rounded(panels_ * rows_ * shape_.panel()); }
  std::int64_t x_floats() const {
    return copies_ ? rounded(form_.lines.covered(block_) * wide_ * form_.channels) : 0;
  }
  std::int64_t grad_step() const { return padded_ ? panels_ * shape_.panel() : form_.filters; }
  std::int64_t grad_floats() const {
    return padded_ ? rounded(block_ * form_.columns.count * grad_step()) : 0;
  }

  void choose_block() {
    const auto bytes = [&](std::int64_t lines) {
      return 4 * (form_.lines.covered(lines) * wide_ * form_.channels +
                  lines * form_.columns.count * grad_step());
    };
    block_ = form_.lines.count;
    while (block_ > 1 && bytes(block_) > kBlockBytes) --block_;
    // Blocks of about one size.
    const std::int64_t blocks = (form_.lines.count + block_ - 1) / block_;
    block_ = (form_.lines.count + blocks - 1) / blocks;
  }

  std::string constants_text() {
    return fmt::format(
        "enum : long {{ C = {}, O = {}, NR = {}, PANELS = {}, ROWS = {}, KX = {}, DY = {}, DX = "
        "{},\n"
        "SY = {}, SX = {}, LOWY = {}, LOWX = {}, HEIGHT = {}, WIDTH = {}, WIDE = {}, LINES = {},\n"
        "COLUMNS = {}, BLOCK = {}, STEP = {} }};\n"
        "const long SAMPLES = {};\n"
        "float* sums = (float*)call->scratch;\n"
        "float* room = sums + {};\nfloat* padded = room + {};\nlong* places = (long*)(padded + "
        "{});\n"
        "(void)room; (void)padded;\n",
        form_.channels, form_.filters, shape_.panel(), panels_, rows_, form_.columns.size,
        form_.lines.dilation, form_.columns.dilation, form_.lines.stride, form_.columns.stride,
        form_.lines.low, form_.columns.low, form_.lines.extent, form_.columns.extent, wide_,
        form_.lines.count, form_.columns.count, block_, grad_step(),
        dim_text(form_.samples, kernel_.sizes), sum_floats(), x_floats(), grad_floats());
  }

  // `x`: the block's lines of x with what the windows cover around them.
  std::string copy_text() const {
    return fmt::format(
        "for (long y = 0; y < (lines - 1) * SY + {}; ++y) {{\n"
        "float* to = room + y * WIDE * C;\n"
        "const long line = y0 * SY + y - LOWY;\n"
        "const long first = LOWX > 0 ? LOWX : 0, rest = WIDTH + LOWX;\n"
        "const long last = line < 0 || line >= HEIGHT ? first : rest < WIDE ? rest : WIDE;\n"
        "const float* from = in0 + ((n * HEIGHT + line) * WIDTH - LOWX) * C;\n"
        "long i = 0;\n"
        "for (; i < first * C; ++i) to[i] = 0;\n"
        "for (; i + LM_F <= last * C; i += LM_F) lm_store(to + i, lm_load<vf>(from + i));\n"
        "for (; i < last * C; ++i) to[i] = from[i];\n"
        "for (; i < WIDE * C; ++i) to[i] = 0;\n}}\n"
        "const float* x = room;\n",
        form_.lines.covered(1));
  }

  // `grad`: the block's gradient, with zeros up to whole panels.
  static std::string padding_text() {
    return "for (long r = 0; r < lines * COLUMNS; ++r) {\n"
           "const float* from = in1 + ((n * LINES + y0) * COLUMNS + r) * O;\n"
           "for (long o = 0; o < STEP; ++o) padded[r * STEP + o] = o < O ? from[o] : 0;\n}\n"
           "const float* grad = padded;\n";
  }

  std::int64_t last_rows() const { return rows_ % shape_.max_rows; }

  std::string sweep_text() const {
    std::string out =
        "for (long p = 0; p < PANELS; ++p) {\nfloat* to = sums + p * ROWS * NR;\nlong r = 0;\n";
    const auto call = [](std::int64_t rows) {
      return fmt::format("NAME_tile_{}(x, places + r, grad + p * NR, lines, to + r * NR);\n", rows);
    };
    if (rows_ >= shape_.max_rows) {
      out += fmt::format("for (; r + {0} <= ROWS; r += {0}) {1}", shape_.max_rows,
                         call(shape_.max_rows));
    }
    if (last_rows() > 0) out += call(last_rows());
    return out + "}\n";
  }

  // The tile of `rows` rows and a panel, for a block of lines.
  std::string tile_text(std::int64_t rows) const {
    const int vectors = shape_.vectors;
    std::string loads, sums, stores;
    for (int v = 0; v < vectors; ++v) {
      sums += fmt::format("const vf b{0} = lm_load<vf>(b + {0} * LM_F);\n", v);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      loads += fmt::format("const float* a{0} = x + places[{0}];\n", r);
      sums += fmt::format("{{ const vf a = lm_load<float>(a{} + i) - vf{{}};\n", r);
      for (int v = 0; v < vectors; ++v) {
        loads += fmt::format("vf s{0}_{1} = lm_load<vf>(sums + {2} + {1} * LM_F);\n", r, v,
                             r * shape_.panel());
        sums += fmt::format("s{0}_{1} += a * b{1};\n", r, v);
        stores +=
            fmt::format("lm_store(sums + {2} + {1} * LM_F, s{0}_{1});\n", r, v, r * shape_.panel());
      }
      sums += "}\n";
    }
    return fmt::format(
        "static __attribute__((noinline)) void NAME_tile_{}(const float* x, const long* places, "
        "const float* grad,\nlong lines, float* sums) {{\n"
        "{}for (long y = 0; y < lines; ++y) {{\n"
        "const float* b = grad + y * {}L;\n"
        "for (long i = y * {}L, stop = i + {}L; i < stop; i += {}L, b += {}L) {{\n{}}}\n}}\n{}}}\n",
        rows, loads, form_.columns.count * grad_step(), form_.lines.stride * wide_ * form_.channels,
        form_.columns.count * form_.columns.stride * form_.channels,
        form_.columns.stride * form_.channels, grad_step(), sums, stores);
  }

  std::string tiles_text() const {
    std::string out;
    if (rows_ >= shape_.max_rows) out += tile_text(shape_.max_rows);
    if (last_rows() > 0) out += tile_text(last_rows());
    return out;
  }

  static std::string store_text() {
    return "float* out = out0 + task * ROWS * O;\n"
           "for (long r = 0; r < ROWS; ++r)\n"
           "for (long o = 0; o < O; o += LM_F)\n"
           "lm_store(out + r * O + o, lm_load<vf>(sums + (o / NR * ROWS + r) * NR + o % NR), O - "
           "o);\n";
  }

  const EmitContext& context_;
  const Form& form_;
  TileShape shape_;
  std::int64_t panels_ = 0;
  std::int64_t rows_ = 0;   // of the result: taps and channels
  std::int64_t block_ = 1;  // lines
  std::int64_t wide_ = 0;   // elements of a line of x, without channels
  bool padded_ = false;     // the gradient is copied
  bool copies_ = false;     // x is
  Kernel kernel_;
};

}  // namespace

std::optional<Kernel> emit_conv_filters(const EmitContext& context) {
  if (context.node.op.name != "conv_last_filters") return std::nullopt;
  for (const Type& input : context.node.inputs) {
    if (input.dtype != DType::kF32) return std::nullopt;
  }
  const std::optional<Form> form = read_form(context.node);
  if (!form || form->channels == 0 || form->filters == 0) return std::nullopt;
  return FilterEmitter(context, *form).emit();
}

}  // namespace lamina::cpu
