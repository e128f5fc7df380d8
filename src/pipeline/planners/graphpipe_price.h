// What a stage costs an iteration, as the planner predicts it: critical path + (M - 1) x
// bottleneck.
#pragma once

#include <optional>
#include <vector>

#include "pipeline/planners/graphpipe_space.h"

namespace lamina::pipeline {

// Equal devices, as the planner sees them; it places stages on devices of the cluster afterwards.
struct EqualDevices {
  int count = 1;
  double speed = 1.0;
  double memory_bytes = 0.0;
  Link edges;  // between stages
  Link inside, between;
  int per_node = 1;  // degrees up to this are within a node
};

// How a stage runs.
struct StageMode {
  int devices = 1;
  bool recompute = false;
  bool shard_optimizer = false;
};

// Whether its backward passes are in two parts.
bool splits(ScheduleKind schedule);

struct StagePrice {
  double bottleneck_s = 0.0;  // of a micro-batch: its passes or its messages, whichever take longer
  double path_s = 0.0;        // what it adds to a path from a source to a sink and back
};

class Pricing {
 public:
  Pricing(const Computation& computation, const EqualDevices& devices, const PlanOptions& options,
          int micro_batch);

  int micro_batch() const { return micro_batch_; }
  int micro_batches() const { return options_.batch / micro_batch_; }
  const EqualDevices& devices() const { return devices_; }
  // That divide the micro-batch, ascending.
  const std::vector<int>& degrees() const { return degrees_; }
  // Device-seconds of a micro-batch at least.
  double device_seconds(const Work& work) const {
    return (micro_batch_ * work.rate_s + work.fixed_s) / devices_.speed;
  }
  // Seconds of a micro-batch on as many devices as can share it.
  double least_seconds(const Work& work) const {
    const double samples = static_cast<double>(micro_batch_) / degrees_.back();
    return (samples * work.rate_s + work.fixed_s) / devices_.speed;
  }

  StagePrice price(const Shape& shape, const StageMode& mode) const;
  // Bytes of a device of a stage that is `height` stages from a sink, itself included. Its messages
  // wait as they would in a chain.
  double memory(const Shape& shape, const StageMode& mode, int height) const;
  // The fastest mode on `devices` that fits the memory; a height of 0 asks for no memory.
  std::optional<StageMode> fastest(const Shape& shape, int devices, int height) const;
  // Of an iteration.
  double predict(double path_s, double bottleneck_s) const {
    return path_s + (micro_batches() - 1) * bottleneck_s;
  }

 private:
  const Computation& computation_;
  EqualDevices devices_;
  PlanOptions options_;
  int micro_batch_;
  std::vector<int> degrees_;
};

// The prediction for a whole plan, of equal devices and micro-batches.
double predicted_seconds(const Computation& computation, const EqualDevices& devices,
                         const PlanOptions& options, const Plan& plan);

}  // namespace lamina::pipeline
