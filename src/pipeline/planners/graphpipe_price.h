// What a stage costs an iteration, as the planner predicts it: critical path + (M - 1) x
// bottleneck.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "pipeline/planners/graphpipe_space.h"
#include "pipeline/stage_graph.h"

namespace lamina::pipeline {

// Equal devices, as the planner sees them; it places stages on devices of the cluster afterwards.
struct EqualDevices {
  int count = 1;
  double speed = 1.0;
  double memory_bytes = 0.0;
  Link edges;  // between stages
  Link inside, between;
  int per_node = 1;  // degrees up to this are within a node
  int most_of_stage = std::numeric_limits<int>::max();
};

// How a stage runs.
struct StageMode {
  int devices = 1;
  bool recompute = false;
  bool shard_optimizer = false;
};

struct StagePrice {
  double bottleneck_s = 0.0;  // of a micro-batch: its passes or its messages, whichever take longer
  double forward_s = 0.0;     // of a micro-batch, with the message before
  double path_s = 0.0;        // the same and its way back
  // Once an iteration, while stages before it go on: a weight gradient that these need not wait
  // for, and the sum of its gradients over its devices.
  double after_s = 0.0;
};

// The longest paths through some stages.
struct Paths {
  double forward_s = 0.0;  // to the end of the last forward pass
  double back_s = 0.0;     // there and back
  double all_s = 0.0;      // the same, or to the end of what a stage does after it

  // With a path before it. While stages before it run backward passes, that goes on: it only begins
  // later by the forward passes before.
  Paths behind(const Paths& before) const {
    return {before.forward_s + forward_s, before.back_s + back_s,
            std::max(before.forward_s + all_s, before.all_s + back_s)};
  }
  Paths behind(const StagePrice& price) const {
    return behind(Paths{price.forward_s, price.path_s, price.path_s + price.after_s});
  }
  Paths beside(const Paths& other) const {
    return {std::max(forward_s, other.forward_s), std::max(back_s, other.back_s),
            std::max(all_s, other.all_s)};
  }
  // Whether all are no longer, but for so much. With slop those there and back stand for those
  // there too, whose share of them is much the same everywhere.
  bool covers(const Paths& other, double slop_s) const {
    return back_s <= other.back_s + slop_s && all_s <= other.all_s + slop_s &&
           (slop_s > 0.0 || forward_s <= other.forward_s);
  }
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
    return shared_seconds(work) / degrees_.back() + fixed_seconds(work);
  }
  // Of a micro-batch on one device: what more devices would share, and what each of them has to do.
  double shared_seconds(const Work& work) const {
    return micro_batch_ * work.rate_s / devices_.speed;
  }
  double fixed_seconds(const Work& work) const { return work.fixed_s / devices_.speed; }
  bool splits() const { return splits_backward(options_.schedule); }
  // Passes that a path waits for, whatever the stage.
  Work path_work(const Shape& shape) const;
  // Of any stage with the shape in it, within the limits of its passes and of its path with the sum
  // of gradients.
  std::optional<Paths> least_path(const Shape& shape, double bottleneck_s, double path_s) const;

  StagePrice price(const Shape& shape, const StageMode& mode) const;
  // Bytes of a device of a stage that is `height` stages from a sink, itself included. Its messages
  // wait as they would in a chain.
  double memory(const Shape& shape, const StageMode& mode, int height) const;
  // The fastest mode on `devices` that fits the memory.
  std::optional<StageMode> fastest(const Shape& shape, int devices, int height,
                                   double memory_bytes) const;
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

}  // namespace lamina::pipeline
