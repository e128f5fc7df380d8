// Rewrite rules at concrete shapes, as pairs of graphs.
#include <algorithm>

#include "base/check.h"
#include "io/rule_types.h"

namespace lamina {
namespace {

constexpr std::int64_t kMaxElements = 1 << 18;  // of a tensor
constexpr int kMaxChoices = 729;                // combinations of groups and replicas tried
constexpr int kLargestGroups = 3;
constexpr int kLargestReplicas = 2;

// Builds one side of a rule as a graph whose inputs are those of both sides.
class SideBuilder {
 public:
  SideBuilder(const TypedRule& typed, const OperatorTypes& types,
              const std::vector<std::int64_t>& values)
      : types_(types), values_(values) {
    for (const auto& [tensor, type] : typed.inputs) {
      std::string name = fmt::format("x{}", -static_cast<std::int64_t>(tensor.op));
      if (tensor.output != 0) name += fmt::format("_{}", tensor.output);
      inputs_[tensor] = graph_.add_input(std::move(name), {DType::kF32, dims(type), {}});
    }
  }

  void add(const RuleOperator& op) {
    std::vector<Value> in;
    for (const RuleTensor& tensor : op.inputs) in.push_back(find(tensor));
    const std::vector<RuleType>& expected = types_[outputs_.size()];
    std::vector<Value> out = emit(op, in, expected);
    for (std::size_t i = 0; i < out.size(); ++i) {
      check(graph_.type(out[i]).shape == dims(expected[i]), "{}: shape {} instead of {}",
            rule_op_name(op.type), to_string(graph_.type(out[i]).shape),
            to_string(dims(expected[i])));
    }
    outputs_.push_back(std::move(out));
  }

  Graph finish(const std::vector<RuleTensor>& results) {
    for (std::size_t k = 0; k < results.size(); ++k) {
      graph_.add_output("y" + std::to_string(k), find(results[k]));
    }
    return std::move(graph_);
  }

 private:
  Dims dims(const RuleType& type) const {
    Dims shape;
    std::int64_t elements = 1;
    for (const LinearForm& form : type.shape) {
      shape.push_back(evaluate(form, values_));
      elements *= std::min(*shape.back().constant(), kMaxElements);
      if (elements > kMaxElements)
        fail(ErrorCode::kUnsupported, "a tensor of the rule is too large");
    }
    return shape;
  }

  Value find(const RuleTensor& tensor) const {
    if (tensor.op < 0) return inputs_.at(tensor);
    return outputs_.at(static_cast<std::size_t>(tensor.op))
        .at(static_cast<std::size_t>(tensor.output));
  }

  std::int64_t extent(Value v, std::size_t axis) const {
    return *graph_.type(v).shape[axis].constant();
  }

  std::vector<Value> emit(const RuleOperator& op, const std::vector<Value>& in,
                          const std::vector<RuleType>& types) {
    switch (op.type) {
      case rule_op::kAdd:
        return {graph_.add("add", in)};
      case rule_op::kMul:
        return {graph_.add("mul", in)};
      case rule_op::kMatmul:
        return {activated(op, graph_.add("matmul", in))};
      case rule_op::kConv:
        return {activated(op, conv(op, in[0], in[1]))};
      case rule_op::kMaxPool:
      case rule_op::kAvgPool:
        return {activated(op, pool(op, in[0]))};
      case rule_op::kLinear:
        return {activated(op, linear(in[0], in[1], dims(types[0])))};
      case rule_op::kConcat:
        return {graph_.add("concat", in, {{"axis", axis(op, rule_parameter::kAxis)}})};
      case rule_op::kSplit:
        return split(op, in[0], types);
      default:
        return {emit_unary(op, in[0], types[0])};
    }
  }

  Value emit_unary(const RuleOperator& op, Value x, const RuleType& type) {
    switch (op.type) {
      case rule_op::kRelu:
        return graph_.add("relu", {x});
      case rule_op::kSigmoid:
        return graph_.add("sigmoid", {x});
      case rule_op::kTanh:
        return graph_.add("tanh", {x});
      case rule_op::kTranspose: {
        Dims axes;
        for (const int from : permutation(op)) axes.push_back(from);
        return graph_.add("transpose", {x}, {{"axes", axes}});
      }
      case rule_op::kEnlarge:
        return enlarge(x, dims(type));
      case rule_op::kReplicate:
        return replicate(op, x);
      case rule_op::kReduce:
        return reduce(op, x);
      case rule_op::kPartition:
      case rule_op::kCombine:
        return x;  // They say where elements lie, not what they are.
      default:
        fail(ErrorCode::kInternal, "a typed operator {} that cannot be built",
             rule_op_name(op.type));
    }
  }

  static std::int64_t axis(const RuleOperator& op, int key) { return op.parameters.at(key); }

  // The activation that an operator of TASO applies to its result.
  Value activated(const RuleOperator& op, Value x) {
    static constexpr const char* kActivations[] = {nullptr, "sigmoid", "relu", "tanh"};
    if (!op.parameters.contains(rule_parameter::kActivation)) return x;
    const char* name = kActivations[parameter(op, rule_parameter::kActivation, 0, 3)];
    return name == nullptr ? x : graph_.add(name, {x});
  }

  std::vector<Value> split(const RuleOperator& op, Value x, const std::vector<RuleType>& types) {
    const std::int64_t along = axis(op, rule_parameter::kAxis);
    Dims sizes;
    for (const RuleType& type : types) sizes.push_back(dims(type)[static_cast<std::size_t>(along)]);
    const Value first = graph_.add("split", {x}, {{"axis", along}, {"sizes", sizes}});
    std::vector<Value> out;
    for (std::size_t k = 0; k < types.size(); ++k) {
      out.push_back({first.node, static_cast<std::int32_t>(k)});
    }
    return out;
  }

  // Strides, and what padding SAME adds on both sides.
  Attrs window_attributes(const RuleOperator& op, Value x, const Dims& kernel) const {
    Dims strides, low, high;
    for (const std::size_t i : {0, 1}) {
      const int key = i == 0 ? rule_parameter::kStrideH : rule_parameter::kStrideW;
      const std::int64_t stride = parameter(op, key, 1, 16);
      const std::int64_t left = extent(x, 2 + i) % stride;
      const bool same = parameter(op, rule_parameter::kPad, 0, 1) == kSamePadding;
      const std::int64_t total =
          same ? std::max<std::int64_t>(*kernel[i].constant() - (left == 0 ? stride : left), 0) : 0;
      strides.push_back(stride);
      low.push_back(total / 2);
      high.push_back(total - total / 2);
    }
    return {{"strides", strides}, {"pads_low", low}, {"pads_high", high}};
  }

  // TASO tells groups by the shapes: a filter sees a part of the channels.
  Value conv(const RuleOperator& op, Value x, Value w) {
    Attrs attrs = window_attributes(op, x, {extent(w, 2), extent(w, 3)});
    attrs.set("groups", extent(x, 1) / extent(w, 1));
    return graph_.add("conv", {x, w}, std::move(attrs));
  }

  Value pool(const RuleOperator& op, Value x) {
    const Dims window = {op.parameters.at(rule_parameter::kKernelH),
                         op.parameters.at(rule_parameter::kKernelW)};
    Attrs attrs = window_attributes(op, x, window);
    attrs.set("window", window);
    if (op.type == rule_op::kMaxPool) return graph_.add("max_pool", {x}, std::move(attrs));
    attrs.set("count_padding", true);
    return graph_.add("avg_pool", {x}, std::move(attrs));
  }

  Value enlarge(Value w, const Dims& shape) {
    Dims border(4);
    for (const std::size_t i : {2, 3}) border[i] = (*shape[i].constant() - extent(w, i)) / 2;
    return graph_.add("pad", {w}, {{"low", border}, {"high", border}});
  }

  // x [t, u*i, q*c] and w [u, t*j, q*c] give [q, u*i, t*j]: see TypeInference::linear.
  Value linear(Value x, Value w, const Dims& shape) {
    const std::int64_t t = extent(x, 0);
    const std::int64_t u = extent(w, 0);
    const std::int64_t q = *shape[0].constant();
    const Value blocks =
        graph_.add("reshape", {x}, {{"shape", Dims{t, u, extent(x, 1) / u, q, extent(x, 2) / q}}});
    const Value filters =
        graph_.add("reshape", {w}, {{"shape", Dims{u, t, extent(w, 1) / t, q, extent(w, 2) / q}}});
    const Value products =
        graph_.add("einsum", {blocks, filters}, {{"equation", std::string("tuiqc,utjqc->quitj")}});
    return graph_.add("reshape", {products}, {{"shape", shape}});
  }

  Value replicate(const RuleOperator& op, Value x) {
    Dims repeats(graph_.type(x).shape.size(), 1);
    repeats[static_cast<std::size_t>(axis(op, rule_parameter::kParallelAxis))] =
        op.parameters.at(rule_parameter::kParallelDegree);
    return graph_.add("tile", {x}, {{"repeats", repeats}});
  }

  Value reduce(const RuleOperator& op, Value x) {
    const auto along = static_cast<std::size_t>(axis(op, rule_parameter::kParallelAxis));
    const std::int64_t degree = op.parameters.at(rule_parameter::kParallelDegree);
    Dims shape = graph_.type(x).shape;
    shape[along] = extent(x, along) / degree;
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(along), degree);
    const Value pieces = graph_.add("reshape", {x}, {{"shape", shape}});
    return graph_.add("sum", {pieces}, {{"axes", Dims{static_cast<std::int64_t>(along)}}});
  }

  const OperatorTypes& types_;
  const std::vector<std::int64_t>& values_;
  Graph graph_;
  std::map<RuleTensor, Value> inputs_;
  std::vector<std::vector<Value>> outputs_;
};

Graph build_side(const TypedRule& typed, const RewriteRule& rule, bool source,
                 const std::vector<std::int64_t>& values) {
  SideBuilder builder(typed, source ? typed.source : typed.destination, values);
  for (const RuleOperator& op : source ? rule.source : rule.destination) builder.add(op);
  std::vector<RuleTensor> results;
  for (const RuleOutput& output : rule.outputs) {
    results.push_back(source ? output.source : output.destination);
  }
  Graph graph = builder.finish(results);
  graph.name = source ? "source" : "destination";
  return graph;
}

// The choices that shapes leave open, all at their smallest.
RuleChoices smallest_choices(const RewriteRule& rule) {
  RuleChoices choices;
  std::map<RuleTensor, int> replicas;
  bool linear = false;
  for (const auto* ops : {&rule.source, &rule.destination}) {
    for (const RuleOperator& op : *ops) {
      linear = linear || op.type == rule_op::kLinear;
      if (op.type == rule_op::kConv) choices.groups.push_back(1);
      for (const RuleTensor& tensor : op.inputs) {
        if (tensor.op < 0) replicas[tensor] = 1;
      }
    }
  }
  // Without LINEAR the replica axis is an axis like the others.
  if (linear) choices.replicas = std::move(replicas);
  return choices;
}

// The choice to count up at `position`, and its largest value.
std::pair<int*, int> choice_at(RuleChoices& choices, std::size_t position) {
  if (position < choices.groups.size()) return {&choices.groups[position], kLargestGroups};
  auto entry = choices.replicas.begin();
  std::advance(entry, static_cast<std::ptrdiff_t>(position - choices.groups.size()));
  return {&entry->second, kLargestReplicas};
}

// All choices with at most kMaxChoices combinations, the smallest sum first.
std::vector<RuleChoices> all_choices(const RewriteRule& rule) {
  std::vector<std::pair<int, RuleChoices>> found = {{0, smallest_choices(rule)}};
  const std::size_t positions = found[0].second.groups.size() + found[0].second.replicas.size();
  for (std::size_t p = 0; p < positions; ++p) {
    const std::size_t before = found.size();
    for (std::size_t k = 0; k < before && found.size() < kMaxChoices; ++k) {
      auto [sum, choices] = found[k];
      for (auto [value, largest] = choice_at(choices, p); *value < largest;) {
        ++*value;
        found.emplace_back(++sum, choices);
      }
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<RuleChoices> result;
  for (auto& [sum, choices] : found) result.push_back(std::move(choices));
  return result;
}

std::optional<RuleInstance> instance(const RewriteRule& rule, const RuleChoices& choices,
                                     int variant, std::string* conflict = nullptr) {
  const TypedRule typed = infer_types(rule, choices, variant);
  if (conflict != nullptr) *conflict = typed.conflict;
  if (!typed.conflict.empty()) return std::nullopt;
  const auto values = typed.sizes.solve(variant);
  if (!values) return std::nullopt;
  return RuleInstance{build_side(typed, rule, true, *values),
                      build_side(typed, rule, false, *values), typed.placement};
}

}  // namespace

std::vector<RuleInstance> instantiate(const RewriteRule& rule, int count) {
  require(count > 0, "a rule needs at least one choice of shapes, got {}", count);
  std::string conflict;
  for (RuleChoices choices : all_choices(rule)) {
    std::string reason;
    auto first = instance(rule, choices, 0, &reason);
    if (conflict.empty()) conflict = reason.empty() ? "the sizes of both sides do not fit" : reason;
    if (!first) continue;
    std::vector<RuleInstance> instances = {std::move(*first)};
    for (int variant = 1; variant < count; ++variant) {
      if (auto next = instance(rule, choices, variant)) instances.push_back(std::move(*next));
    }
    for (int& groups : choices.groups) groups *= 2;
    auto grouped = choices.groups.empty() ? std::nullopt : instance(rule, choices, 0);
    if (grouped) {
      grouped->grouped = true;
      instances.push_back(std::move(*grouped));
    }
    return instances;
  }
  fail(ErrorCode::kInvalidArgument, "{}", conflict);
}

}  // namespace lamina
