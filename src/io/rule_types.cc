// Types of the operators of rewrite rules (docs/formats.md, "Rewrite rules").
#include "io/rule_types.h"

#include <algorithm>

#include "base/check.h"
#include "io/rule_ranks.h"

namespace lamina {
namespace {

using Forms = std::vector<LinearForm>;

// Infers the types of one side after the other; the equations are those of both.
class TypeInference {
 public:
  TypeInference(const RewriteRule& rule, const RuleChoices& choices, int variant)
      : choices_(choices), variant_(variant), ranks_(rule) {}

  TypedRule run(const RewriteRule& rule) {
    add_inputs(rule.source);
    add_inputs(rule.destination);
    infer_side(rule.source, Side::kSource, typed_.source);
    infer_side(rule.destination, Side::kDestination, typed_.destination);
    for (std::size_t k = 0; k < rule.outputs.size(); ++k) {
      where_ = fmt::format("output {}", k);
      compare(find(typed_.source, rule.outputs[k].source),
              find(typed_.destination, rule.outputs[k].destination));
    }
    return std::move(typed_);
  }

 private:
  void add_inputs(const std::vector<RuleOperator>& ops) {
    for (const RuleOperator& op : ops) {
      for (const RuleTensor& tensor : op.inputs) {
        if (tensor.op < 0 && !typed_.inputs.contains(tensor)) {
          typed_.inputs[tensor] = input_type(tensor);
        }
      }
    }
  }

  RuleType input_type(const RuleTensor& tensor) {
    RuleType type = plain({});
    for (int axis = 0; axis < ranks_.of_input(tensor); ++axis) {
      type.shape.push_back(typed_.sizes.unknown());
    }
    const auto replicas = choices_.replicas.find(tensor);
    if (replicas != choices_.replicas.end()) type.shape[0] = replicas->second;
    return plain(std::move(type.shape));
  }

  void infer_side(const std::vector<RuleOperator>& ops, Side side, OperatorTypes& types) {
    for (std::size_t k = 0; k < ops.size(); ++k) {
      where_ = fmt::format("{} operator {} ({})", side == Side::kSource ? "source" : "destination",
                           k, rule_op_name(ops[k].type));
      std::vector<const RuleType*> in;
      for (const RuleTensor& tensor : ops[k].inputs) in.push_back(&find(types, tensor));
      types.push_back(infer(ops[k], in));
    }
  }

  void compare(const RuleType& source, const RuleType& destination) {
    equate_shapes(source, destination, "shapes");
    for (std::size_t i = 0; i < source.rank() && typed_.placement.empty(); ++i) {
      if (source.parts[i] == destination.parts[i]) continue;
      typed_.placement = fmt::format(
          "axis {} of {} is in {} parts in the source and in {} in the "
          "destination",
          i, where_, source.parts[i], destination.parts[i]);
    }
  }

  const RuleType& find(const OperatorTypes& types, const RuleTensor& tensor) const {
    if (tensor.op < 0) return typed_.inputs.at(tensor);
    return types.at(static_cast<std::size_t>(tensor.op))
        .at(static_cast<std::size_t>(tensor.output));
  }

  std::vector<RuleType> infer(const RuleOperator& op, const std::vector<const RuleType*>& in) {
    switch (op.type) {
      case rule_op::kRelu:
      case rule_op::kSigmoid:
      case rule_op::kTanh:
        return {*in[0]};
      case rule_op::kPartition:
      case rule_op::kCombine:
      case rule_op::kReplicate:
      case rule_op::kReduce:
        return {parallel(op, *in[0])};
      case rule_op::kAdd:
      case rule_op::kMul:
        return {elementwise(*in[0], *in[1])};
      case rule_op::kMatmul:
        return {matmul(*in[0], *in[1])};
      case rule_op::kConcat:
        return {concat(op, in)};
      case rule_op::kSplit:
        return split(op, *in[0]);
      case rule_op::kTranspose:
        return {transpose(op, *in[0])};
      default:
        return {infer_layer(op, in)};
    }
  }

  RuleType infer_layer(const RuleOperator& op, const std::vector<const RuleType*>& in) {
    switch (op.type) {
      case rule_op::kConv:
        return conv(op, *in[0], *in[1]);
      case rule_op::kMaxPool:
      case rule_op::kAvgPool:
        return pool(op, *in[0]);
      case rule_op::kEnlarge:
        return enlarge(op, in);
      case rule_op::kLinear:
        return linear(*in[0], *in[1]);
      default:
        fail(ErrorCode::kUnsupported, "operator {}", rule_op_name(op.type));
    }
  }

  static RuleType plain(Forms shape) {
    RuleType type;
    type.pieces.assign(shape.size(), kWhole);
    type.parts.assign(shape.size(), 1);
    type.shape = std::move(shape);
    return type;
  }

  // Only the first conflict is kept: later ones follow from it.
  void equate(const LinearForm& a, const LinearForm& b, std::string_view what) {
    if (typed_.sizes.equate(a, b) || !typed_.conflict.empty()) return;
    typed_.conflict = fmt::format("{}: the {} do not fit", where_, what);
  }

  void equate_shapes(const RuleType& a, const RuleType& b, std::string_view what) {
    for (std::size_t i = 0; i < a.rank(); ++i) equate(a.shape[i], b.shape[i], what);
  }

  static std::size_t axis_of(const RuleOperator& op, int key, const RuleType& type) {
    return static_cast<std::size_t>(parameter(op, key, 0, static_cast<int>(type.rank()) - 1));
  }

  // Devices compute on parts that lie there.
  void require_parts(int a, int b, std::string_view what) {
    if (a == b || !typed_.conflict.empty()) return;
    typed_.conflict = fmt::format("{}: {} in {} and {} parts", where_, what, a, b);
  }

  RuleType elementwise(const RuleType& a, const RuleType& b) {
    equate_shapes(a, b, "shapes");
    RuleType out = a;
    for (std::size_t i = 0; i < a.rank(); ++i) {
      require_parts(a.parts[i], b.parts[i], fmt::format("axis {}", i));
      if (out.pieces[i] == kWhole) out.pieces[i] = b.pieces[i];
    }
    return out;
  }

  RuleType matmul(const RuleType& a, const RuleType& b) {
    const std::size_t rank = a.rank();
    equate(a.shape[rank - 1], b.shape[rank - 2], "inner sizes");
    for (std::size_t i = 0; i + 2 < rank; ++i) equate(a.shape[i], b.shape[i], "batch sizes");
    RuleType out = a;
    out.shape[rank - 1] = b.shape[rank - 1];
    out.pieces[rank - 1] = b.pieces[rank - 1];
    return out;
  }

  RuleType concat(const RuleOperator& op, const std::vector<const RuleType*>& in) {
    RuleType out = *in[0];
    const std::size_t axis = axis_of(op, rule_parameter::kAxis, out);
    RulePieces joined{{in[0]->shape[axis]}, {in[0]->pieces[axis]}};
    for (std::size_t k = 1; k < in.size(); ++k) {
      for (std::size_t i = 0; i < out.rank(); ++i) {
        require_parts(out.parts[i], in[k]->parts[i], fmt::format("axis {}", i));
        if (i == axis) continue;
        equate(out.shape[i], in[k]->shape[i], "shapes beyond the axis");
        if (out.pieces[i] == kWhole) out.pieces[i] = in[k]->pieces[i];
      }
      out.shape[axis] = out.shape[axis] + in[k]->shape[axis];
      joined.sizes.push_back(in[k]->shape[axis]);
      joined.inner.push_back(in[k]->pieces[axis]);
    }
    out.pieces[axis] = static_cast<int>(typed_.pieces.size());
    typed_.pieces.push_back(std::move(joined));
    return out;
  }

  // Undoes the last concatenation along the axis; without one, the pieces are of equal size.
  std::vector<RuleType> split(const RuleOperator& op, const RuleType& x) {
    const std::size_t axis = axis_of(op, rule_parameter::kAxis, x);
    const auto count = static_cast<std::size_t>(output_count(op));
    RulePieces cut;
    if (x.pieces[axis] != kWhole) {
      cut = typed_.pieces[static_cast<std::size_t>(x.pieces[axis])];
    } else {
      const LinearForm size = typed_.sizes.unknown();
      equate(static_cast<std::int64_t>(count) * size, x.shape[axis], "equal pieces of the axis");
      cut = {std::vector<LinearForm>(count, size), std::vector<int>(count, kWhole)};
    }
    require(cut.sizes.size() == count, "{}: {} outputs for an axis of {} pieces", where_, count,
            cut.sizes.size());
    std::vector<RuleType> out(count, x);
    for (std::size_t k = 0; k < count; ++k) {
      out[k].shape[axis] = cut.sizes[k];
      out[k].pieces[axis] = cut.inner[k];
    }
    return out;
  }

  RuleType transpose(const RuleOperator& op, const RuleType& x) {
    const std::vector<int> order = permutation(op);
    RuleType out = x;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto from = static_cast<std::size_t>(order[i]);
      out.shape[i] = x.shape[from];
      out.pieces[i] = x.pieces[from];
      out.parts[i] = x.parts[from];
    }
    return out;
  }

  // How many windows of `kernel` with this stride an axis holds.
  LinearForm windows(const RuleOperator& op, int stride_key, const LinearForm& extent,
                     const LinearForm& kernel) {
    const int stride = parameter(op, stride_key, 1, 16);
    const int padding = parameter(op, rule_parameter::kPad, 0, 1);
    if (stride == 1 && padding == kSamePadding) return extent;
    const LinearForm count = typed_.sizes.unknown();
    const std::int64_t left = variant_ % stride;
    equate(padding == kSamePadding ? stride * count - left : stride * (count - 1) + kernel + left,
           extent, "windows");
    return count;
  }

  RuleType conv(const RuleOperator& op, const RuleType& x, const RuleType& w) {
    check(next_conv_ < choices_.groups.size(), "a convolution without a choice of groups");
    const int groups = choices_.groups[next_conv_++];
    equate(x.shape[1], groups * w.shape[1], "channels of the input and of the filter");
    equate(w.shape[0], groups * typed_.sizes.unknown(), "filters and groups");
    for (const auto& [key, axis] :
         {std::pair{rule_parameter::kKernelH, 2}, std::pair{rule_parameter::kKernelW, 3}}) {
      if (!op.parameters.contains(key)) continue;
      equate(w.shape[static_cast<std::size_t>(axis)], parameter(op, key, 1, 16), "kernel sizes");
    }
    RuleType out = x;
    out.shape = {x.shape[0], w.shape[0],
                 windows(op, rule_parameter::kStrideH, x.shape[2], w.shape[2]),
                 windows(op, rule_parameter::kStrideW, x.shape[3], w.shape[3])};
    out.pieces[1] = w.pieces[0];
    return out;
  }

  RuleType pool(const RuleOperator& op, const RuleType& x) {
    const int height = parameter(op, rule_parameter::kKernelH, 1, 16);
    const int width = parameter(op, rule_parameter::kKernelW, 1, 16);
    RuleType out = x;
    out.shape[2] = windows(op, rule_parameter::kStrideH, x.shape[2], height);
    out.shape[3] = windows(op, rule_parameter::kStrideW, x.shape[3], width);
    return out;
  }

  // Filters with zeros around them: the size is that of another filter or a parameter.
  RuleType enlarge(const RuleOperator& op, const std::vector<const RuleType*>& in) {
    RuleType out = *in[0];
    for (std::size_t axis : {2, 3}) {
      const int key = axis == 2 ? rule_parameter::kKernelH : rule_parameter::kKernelW;
      const LinearForm wanted =
          in.size() == 2 ? in[1]->shape[axis] : LinearForm(parameter(op, key, 1, 16));
      equate(wanted, out.shape[axis] + 2 * typed_.sizes.unknown(0), "kernel sizes");
      out.shape[axis] = wanted;
    }
    return out;
  }

  // x [replicas, rows, inner] and w [replicas, columns, inner]: replica k of x serves part k of the
  // columns, replica k of w part k of the rows. Where both inner axes are cut, the products of the
  // parts are kept apart along the replica axis of the output.
  RuleType linear(const RuleType& x, const RuleType& w) {
    equate(x.shape[2], w.shape[2], "inner sizes");
    require_parts(x.parts[2], w.parts[2], "inner axes");
    require_parts(x.parts[0], w.parts[1], "replicas of the input and columns");
    require_parts(x.parts[1], w.parts[0], "rows and replicas of the weights");
    const LinearForm part = typed_.sizes.unknown();
    equate(x.shape[2], x.parts[2] * part, "parts of the inner axis");
    equate(w.shape[1], replicas(x) * typed_.sizes.unknown(), "columns and replicas");
    equate(x.shape[1], replicas(w) * typed_.sizes.unknown(), "rows and replicas");
    RuleType out = plain({x.parts[2], x.shape[1], w.shape[1]});
    out.pieces[1] = x.pieces[1];
    out.pieces[2] = w.pieces[1];
    out.parts = {x.parts[2], x.parts[1], w.parts[1]};
    return out;
  }

  // After a conflict sizes may stay open; no graph is built then.
  std::int64_t replicas(const RuleType& type) const {
    const LinearForm form = typed_.sizes.reduce(type.shape[0]);
    check(form.terms.empty() || !typed_.conflict.empty(), "{}: an open number of replicas", where_);
    return std::max<std::int64_t>(1, form.constant);
  }

  // PARTITION and REPLICATE cut an axis further, COMBINE and REDUCE put parts together. Inputs are
  // whole; where rules reduce an axis of an input, it stays whole.
  RuleType parallel(const RuleOperator& op, const RuleType& x) {
    const std::size_t axis = axis_of(op, rule_parameter::kParallelAxis, x);
    const int degree = parameter(op, rule_parameter::kParallelDegree, 1, 16);
    RuleType out = x;
    const bool cuts = op.type == rule_op::kPartition || op.type == rule_op::kReplicate;
    if (op.type == rule_op::kCombine && x.parts[axis] % degree != 0 && typed_.conflict.empty()) {
      typed_.conflict = fmt::format("{}: axis {} is in {} parts", where_, axis, x.parts[axis]);
    }
    out.parts[axis] =
        cuts ? std::min(x.parts[axis] * degree, 1 << 16) : std::max(x.parts[axis] / degree, 1);
    if (op.type == rule_op::kPartition || op.type == rule_op::kCombine) return out;
    out.pieces[axis] = kWhole;
    if (op.type == rule_op::kReplicate) {
      out.shape[axis] = degree * x.shape[axis];
    } else {
      out.shape[axis] = typed_.sizes.unknown();
      equate(x.shape[axis], degree * out.shape[axis], "axis and degree");
    }
    return out;
  }

  const RuleChoices& choices_;
  int variant_;
  RuleRanks ranks_;
  TypedRule typed_;
  std::size_t next_conv_ = 0;
  std::string where_;
};

}  // namespace

TypedRule infer_types(const RewriteRule& rule, const RuleChoices& choices, int variant) {
  return TypeInference(rule, choices, variant).run(rule);
}

}  // namespace lamina
