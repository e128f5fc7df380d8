// `lamina plan --prove`: the identity tester on what a plan's stages compute.
#pragma once

#include "cli/plan_input.h"
#include "lamina/verify.h"

namespace lamina::cli {

// Puts the programs of all stages together, for two micro-batches of the fewest samples that the
// plan's stages and devices allow, and compares the loss and all gradients with those of the whole
// network. Prints and reports the verdict. Throws kInvalidArgument where nothing is trained, and
// what step_graphs() throws.
Outcome prove_plan(const PlanInput& input, const pipeline::Plan& plan, Json& report);

}  // namespace lamina::cli
