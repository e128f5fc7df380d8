// The planner's cost model. It follows stage_cost.cc, but for messages: a tensor that leaves a
// stage counts once, however many stages read it, so that a stage's cost depends on nothing but
// itself.
#include "pipeline/planners/graphpipe_price.h"

#include <algorithm>
#include <cmath>

namespace lamina::pipeline {
namespace {

using Index = std::size_t;

double reduce_seconds(const EqualDevices& devices, int degree, double bytes) {
  if (degree < 2 || bytes <= 0.0) return 0.0;
  const Link& link = degree <= devices.per_node ? devices.inside : devices.between;
  const double steps = 2.0 * (degree - 1);
  return steps / degree * bytes / link.bytes_per_s + steps * link.latency_s;
}

}  // namespace

bool splits(ScheduleKind schedule) {
  return schedule == ScheduleKind::kSplit || schedule == ScheduleKind::kZeroBubble;
}

Pricing::Pricing(const Computation& computation, const EqualDevices& devices,
                 const PlanOptions& options, int micro_batch)
    : computation_(computation), devices_(devices), options_(options), micro_batch_(micro_batch) {
  const int most = std::min({micro_batch, devices.count, devices.most_of_stage});
  for (int degree = 1; degree <= most; ++degree) {
    if (micro_batch % degree == 0) degrees_.push_back(degree);
  }
}

StagePrice Pricing::price(const Shape& shape, const StageMode& mode) const {
  const double samples = static_cast<double>(micro_batch_) / mode.devices;
  const auto pass = [&](Index p) {
    return (shape.fixed_s[p] + samples * shape.rate_s[p]) / devices_.speed;
  };
  const double weight_gradient = pass(2);
  const double others = pass(0) * (mode.recompute ? 2.0 : 1.0) + pass(1);
  const double messages = samples * (shape.in_bytes + shape.out_bytes) / devices_.edges.bytes_per_s;
  StagePrice price;
  price.bottleneck_s = std::max(others + weight_gradient, messages);
  price.reduce_s = reduce_seconds(devices_, mode.devices, shape.parameter_bytes);
  // A split backward pass lets the stages before go on without the weight gradient.
  const bool waits = !splits(options_.schedule) || !shape.has_inputs;
  price.forward_s = pass(0);
  price.path_s = others + (waits ? weight_gradient : 0.0);
  if (shape.has_inputs) {
    const double message =
        devices_.edges.latency_s + samples * shape.in_bytes / devices_.edges.bytes_per_s;
    price.forward_s += message;
    price.path_s += 2.0 * message;
  }
  return price;
}

double Pricing::memory(const Shape& shape, const StageMode& mode, int height) const {
  const double samples = static_cast<double>(micro_batch_) / mode.devices;
  const int all = micro_batches();
  const auto in_flight_at = [&](int stages) {
    if (options_.schedule == ScheduleKind::kGPipe) return all;
    const bool ahead = options_.schedule == ScheduleKind::kZeroBubble;
    return std::min(all, ahead ? 2 * stages - 1 : stages);
  };
  const int in_flight = in_flight_at(height);
  const int before = in_flight_at(height + 1);
  const int waiting = splits(options_.schedule) ? before : before - in_flight;
  const double shares = mode.shard_optimizer ? mode.devices : 1.0;
  const double kept = shape.in_bytes + (mode.recompute ? 0.0 : shape.saved_bytes);
  const double workspace = shape.workspace_bytes + (mode.recompute ? shape.saved_bytes : 0.0);
  return shape.parameter_bytes * (2.0 + computation_.optimizer_ratio / shares) +
         samples * (in_flight * (kept + shape.out_bytes) + workspace + waiting * shape.in_bytes);
}

std::optional<StageMode> Pricing::fastest(const Shape& shape, int devices, int height,
                                          double memory_bytes) const {
  StageMode mode{devices, false, false};
  if (std::isinf(memory_bytes)) return mode;
  for (const bool recompute : {false, true}) {
    for (const bool shard : {false, true}) {
      if (recompute && !options_.recompute) continue;
      if (shard && (!options_.shard_optimizer || devices == 1)) continue;
      mode.recompute = recompute;
      mode.shard_optimizer = shard;
      if (memory(shape, mode, height) <= memory_bytes) return mode;
    }
  }
  return std::nullopt;
}

}  // namespace lamina::pipeline
