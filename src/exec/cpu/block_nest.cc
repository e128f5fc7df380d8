// Writes loop nests: rows outside, vectors along the last axis inside.
#include "exec/cpu/block_nest.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "exec/cpu/block_gather.h"
#include "exec/cpu/emit_common.h"

namespace lamina::cpu {

const std::string_view kNestFunctions = R"(
template <class X> LM X NAME_keep(X x, long n, double other) {
  typedef typename LmLanes<X>::element E;
  for (long i = 0; i < LmLanes<X>::count; ++i) x[i] = i < n ? x[i] : (E)other;
  return x;
}
template <class X, class T> LM X NAME_gather(const T* p, long step, long n) {
  X x = {};
  for (long i = 0; i < LmLanes<X>::count && i < n; ++i)
    x[i] = lm_load<typename LmLanes<X>::element>(p + i * step);
  return x;
}
template <class T, class X> LM void NAME_scatter(T* p, X x, long step, long n) {
  for (long i = 0; i < LmLanes<X>::count && i < n; ++i) {
    typename LmLanes<X>::element e = x[i];
    lm_store(p + i * step, e);
  }
}
template <class X> LM X NAME_ramp(long at) {
  X x = {};
  for (long i = 0; i < LmLanes<X>::count; ++i) x[i] = (typename LmLanes<X>::element)(at + i);
  return x;
}
template <class T, class X> LM X NAME_round(X x) {
  T t[LmLanes<X>::count];
  lm_store(t, x);
  return lm_load<X>((const T*)t);
}
)";

namespace {

using Form = BlockValue::Form;

// One nest: the sinks of a group, all over the tile `domain`.
class Nest {
 public:
  Nest(const BlockPlan& plan, std::vector<std::string>& sizes, NodeId domain, bool in_double)
      : plan_(plan),
        sizes_(sizes),
        domain_(domain),
        shape_(plan.shape(domain)),
        x_(in_double ? "vd" : "vf"),
        element_(in_double ? "double" : "float"),
        lanes_(in_double ? "LM_D" : "LM_F") {
    for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
      if (shape_[axis] != Dim(1)) axes_.push_back(axis);
    }
    if (!axes_.empty()) vector_ = static_cast<int>(axes_.back());
  }

  std::string write(const std::vector<Sink>& sinks) {
    for (const Sink& sink : sinks) add_fold(sink);
    std::string main = body(sinks, false);
    std::string tail = body(sinks, true);
    std::string out = "{\n" + fills_;
    for (std::size_t i = 0; i + 1 < axes_.size(); ++i) {
      out += fmt::format("for (long i{0} = 0; i{0} < {1}; ++i{0}) {{\n", axes_[i],
                         plan_.extent(domain_, axes_[i], sizes_));
    }
    const std::string length = axes_.empty() ? "1L" : plan_.extent(domain_, axes_.back(), sizes_);
    out += row_ + fmt::format(
                      "const long length = {0};\nlong j = 0;\n{4}"
                      "for (; j + {1} <= length; j += {1}) {{\n{2}}}\n"
                      "if (const long n = length - j; n > 0) {{\n{3}}}\n",
                      length, lanes_, main, tail, side_by_side(main));
    out += row_end_;
    return out + close_braces(axes_.empty() ? 1 : axes_.size());
  }

 private:
  struct Fold {
    Dims strides;  // of the result along the domain's axes; 0 where reduced
    bool along_row = false;
    bool over_rows = false;
    std::string combine;  // of a and b
    std::string identity;
    std::string count;  // of a mean's elements; "" for other folds
  };

  // Folds along a row in a few accumulators at once: one alone waits for itself at every step.
  // Where there is more to compute than that, the steps overlap anyway.
  std::string side_by_side(const std::string& body) const {
    constexpr std::size_t kShortBody = 300;  // of text
    constexpr int kAccumulators = 4;
    if (row_folds_.empty() || body.size() > kShortBody) return "";
    std::string declared, turn, joined;
    for (int k = 1; k < kAccumulators; ++k) {
      turn += fmt::format("{{ const long at = j + {} * {}; {{ const long j = at;\n", k, lanes_);
      for (const auto& [id, fold] : row_folds_) {
        const std::string own = fmt::format("a{}_{}", id, k);
        declared += fmt::format("{} {} = lm_splat<{}>({});\n", x_, own, x_, fold.identity);
        turn += fmt::format("{}& a{} = {};\n", x_, id, own);
        joined += fmt::format("a{} = {};\n", id, combined(fold, fmt::format("a{}", id), own));
      }
      turn += body + "} }\n";
    }
    return fmt::format(
        "if (length >= {0} * {1}) {{\n{2}for (; j + {0} * {1} <= length; j += {0} * {1}) "
        "{{\n{{\n{3}}}\n{4}}}\n{5}}}\n",
        kAccumulators, lanes_, declared, body, turn, joined);
  }

  struct Term {
    std::string name;
    bool moves;  // along the row; else computed once per row
  };

  // The vector's axis, or one that no value has.
  std::size_t vector() const { return static_cast<std::size_t>(vector_); }
  bool has_vector() const { return vector_ >= 0; }

  Dim vector_stride(const Dims& strides) const { return has_vector() ? strides[vector()] : Dim(0); }

  // The address of the row's first element.
  std::string row_address(const Place& place, const Dims& strides) {
    std::string text = base_text(place, sizes_);
    for (const std::size_t axis : axes_) {
      if (axis == vector() || strides[axis] == Dim(0)) continue;
      text += fmt::format(" + {} * i{}", dim_text(strides[axis], sizes_), axis);
    }
    return text;
  }

  Term value(NodeId id, bool tail) {
    if (const auto found = row_terms_.find(id); found != row_terms_.end()) return found->second;
    if (const auto found = body_terms_.find(id); found != body_terms_.end()) return found->second;
    const Term term = make(id, tail);
    (term.moves ? body_terms_ : row_terms_).emplace(id, term);
    return term;
  }

  Term define(NodeId id, bool moves, const std::string& expression) {
    const std::string name = fmt::format("v{}", id);
    (moves ? body_ : row_) += fmt::format("const {} {} = {};\n", x_, name, expression);
    return {name, moves};
  }

  Term make(NodeId id, bool tail) {
    const BlockValue& value = plan_.value(id);
    switch (value.form) {
      case Form::kNumber:
        return define(id, false, first_number(value));
      case Form::kCounter:
        return counter(id);
      case Form::kInline:
        return computed(id, tail);
      case Form::kMemory:
        return kept_.count(id) > 0 ? make_kept(id, tail) : load(id, value.place, tail);
      case Form::kNone:
        break;
    }
    fail(ErrorCode::kInternal, "block: '{}' has no value", plan_.node(id).name);
  }

  // A value that this nest itself puts into memory.
  Term make_kept(NodeId id, bool tail) {
    const BlockValue& value = plan_.value(id);
    return value.source ? load(id, *value.source, tail) : computed(id, tail);
  }

  Term load(NodeId id, const Place& place, bool tail) {
    const Dims strides = broadcast_place_strides(place, plan_.shape(id), shape_);
    const Dim step = vector_stride(strides);
    if (pointers_.insert(id).second) {
      row_ += fmt::format("const auto* p{} = {};\n", id, row_address(place, strides));
    }
    if (step == Dim(0)) {
      return define(id, false, fmt::format("lm_load<{}>(p{}) - {}{{}}", element_, id, x_));
    }
    if (step != Dim(1)) {
      return define(id, true,
                    fmt::format("NAME_gather<{0}>(p{1} + j * {2}, {2}, {3})", x_, id,
                                dim_text(step, sizes_), tail ? "n" : lanes_));
    }
    const bool partial = tail && !place.scratch;
    return define(id, true, fmt::format("lm_load<{}>(p{} + j{})", x_, id, partial ? ", n" : ""));
  }

  Term counter(NodeId id) {
    const BlockValue& value = plan_.value(id);
    const std::size_t skip = shape_.size() - plan_.shape(id).size();
    const std::size_t axis = skip + static_cast<std::size_t>(value.counter_axis);
    const bool still = plan_.shape(id)[axis - skip] == Dim(1);
    const bool moves = !still && has_vector() && axis == vector();
    std::string index = "lm_splat<" + x_ + ">(0)";
    if (moves) {
      index = fmt::format("NAME_ramp<{}>(j)", x_);
    } else if (!still) {
      index = fmt::format("lm_splat<{}>(i{})", x_, axis);
    }
    return define(id, moves,
                  fmt::format("{} + lm_splat<{}>({}) * {}", first_number(value), x_,
                              literal(value.step), index));
  }

  std::string first_number(const BlockValue& value) {
    std::string number = literal(value.start);
    if (value.size != Dim(0)) number += " + (double)" + dim_text(value.size, sizes_);
    return fmt::format("lm_splat<{}>({})", x_, number);
  }

  // Slices of a table: the index of a row is read, and checked, before the row.
  Term gathered(NodeId id, bool tail) {
    const Node& node = plan_.node(id);
    const GatherAxes axes = gather_axes(plan_.graph, node);
    const NodeId table = node.inputs[0].node;
    const Place& from = loaded_place(plan_.value(table));
    const Dim step = vector_stride(slice_strides(id, axes));
    if (pointers_.insert(id).second) row_ += slice_text(id, axes);
    const auto checked = [&](bool moves, const std::string& loaded) {
      return define(id, moves, fmt::format("ok{} ? {} : {}{{}}", id, loaded, x_));
    };
    if (step == Dim(0)) {
      return checked(false, fmt::format("lm_load<{}>(p{}) - {}{{}}", element_, id, x_));
    }
    if (step != Dim(1)) {
      return checked(true, fmt::format("NAME_gather<{0}>(p{1} + j * {2}, {2}, {3})", x_, id,
                                       dim_text(step, sizes_), tail ? "n" : lanes_));
    }
    const bool partial = tail && !from.scratch;
    return checked(true, fmt::format("lm_load<{}>(p{} + j{})", x_, id, partial ? ", n" : ""));
  }

  // Along the axes of the domain, within a slice.
  Dims slice_strides(NodeId id, const GatherAxes& axes) const {
    const Place& from = loaded_place(plan_.value(plan_.node(id).inputs[0].node));
    const Dims& shape = plan_.shape(id);
    Dims strides(shape_.size(), Dim(0));
    for (std::size_t a = 0; a < from.strides.size(); ++a) {
      const std::size_t at = axes.of_table(a);
      if (a == axes.axis || shape[at] == Dim(1)) continue;
      strides[shape_.size() - shape.size() + at] = from.strides[a];
    }
    return strides;
  }

  // p<id>: the slice of the row in hand, ok<id>: whether there is one.
  std::string slice_text(NodeId id, const GatherAxes& axes) {
    const Node& node = plan_.node(id);
    const NodeId table = node.inputs[0].node, indices = node.inputs[1].node;
    const Place& from = loaded_place(plan_.value(table));
    const Place& at = loaded_place(plan_.value(indices));
    const std::size_t skip = shape_.size() - plan_.shape(id).size();
    Dims index_strides(shape_.size(), Dim(0));
    for (std::size_t a = 0; a < axes.indices; ++a) {
      if (plan_.shape(indices)[a] == Dim(1)) continue;
      index_strides[skip + axes.of_indices(a)] = at.strides[a];
    }
    return fmt::format(
        "long x{0} = (long)*({1});\nif (x{0} < 0) x{0} += {2};\n"
        "const bool ok{0} = x{0} >= 0 && x{0} < {2};\n"
        "const auto* p{0} = {3} + (ok{0} ? x{0} : 0) * {4};\n",
        id, row_address(at, index_strides), plan_.extent(table, axes.axis, sizes_),
        row_address(from, slice_strides(id, axes)), dim_text(from.strides[axes.axis], sizes_));
  }

  Term computed(NodeId id, bool tail) {
    const Node& node = plan_.node(id);
    if (is_gather(node)) return gathered(id, tail);
    std::vector<Term> terms;
    bool moves = false;
    for (const Value& input : node.inputs) {
      terms.push_back(value(input.node, tail));
      moves = moves || terms.back().moves;
    }
    CodeSink sink(fmt::format("t{}_", id));
    std::vector<Code> operands;
    for (const Term& term : terms) operands.push_back({&sink, term.name});
    const Code result = node.op->scalar.code(operands, node.attrs);
    for (const std::string& line : sink.lines()) (moves ? body_ : row_) += line + "\n";
    return define(id, moves, node.op->name == "cast" ? rounded(node, result.name) : result.name);
  }

  static std::string rounded(const Node& node, const std::string& x) {
    const DType to = node.types[0].dtype;
    if (to == DType::kBF16 || to == DType::kF16) {
      return fmt::format("NAME_round<{}>({})", storage_type(to), x);
    }
    return traits(to).is_integer ? "lm_trunc(" + x + ")" : x;
  }

  std::string body(const std::vector<Sink>& sinks, bool tail) {
    body_.clear();
    body_terms_.clear();
    kept_.clear();
    for (const Sink& sink : sinks) {
      if (sink.kind == Sink::Kind::kKeep) kept_.insert(sink.node);
    }
    std::vector<std::string> names;
    for (const Sink& sink : sinks) {
      const bool reads_input = sink.kind == Sink::Kind::kFold || sink.kind == Sink::Kind::kStore;
      names.push_back(
          value(reads_input ? plan_.node(sink.node).inputs[0].node : sink.node, tail).name);
    }
    for (std::size_t i = 0; i < sinks.size(); ++i) {
      body_ += sink_text(sinks[i], static_cast<int>(i), names[i], tail);
    }
    return body_;
  }

  std::string sink_text(const Sink& sink, int index, const std::string& name, bool tail) {
    if (sink.kind == Sink::Kind::kFold) return fold_text(sink, name, tail);
    const Place& place = sink.kind == Sink::Kind::kKeep    ? plan_.value(sink.node).place
                         : sink.kind == Sink::Kind::kStore ? plan_.value(sink.node).place
                                                           : sink.place;
    if (!tail) {
      row_ += fmt::format("auto* q{} = {};\n", index, row_address(place, place.strides));
    }
    const Dim step = has_vector() ? place.strides[vector()] : Dim(1);
    if (step == Dim(1)) {
      const bool partial = tail && !place.scratch;
      return fmt::format("lm_store(q{} + j, {}{});\n", index, name, partial ? ", n" : "");
    }
    return fmt::format("NAME_scatter(q{0} + j * {1}, {2}, {1}, {3});\n", index,
                       dim_text(step, sizes_), name, tail ? "n" : lanes_);
  }

  Fold fold_of(NodeId id) {
    const Node& node = plan_.node(id);
    std::vector<Type> types;
    const NodeView seen = view(plan_.graph, node, types);
    const bool mean = node.op->name == "mean";
    const LoopForm form = find_op(mean ? "sum" : node.op->name).loop_form(seen);
    Fold fold;
    fold.strides.assign(shape_.size(), Dim(0));
    for (std::size_t a = 0; a < shape_.size(); ++a) {
      const int loop =
          form.operands[0].axes[a].loops.empty() ? -1 : form.operands[0].axes[a].loops[0].loop;
      if (loop >= 0 && loop < form.output_rank) {
        fold.strides[a] = plan_.value(id).place.strides[static_cast<std::size_t>(loop)];
        continue;
      }
      if (mean) fold.count += (fold.count.empty() ? "" : " * ") + plan_.extent(domain_, a, sizes_);
      if (shape_[a] == Dim(1)) continue;
      (has_vector() && a == vector() ? fold.along_row : fold.over_rows) = true;
    }
    switch (mean ? Monoid::kSum : node.op->monoid) {
      case Monoid::kSum:
        fold.combine = "{} + {}";
        fold.identity = "0.0";
        break;
      case Monoid::kProd:
        fold.combine = "{} * {}";
        fold.identity = "1.0";
        break;
      case Monoid::kMax:
        fold.combine = "lm_max({}, {})";
        fold.identity = "-__builtin_inf()";
        break;
      case Monoid::kMin:
        fold.combine = "lm_min({}, {})";
        fold.identity = "__builtin_inf()";
        break;
    }
    return fold;
  }

  static std::string combined(const Fold& fold, const std::string& a, const std::string& b) {
    return fmt::format(fmt::runtime(fold.combine), a, b);
  }

  // The folded function over lanes.
  std::string over_lanes(NodeId id) const {
    const Node& node = plan_.node(id);
    if (node.op->name == "mean") return "lm_sum";
    switch (node.op->monoid) {
      case Monoid::kSum:
        return "lm_sum";
      case Monoid::kProd:
        return "lm_prod";
      case Monoid::kMax:
        return "lm_max";
      case Monoid::kMin:
        return "lm_min";
    }
    return "";
  }

  // What comes before the loops, before a row and after it.
  void add_fold(const Sink& sink) {
    if (sink.kind != Sink::Kind::kFold) return;
    const NodeId id = sink.node;
    const Fold fold = fold_of(id);
    const Place& place = plan_.value(id).place;
    row_ += fmt::format("float* f{} = {};\n", id, row_address(place, fold.strides));
    if (fold.over_rows) {
      fills_ +=
          fmt::format("for (long i = 0; i < {}; ++i) {}[i] = (float){};\n",
                      dim_text(plan_.size_of(place.pointer), sizes_), place.pointer, fold.identity);
    }
    if (is_compensated(id, fold)) fills_ += lost_array(id);
    if (!fold.along_row) return;
    row_folds_.emplace(id, fold);
    row_ += fmt::format("{0} a{1} = lm_splat<{0}>({2});\n", x_, id, fold.identity);
    const std::string total = fmt::format("(float){}(a{}){}", over_lanes(id), id, divided(fold));
    row_end_ +=
        fmt::format("*f{} = {};\n", id,
                    fold.over_rows ? combined(fold, fmt::format("*f{}", id), total) : total);
  }

  static std::string divided(const Fold& fold) {
    return fold.count.empty() ? "" : fmt::format(" / (float)({})", fold.count);
  }

  std::string fold_text(const Sink& sink, const std::string& name, bool tail) {
    const NodeId id = sink.node;
    const Fold fold = fold_of(id);
    if (fold.along_row) {
      const std::string x = tail ? fmt::format("NAME_keep({}, n, {})", name, fold.identity) : name;
      return fmt::format("a{} = {};\n", id, combined(fold, fmt::format("a{}", id), x));
    }
    const std::string x =
        fold.count.empty() ? name : fmt::format("{} / lm_splat<{}>({})", name, x_, fold.count);
    const std::string at = fmt::format("f{} + j", id);
    if (!fold.over_rows) return fmt::format("lm_store({}, {});\n", at, x);
    if (is_compensated(id, fold)) return compensated_add(id, x);
    return fmt::format("lm_store({0}, {1});\n", at,
                       combined(fold, fmt::format("lm_load<{}>({})", x_, at), x));
  }

  // Sums down a column have one term after the other in one float. They carry the part that each
  // addition lost (Kahan's summation), where the columns are few enough to keep it on the stack:
  // variances as E[x^2] - E[x]^2 lose all accuracy otherwise.
  bool is_compensated(NodeId id, const Fold& fold) const {
    constexpr std::int64_t kMostColumns = 4096;
    const auto columns = plan_.size_of(plan_.value(id).place.pointer).constant();
    return fold.over_rows && !fold.along_row && fold.identity == "0.0" && x_ == "vf" && columns &&
           *columns <= kMostColumns;
  }

  std::string lost_array(NodeId id) const {
    const std::int64_t columns = *plan_.size_of(plan_.value(id).place.pointer).constant();
    return fmt::format("float k{}[{}] = {{}};\n", id, columns + 64 / 4);
  }

  // An infinite sum loses nothing: infinity - infinity is no part to carry.
  std::string compensated_add(NodeId id, const std::string& x) const {
    return fmt::format(
        "{{ float* lost = k{0} + (f{0} - {1}) + j;\n"
        "auto term = {2} - lm_load<{3}>(lost);\n"
        "auto old = lm_load<{3}>(f{0} + j);\n"
        "auto sum = old + term;\n"
        "auto rest = (sum - old) - term;\n"
        "lm_store(lost, lm_select(lm_equal(rest, rest), rest, lm_splat<{3}>(0.0)));\n"
        "lm_store(f{0} + j, sum); }}\n",
        id, plan_.value(id).place.pointer, x, x_);
  }

  const BlockPlan& plan_;
  std::vector<std::string>& sizes_;
  NodeId domain_;
  const Dims& shape_;
  std::string x_;
  std::string element_;
  std::string lanes_;
  std::vector<std::size_t> axes_;  // without those of size 1
  int vector_ = -1;
  std::string fills_, row_, body_, row_end_;
  std::map<NodeId, Fold> row_folds_;  // along rows
  std::map<NodeId, Term> row_terms_, body_terms_;
  std::set<NodeId> pointers_, kept_;
};

}  // namespace

NodeId NestWriter::domain(const Sink& sink) const {
  const bool of_input = sink.kind == Sink::Kind::kFold || sink.kind == Sink::Kind::kStore;
  return of_input ? plan_.node(sink.node).inputs[0].node : sink.node;
}

// True when `id` reads memory that the nest in hand has yet to write, other than in place.
bool NestWriter::waits_for(NodeId id, bool root) const {
  const BlockValue& value = plan_.value(id);
  const bool pending_fold = std::any_of(sinks_.begin(), sinks_.end(), [&](const Sink& sink) {
    return sink.kind == Sink::Kind::kFold && sink.node == value.place.owner;
  });
  if (value.form == Form::kMemory) {
    if (pending_fold) return true;
    const bool writes = std::any_of(sinks_.begin(), sinks_.end(), [&](const Sink& sink) {
      const NodeId owner = sink.kind == Sink::Kind::kUpdate ? sink.place.owner : sink.node;
      const NodeId read = value.source && root ? value.source->owner : value.place.owner;
      return owner == read && read != id;
    });
    if (writes) return true;
  }
  if (value.form != Form::kInline && !(root && value.computed && !value.source)) return false;
  if (!is_elementwise(plan_.node(id))) return false;
  const auto& inputs = plan_.node(id).inputs;
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const Value& v) { return waits_for(v.node, false); });
}

bool NestWriter::needs_double(NodeId id) const {
  const DType dtype = plan_.node(id).types[0].dtype;
  if (dtype == DType::kI64 || dtype == DType::kI32) return true;
  if (is_gather(plan_.node(id))) return false;
  const BlockValue& value = plan_.value(id);
  if (value.form != Form::kInline && !(value.computed && is_elementwise(plan_.node(id)))) {
    return false;
  }
  const auto& inputs = plan_.node(id).inputs;
  return std::any_of(inputs.begin(), inputs.end(), [&](const Value& v) {
    const BlockValue& from = plan_.value(v.node);
    const bool kept = from.form == Form::kMemory && from.place.scratch;
    return !kept && needs_double(v.node);
  });
}

bool NestWriter::fits(const Sink& sink) const {
  const NodeId mine = domain(sink), theirs = domain(sinks_[0]);
  if (plan_.shape(mine) != plan_.shape(theirs)) return false;
  if (plan_.value(mine).cuts != plan_.value(theirs).cuts) return false;
  if (needs_double(mine) != needs_double(theirs)) return false;
  return !waits_for(mine, sink.kind == Sink::Kind::kKeep);
}

void NestWriter::add(Sink sink) {
  if (!sinks_.empty() && !fits(sink)) flush();
  sinks_.push_back(std::move(sink));
}

// The nest in hand. Values that lie in memory already, and loads that are copied, are not computed.
ThreadPass NestWriter::pass() const {
  ThreadPass pass;
  pass.lanes = target_.lanes(needs_double(domain(sinks_[0])) ? 8 : 4);
  pass.tile = {pass.lanes};
  for (const Sink& sink : sinks_) {
    const bool store = sink.kind == Sink::Kind::kStore;
    const NodeId id = store ? plan_.node(sink.node).inputs[0].node : sink.node;
    const BlockValue& value = plan_.value(id);
    const bool kept = sink.kind == Sink::Kind::kKeep || sink.kind == Sink::Kind::kFold;
    const bool computed = kept ? !value.source : value.form != BlockValue::Form::kMemory;
    if (computed && std::count(pass.values.begin(), pass.values.end(), id) == 0) {
      pass.values.push_back(id);
    }
  }
  return pass;
}

void NestWriter::flush() {
  if (sinks_.empty()) return;
  passes_.push_back(pass());
  const NodeId tile = domain(sinks_[0]);
  text_ += Nest(plan_, sizes_, tile, needs_double(tile)).write(sinks_);
  sinks_.clear();
}

std::string NestWriter::take() {
  flush();
  return std::exchange(text_, {});
}

}  // namespace lamina::cpu
