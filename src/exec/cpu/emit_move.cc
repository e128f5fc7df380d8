// Kernels of moves: one per copy of the node's MoveForm.
//
// Copies along affine maps that stay in bounds become loops over merged axes: runs of contiguous
// elements (memcpy), transposes in tiles, or strided loops. All others (indices from operands,
// bounds, combining) are loops that compute and check each offset; a contiguous innermost axis is
// then still one run per offset. Tasks divide only loops that alone decide an index of the output,
// so that no two tasks write the same element and equal targets meet in loop order.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {
namespace {

constexpr int kGrain = 16384;  // elements per task: a few microseconds

bool uses_loop(const AxisIndex& axis, int loop) {
  for (const auto& term : axis.loops) {
    if (term.loop == loop) return true;
  }
  for (const auto& indirect : axis.indirect) {
    for (const AxisIndex& inner : indirect.axes) {
      if (uses_loop(inner, loop)) return true;
    }
  }
  return false;
}

bool is_loop_alone(const AxisIndex& axis, int loop) {
  return axis.indirect.empty() && axis.loops.size() == 1 && axis.loops[0].loop == loop &&
         axis.loops[0].coefficient != Dim(0);
}

class CopyEmitter {
 public:
  CopyEmitter(const EmitContext& context, const Copy& copy)
      : context_(context),
        copy_(copy),
        output_(context.outputs[static_cast<std::size_t>(copy.output)]),
        extents_(copy.extents) {
    if (copy.operand >= 0) from_type_ = context.node.inputs[static_cast<std::size_t>(copy.operand)];
    if (extents_.empty()) extents_.push_back(1);
    choose_element();
  }

  Kernel emit() {
    kernel_.name = std::string(context_.node.op.name);
    kernel_.text = kernel_head(kernel_, context_);
    const auto to = linear_access(copy_.to, output_.shape, extents_);
    auto from = std::optional(LinearAccess{0, Dims(extents_.size(), Dim(0)), true});
    if (copy_.operand >= 0) from = linear_access(copy_.from, from_type_.shape, extents_);
    const bool straight = to && from && to->within && from->within && all_loops_separate() &&
                          copy_.operand != Copy::kIndex;
    kernel_.text += straight ? straight_text(*from, *to) : checked_text();
    kernel_.text += "}\n";
    return std::move(kernel_);
  }

 private:
  void choose_element() {
    const bool is_float = traits(output_.dtype).is_float;
    raw_ =
        copy_.operand >= 0 && copy_.combine == Combine::kSet && from_type_.dtype == output_.dtype;
    if (is_packed(from_type_.dtype) && copy_.operand >= 0) {
      fail(ErrorCode::kUnsupported, "{}: an operand of type {}", context_.node.op.name,
           traits(from_type_.dtype).name);
    }
    // Sums of f32 and halves are f32; what is written once is rounded once, from double.
    element_ = !is_float                                                        ? "long"
               : copy_.combine != Combine::kSet && output_.dtype != DType::kF64 ? "float"
                                                                                : "double";
  }

  std::string source() const {
    if (copy_.operand >= 0) return fmt::format("in{}", copy_.operand);
    return "";
  }

  // The value of a fill (or of an index, in terms of i0).
  std::string fill_value() {
    std::string value = literal(copy_.fill);
    if (copy_.fill_size != Dim(0)) {
      value += " + (double)" + dim_text(copy_.fill_size, kernel_.sizes);
    }
    if (copy_.operand == Copy::kIndex && !copy_.extents.empty()) {
      value += " + " + literal(copy_.step) + " * (double)i0";
    }
    return fmt::format("({})({})", element_, value);
  }

  // The statement that writes the element at `target` from the one at `origin`.
  std::string put(const std::string& target, const std::string& origin) {
    if (raw_) return fmt::format("out{}[{}] = {}[{}];\n", copy_.output, target, source(), origin);
    const std::string x = copy_.operand >= 0
                              ? fmt::format("lm_load<{}>({} + ({}))", element_, source(), origin)
                              : fill_value();
    const std::string place = fmt::format("out{} + ({})", copy_.output, target);
    const std::string old = fmt::format("lm_load<{}>({})", element_, place);
    switch (copy_.combine) {
      case Combine::kSet:
        return fmt::format("lm_store({}, {});\n", place, x);
      case Combine::kAdd:
        return fmt::format("lm_store({}, {} + {});\n", place, old, x);
      case Combine::kMul:
        return fmt::format("lm_store({}, {} * {});\n", place, old, x);
      case Combine::kMax:
        return fmt::format("lm_store({}, lm_max({}, {}));\n", place, old, x);
      case Combine::kMin:
        return fmt::format("lm_store({}, lm_min({}, {}));\n", place, old, x);
    }
    return "";
  }

  // The statements that write `count` elements from these offsets on, `to_step` and `from_step`
  // apart.
  std::string put_run(const std::string& count, const Dim& to_step, const Dim& from_step) {
    if (raw_ && to_step == Dim(1) && from_step == Dim(1)) {
      return fmt::format(
          "__builtin_memcpy(out{0} + target, {1} + origin, (unsigned long)({2}) * "
          "sizeof(*out{0}));\n",
          copy_.output, source(), count);
    }
    const auto at = [&](const char* name, const Dim& step) {
      return step == Dim(1) ? std::string(name) + " + j"
                            : fmt::format("{} + j * {}", name, dim_text(step, kernel_.sizes));
    };
    return fmt::format("for (long j = 0; j < {}; ++j) {}", count,
                       put(at("target", to_step), at("origin", from_step)));
  }

  bool is_separate(int loop) const {
    return std::any_of(copy_.to.axes.begin(), copy_.to.axes.end(),
                       [&](const AxisIndex& axis) { return is_loop_alone(axis, loop); });
  }

  bool all_loops_separate() const {
    for (std::size_t l = 0; l < copy_.extents.size(); ++l) {
      if (copy_.extents[l] != Dim(1) && !is_separate(static_cast<int>(l))) return false;
    }
    return true;
  }

  // Drops loops of one iteration and joins neighbours that walk both sides alike.
  void merge_loops(LinearAccess& from, LinearAccess& to) {
    Dims extents, from_strides, to_strides;
    for (std::size_t l = 0; l < extents_.size(); ++l) {
      if (extents_[l] == Dim(1)) continue;
      if (!extents.empty() && from_strides.back() == from.strides[l] * extents_[l] &&
          to_strides.back() == to.strides[l] * extents_[l]) {
        extents.back() = extents.back() * extents_[l];
        from_strides.back() = from.strides[l];
        to_strides.back() = to.strides[l];
        continue;
      }
      extents.push_back(extents_[l]);
      from_strides.push_back(from.strides[l]);
      to_strides.push_back(to.strides[l]);
    }
    if (extents.empty()) {
      extents = {1};
      from_strides = to_strides = {Dim(1)};
    }
    extents_ = std::move(extents);
    from.strides = std::move(from_strides);
    to.strides = std::move(to_strides);
  }

  std::string straight_text(LinearAccess from, LinearAccess to) {
    std::string text;
    if (raw_ && from.base == to.base && from.strides == to.strides) {
      // Nothing to do where the output lies over the operand (exec/lower/in_place.h).
      text = fmt::format("if ((const void*)out{} == (const void*){}) return;\n", copy_.output,
                         source());
    }
    merge_loops(from, to);
    const std::size_t last = extents_.size() - 1;
    if (raw_ && to.strides[last] == Dim(1) && from.strides[last] != Dim(1)) {
      for (std::size_t l = 0; l < last; ++l) {
        if (from.strides[l] != Dim(1)) continue;
        return text + transpose_text(from, to, static_cast<int>(l));
      }
    }
    const auto skip = static_cast<int>(last);
    text += open_ranges(kernel_, extents_, kGrain);
    text +=
        fmt::format("const long target = {} + column * {};\n", linear_text(to, skip, kernel_.sizes),
                    dim_text(to.strides[last], kernel_.sizes));
    text += fmt::format("const long origin = {} + column * {};\n",
                        linear_text(from, skip, kernel_.sizes),
                        dim_text(from.strides[last], kernel_.sizes));
    return text + put_run("count", to.strides[last], from.strides[last]) + close_braces(3);
  }

  // Rows and columns of a transposed tile: one cache line of elements, so that a tile needs few
  // lines even when a power of two between rows maps them all to the same cache sets.
  int tile_size() const { return std::clamp(64 / traits(output_.dtype).block_bytes, 8, 32); }

  // The last loop is contiguous in the output, loop `across` in the operand.
  std::string transpose_text(const LinearAccess& from, const LinearAccess& to, int across) {
    const auto last = static_cast<int>(extents_.size()) - 1;
    std::vector<int> outer;
    Dims outer_extents;
    for (int l = 0; l < last; ++l) {
      if (l == across) continue;
      outer.push_back(l);
      outer_extents.push_back(extents_[static_cast<std::size_t>(l)]);
    }
    const int tile = tile_size();
    const Dim blocks = ceil_div(extents_[static_cast<std::size_t>(across)], tile);
    kernel_.tasks = product(outer_extents) * blocks;
    std::string text = fmt::format(
        "for (long task = begin; task < end; ++task) {{\n"
        "const long block = task % {0} * {1};\nconst long high = {2};\nconst long wide = {3};\n"
        "const long block_end = block + {1} < high ? block + {1} : high;\n",
        dim_text(blocks, kernel_.sizes), tile,
        dim_text(extents_[static_cast<std::size_t>(across)], kernel_.sizes),
        dim_text(extents_.back(), kernel_.sizes));
    text += split_index(outer, extents_, fmt::format("task / {}", dim_text(blocks, kernel_.sizes)),
                        kernel_);
    text += fmt::format(
        "for (long left = 0; left < wide; left += {0}) {{\n"
        "const long right = left + {0} < wide ? left + {0} : wide;\n"
        "for (long i{1} = block; i{1} < block_end; ++i{1}) {{\n"
        "for (long i{2} = left; i{2} < right; ++i{2}) {{\n{3}",
        tile, across, last,
        put(linear_text(to, -1, kernel_.sizes), linear_text(from, -1, kernel_.sizes)));
    return text + close_braces(4);
  }

  // True if the last loop walks both sides contiguously, whatever the other loops are.
  bool has_run() const {
    const auto last = static_cast<int>(extents_.size()) - 1;
    if (copy_.operand < 0 || copy_.extents.empty()) return false;
    return ends_with(copy_.to, output_.shape, last) &&
           ends_with(copy_.from, from_type_.shape, last);
  }

  bool ends_with(const Access& access, const Dims& shape, int loop) const {
    if (access.flat || access.axes.empty() || !is_loop_alone(access.axes.back(), loop))
      return false;
    if (access.axes.back().loops[0].coefficient != Dim(1)) return false;
    for (std::size_t a = 0; a + 1 < access.axes.size(); ++a) {
      if (uses_loop(access.axes[a], loop)) return false;
    }
    const auto within = linear_access({{access.axes.back()}, false}, {shape.back()}, extents_);
    return within && within->within;
  }

  std::string checked_text() {
    const auto last = static_cast<int>(extents_.size()) - 1;
    std::vector<int> divided;
    std::vector<int> inner;
    for (int l = 0; l < last; ++l) (is_separate(l) ? divided : inner).push_back(l);
    const bool run = has_run();
    if (divided.empty() && inner.empty() && !run && is_separate(last)) {
      return open_ranges(kernel_, extents_, kGrain) + "for (long j = 0; j < count; ++j) {\n" +
             fmt::format("const long i{} = column + j;\n", last) + checked_element(false) +
             close_braces(4);
    }
    if (!run) inner.push_back(last);
    Dims rows;
    for (const int l : divided) rows.push_back(extents_[static_cast<std::size_t>(l)]);
    const std::int64_t per_task = rows_per_task(inner, run);
    kernel_.tasks = ceil_div(product(rows), per_task);
    std::string text = fmt::format(
        "const long rows = {0};\n"
        "const long first = begin * {1}, stop = end * {1} < rows ? end * {1} : rows;\n"
        "for (long row = first; row < stop; ++row) {{\n",
        dim_text(product(rows), kernel_.sizes), per_task);
    text += split_index(divided, extents_, "row", kernel_);
    text += open_loops(inner, extents_, kernel_);
    return text + checked_element(run) + close_braces(inner.size() + 1);
  }

  std::int64_t rows_per_task(const std::vector<int>& inner, bool run) const {
    Dim work = run ? extents_.back() : Dim(1);
    for (const int l : inner) work = work * extents_[static_cast<std::size_t>(l)];
    const std::int64_t known = work.constant().value_or(1024);
    return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, known));
  }

  std::string checked_element(bool run) {
    const std::string last = std::to_string(extents_.size() - 1);
    std::string text = run ? "const long i" + last + " = 0;\n" : "";
    text += offset_statements(copy_.to, output_.shape, extents_, "target", context_, kernel_);
    if (copy_.operand >= 0) {
      text +=
          offset_statements(copy_.from, from_type_.shape, extents_, "origin", context_, kernel_);
    }
    text += copy_.operand >= 0 ? "if (target_ok && origin_ok) {\n" : "if (target_ok) {\n";
    text += run ? put_run(dim_text(extents_.back(), kernel_.sizes), 1, 1) : put("target", "origin");
    return text + "}\n";
  }

  const EmitContext& context_;
  const Copy& copy_;
  const Type& output_;
  Type from_type_;
  Dims extents_;
  bool raw_ = false;
  std::string element_;
  Kernel kernel_;
};

}  // namespace

std::vector<Kernel> emit_move(const EmitContext& context) {
  const MoveForm form = context.node.op.move_form(context.node);
  std::vector<Kernel> kernels;
  for (const Copy& copy : form.copies) kernels.push_back(CopyEmitter(context, copy).emit());
  return kernels;
}

}  // namespace lamina::cpu
