// lamina optimize --target cuda:sm_NN: text for a GPU that need not be here.
#pragma once

#include <string>

#include "base/json.h"
#include "lamina/cuda.h"

namespace lamina::cli {

// Writes graph.lam, kernels.cu, program.cu, torch_extension.cu and, with nvcc, kernels.cubin into
// `folder`; prints what was chosen and what was not run. Returns the program's entry of the report.
Json optimize_model_for_cuda(const Graph& model, const CudaOptions& options,
                             const std::string& folder);

}  // namespace lamina::cli
