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
  // A split backward pass lets the stages before go on without the weight gradient.
  const bool waits = !splits() || !shape.has_inputs;
  price.after_s = (waits ? 0.0 : weight_gradient) +
                  reduce_seconds(devices_, mode.devices, shape.parameter_bytes);
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

Work Pricing::path_work(const Shape& shape) const {
  Work work;
  for (Index p = 0; p < (splits() ? 2 : 3); ++p) {
    work = work + Work{shape.rate_s[p], shape.fixed_s[p]};
  }
  return work;
}

std::optional<Paths> Pricing::least_path(const Shape& shape, double bottleneck_s,
                                         double path_s) const {
  constexpr double kRounding = 1.0 + 1e-9;
  std::optional<Paths> least;
  for (const int degree : degrees_) {
    const auto seconds = [&](const Work& work) {
      return shared_seconds(work) / degree + fixed_seconds(work);
    };
    const double back_s = seconds(path_work(shape));
    const double all_s = back_s + reduce_seconds(devices_, degree, shape.parameter_bytes);
    if (seconds(shape.work()) > bottleneck_s * kRounding || all_s > path_s * kRounding) continue;
    const double forward_s = seconds({shape.rate_s[0], shape.fixed_s[0]});
    if (!least) least = Paths{forward_s, back_s, all_s};
    least->forward_s = std::min(least->forward_s, forward_s);
    least->back_s = std::min(least->back_s, back_s);
    least->all_s = std::min(least->all_s, all_s);
  }
  return least;
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
  const int waiting = splits() ? before : before - in_flight;
  const double shares = mode.shard_optimizer ? mode.devices : 1.0;
  const KeptBytes bytes =
      kept_bytes(shape.saved_bytes, shape.split_bytes, mode.recompute, splits());
  const double kept =
      shape.in_bytes + (mode.recompute ? shape.in_bytes + shape.out_bytes : 0.0) + bytes.saved;
  const double workspace = shape.workspace_bytes + bytes.workspace;
  return shape.parameter_bytes * (2.0 + computation_.optimizer_ratio / shares) +
         shape.fixed_bytes * (mode.recompute ? 2.0 : 1.0) +
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
