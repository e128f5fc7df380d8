// Depthwise convolutions: vectors run along the channels, a tile is a few neighbouring windows of a
// line of the output, so that each weight is loaded once for all of them. Taps outside of x are
// left out: along the last axis only at the ends of a line, where windows go one by one.
#include <fmt/core.h>

#include <algorithm>

#include "exec/cpu/emit_conv.h"
#include "exec/cpu/gemm_text.h"

namespace lamina::cpu {
namespace {

constexpr int kWindows = 4;               // of a tile
constexpr std::int64_t kFewTasks = 16;    // wanted at least
constexpr std::int64_t kWork = 16 << 10;  // multiply-adds of a task at least, roughly

class DepthwiseEmitter {
 public:
  DepthwiseEmitter(const EmitContext& context, const ConvSource& source)
      : context_(context), source_(source), form_(source.form), shape_(context.target) {
    panels_ = (form_.channels + shape_.panel() - 1) / shape_.panel();
    lines_ = form_.batch;
    for (std::size_t a = 0; a + 1 < form_.axes.size(); ++a) lines_ = lines_ * form_.axes[a].count;
    const std::int64_t lines = lines_.constant().value_or(kFewTasks);
    const std::int64_t wanted =
        (kFewTasks + std::max<std::int64_t>(1, lines) - 1) / std::max<std::int64_t>(1, lines);
    const std::int64_t panel_work =
        last().count.constant().value_or(64) * form_.taps() * shape_.panel();
    group_ = std::clamp<std::int64_t>(
        std::max(panels_ / wanted, kWork / std::max<std::int64_t>(1, panel_work)), 1, panels_);
  }

  Kernel emit() {
    kernel_.name = "depthwise";
    kernel_.text =
        std::string(kFlush) + finish_text(context_, source_, shape_.panel()) + taps_text();
    kernel_.text += kernel_head(kernel_, context_) + "const LmFlush flush;\n";
    kernel_.text += request_filters(source_, shape_.panel(), kernel_) + main_text();
    const std::int64_t groups = (panels_ + group_ - 1) / group_;
    kernel_.tasks = lines_ * Dim(groups);
    kernel_.scratch_bytes = kWindows * shape_.panel() * 4;
    return std::move(kernel_);
  }

 private:
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }
  const ConvAxis& last() const { return form_.axes.back(); }
  std::size_t outer() const { return form_.axes.size() - 1; }

  // Elements from one tap to the next along an axis, without the dilation.
  Dim step(std::size_t axis) const {
    Dim step = form_.channels;
    for (std::size_t a = axis + 1; a < form_.axes.size(); ++a) step = step * form_.axes[a].extent;
    return step;
  }

  std::string parameters(std::string_view type) const {
    std::string out;
    for (std::size_t a = 0; a < form_.axes.size(); ++a) {
      out += fmt::format(", {0}b{1}, {0}e{1}", type, a);
      if (a < outer()) out += fmt::format(", {}d{}", type, a);
    }
    return out;
  }

  // NAME_taps<N, V, SAFE>: N windows of V vectors from the taps b<a> to e<a>, d<a> elements apart.
  // Only SAFE loads may read behind the `n` channels that there are.
  std::string taps_text() const {
    std::string open, x = "x", w = "0";
    for (std::size_t a = 0; a < form_.axes.size(); ++a) {
      open += fmt::format("for (long k{0} = b{0}; k{0} < e{0}; ++k{0}) {{\n", a);
      x += a < outer() ? fmt::format(" + k{0} * d{0}", a)
                       : fmt::format(" + k{} * {}", a, last().dilation * form_.channels);
      w = fmt::format("({} * {} + k{})", w, form_.axes[a].size, a);
    }
    return fmt::format(
        "template <int N, int V, bool SAFE> LM void NAME_taps(const float* x, const float* w,\n"
        "float* sums, long n{0}) {{\n"
        "enum : long {{ STEP = {1}, NR = {2} }};\n"
        "vf y[N][V] = {{}};\n"
        "{3}"
        "const float* from = {4};\nconst float* by = w + {5} * NR;\n"
        "for (int v = 0; v < V; ++v) {{\n"
        "const vf f = *(const vf*)(by + v * LM_F);\n"
        "for (int i = 0; i < N; ++i) {{\n"
        "const float* at = from + i * STEP + v * LM_F;\n"
        "y[i][v] += f * (SAFE ? lm_load<vf>(at) : lm_load<vf>(at, n - v * LM_F));\n"
        "}}\n}}\n{6}"
        "for (int i = 0; i < N; ++i)\n"
        "for (int v = 0; v < V; ++v) *(vf*)(sums + i * NR + v * LM_F) = y[i][v];\n}}\n",
        parameters("long "), last().stride * form_.channels, shape_.panel(), open, x, w,
        close_braces(form_.axes.size()));
  }

  // Declares the taps [b<a>, e<a>) of window o<a> that lie in x.
  std::string bounds_text(std::size_t a, bool declare) {
    const ConvAxis& axis = form_.axes[a];
    const std::string extent = text(axis.extent);
    const std::string type = declare ? "long " : "";
    return fmt::format(
        "{0}b{1} = 0, e{1} = {2};\n"
        "if (const long at = o{1} * {3}L - {4}L; true) {{\n"
        "if (at < 0) b{1} = (-at + {5} - 1) / {5};\n"
        "if (at + {6} > {7}) e{1} = {7} - at <= 0 ? 0 : ({7} - at + {5} - 1) / {5};\n"
        "if (b{1} > e{1}) b{1} = e{1};\n}}\n",
        type, a, axis.size, axis.stride, axis.low, axis.dilation,
        (axis.size - 1) * axis.dilation + 1, extent);
  }

  std::string main_text() {
    std::string out = fmt::format(
        "enum : long {{ C = {}, NR = {}, PANELS = {}, GROUP = {}, GROUPS = {} }};\n"
        "const long count = {}, extent = {}, all = {};\n"
        "float* sums = (float*)call->scratch;\n"
        "for (long task = begin; task < end; ++task) {{\n"
        "const long line = task / GROUPS, p0 = task % GROUPS * GROUP;\n"
        "const long stop = p0 + GROUP < PANELS ? p0 + GROUP : PANELS;\n"
        "long rest = line;\n",
        form_.channels, shape_.panel(), panels_, group_, (panels_ + group_ - 1) / group_,
        text(last().count), text(last().extent),
        text(product(context_.node.inputs[static_cast<std::size_t>(source_.x)].shape)));
    for (std::size_t a = outer(); a-- > 0;) {
      out +=
          fmt::format("const long o{0} = rest % {1}; rest /= {1};\n", a, text(form_.axes[a].count));
      out += bounds_text(a, true);
      out += fmt::format("const long d{} = {} * {}L;\n", a, text(step(a)), form_.axes[a].dilation);
    }
    out += fmt::format("const float* image = in{} + rest * {};\n", source_.x,
                       text(step(0) * form_.axes[0].extent));
    for (std::size_t a = 0; a < outer(); ++a) {
      out += fmt::format("image += (o{} * {}L - {}L) * {};\n", a, form_.axes[a].stride,
                         form_.axes[a].low, text(step(a)));
    }
    return out + line_text() + "}\n}\n";
  }

  std::string line_text() {
    const std::size_t a = outer();
    const std::string reach = std::to_string((last().size - 1) * last().dilation);
    std::string out = fmt::format(
        "for (long p = p0; p < stop; ++p) {{\n"
        "const long n = C - p * NR < NR ? C - p * NR : NR;\n"
        "const float* w = packed + p * {0} * NR;\n"
        "for (long o{1} = 0, part; o{1} < count; o{1} += part) {{\n"
        "const long first = o{1} * {2}L - {3}L;\n"
        "const float* x = image + first * C + p * NR;\n"
        "long b{1} = 0, e{1} = {4};\n"
        "part = {5};\n",
        form_.taps(), a, last().stride, last().low, last().size, kWindows);
    out += fmt::format(
        "if (first < 0 || o{0} + part > count || first + (part - 1) * {1}L + {2} >= extent) {{\n"
        "part = 1;\n{3}}}\n",
        a, last().stride, reach, bounds_text(a, false));
    out += "const bool safe = n % LM_F == 0 ||" + safe_text() + ";\n";
    for (const int windows : {kWindows, 1}) {
      out += fmt::format("if (part == {}) {{\n", windows);
      for (int v = shape_.vectors; v > 0; --v) {
        const std::string arguments = windows == 1 ? parameters("") : whole_line_parameters();
        out += fmt::format(
            "if (n > {0} * LM_F && n <= {1} * LM_F) {{\n"
            "if (safe) NAME_taps<{2}, {1}, true>(x, w, sums, n{3});\n"
            "else NAME_taps<{2}, {1}, false>(x, w, sums, n{3});\n}}\n",
            v - 1, v, windows, arguments);
      }
      out += "}\n";
    }
    return out + fmt::format(
                     "NAME_finish(call, sums, NR, part, line * count + o{}, p * NR);\n}}\n}}\n", a);
  }

  // All taps of the last axis: numbers, so that the compiler unrolls the loop.
  std::string whole_line_parameters() const {
    std::string out;
    for (std::size_t a = 0; a < outer(); ++a) out += fmt::format(", b{0}, e{0}, d{0}", a);
    return out + fmt::format(", 0, {}", last().size);
  }

  // The last element that the tile reads, rounded up to whole vectors, is one of x.
  std::string safe_text() const {
    std::string out =
        fmt::format(" x + (part - 1) * {} + (e{} - 1) * {}", last().stride * form_.channels,
                    outer(), last().dilation * form_.channels);
    for (std::size_t a = 0; a < outer(); ++a) out += fmt::format(" + (e{0} - 1) * d{0}", a);
    return out + fmt::format(" + NR <= in{} + all", source_.x);
  }

  const EmitContext& context_;
  const ConvSource& source_;
  const ConvForm& form_;
  TileShape shape_;
  Dim lines_;
  std::int64_t panels_ = 0;
  std::int64_t group_ = 0;  // panels of a task
  Kernel kernel_;
};

}  // namespace

Kernel emit_depthwise(const EmitContext& context, const ConvSource& source) {
  return DepthwiseEmitter(context, source).emit();
}

}  // namespace lamina::cpu
