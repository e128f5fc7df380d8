// Chains of stages that go round their devices several times (arXiv:2104.04473, section 2.2).
#pragma once

#include "pipeline/pass_order.h"

namespace lamina::pipeline {

// Whether the stages of a 1F1B plan form a chain with equal micro-batches, whose number the devices
// divide, and stage s runs on devices s modulo their number.
bool is_interleaved(const Plan& plan, const StageGraph& graph);
// The order of Megatron-LM: p micro-batches of one round, then the same of the next; after a
// warm-up forward and backward passes in turn.
std::vector<Turns> order_interleaved(const Plan& plan);
// Micro-batches that this order has in flight, by stage.
std::vector<int> interleaved_in_flight(const Plan& plan);

}  // namespace lamina::pipeline
