// ONNX losses, as small graphs.
#include <optional>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

Item total(const OnnxCall& call, const Item& x) { return call.b.add("sum", {x}); }

// Log-probabilities [n, classes, ...], labels [n, ...], optional weights [classes]. Every label
// counts its weight, ignored ones nothing; "mean" divides by what was counted.
Item negative_log_likelihood(const OnnxCall& call, const Item& log_p, const Item& labels,
                             const std::optional<Item>& weight) {
  OnnxBuilder& b = call.b;
  require(log_p.rank() >= 2 && labels.rank() + 1 == log_p.rank(), "scores {} and labels {}",
          to_string(log_p.shape), to_string(labels.shape));
  Item label = labels;
  Item counted = b.filled(1.0, log_p.dtype, labels.shape);
  std::optional<Item> valid;
  if (call.has_attr("ignore_index")) {
    const auto ignored = static_cast<double>(call.integer("ignore_index", 0));
    valid = b.add("not_equal", {labels, OnnxBuilder::scalar(ignored, labels.dtype)});
    label = b.select(*valid, labels, OnnxBuilder::scalar(0, labels.dtype));
  }
  if (weight) counted = b.add("gather", {*weight, label}, {{"axis", 0}});
  if (valid) counted = b.select(*valid, counted, OnnxBuilder::scalar(0.0, log_p.dtype));
  const Item picked = b.add("gather_elements", {log_p, b.unsqueeze(label, 1)}, {{"axis", 1}});
  const Item losses = b.add("neg", {b.add("mul", {b.reshape(picked, labels.shape), counted})});
  const std::string reduction = call.text("reduction", "mean");
  if (reduction == "none") return losses;
  require(reduction == "sum" || reduction == "mean", "reduction '{}'", reduction);
  if (reduction == "sum") return total(call, losses);
  return b.add("div", {total(call, losses), total(call, counted)});
}

std::optional<Item> weights(const OnnxCall& call) {
  if (!call.has(2)) return std::nullopt;
  return call.in(2);
}

Items nll_loss(const OnnxCall& call) {
  return {negative_log_likelihood(call, call.in(0), call.in(1), weights(call))};
}

Items softmax_cross_entropy_loss(const OnnxCall& call) {
  const Item log_p = call.b.add("log_softmax", {call.in(0)}, {{"axis", 1}});
  return {negative_log_likelihood(call, log_p, call.in(1), weights(call)), log_p};
}

}  // namespace

std::span<const OnnxRule> onnx_loss_rules() {
  static const OnnxRule rules[] = {
      {"NegativeLogLikelihoodLoss", nll_loss},
      {"SoftmaxCrossEntropyLoss", softmax_cross_entropy_loss},
  };
  return rules;
}

}  // namespace lamina
