// Programs for GPUs from any machine: fused by the same rules and proofs as for the CPU, chosen by
// a cost model of the GPU, and returned as CUDA C++. Nothing here needs a GPU or CUDA to be
// installed; what was compiled and what was run is said in the result.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "lamina/graph.h"

namespace lamina {

struct CudaOptions {
  std::string target = "sm_90";  // sm_80, sm_90, ...
  // A description of the GPU (docs/formats.md); "": the one that ships for the target.
  std::string machine;
  double budget_s = 60.0;
  int candidates = 64;    // tilings considered per fusion
  std::int64_t seed = 1;  // of weights without elements, where a GPU compares
  std::string cache_dir;  // of cubins; "": the default
};

// One distinct subprogram and what became of it.
struct CudaRegion {
  std::string name;
  int count = 1;
  std::string choice;         // "unfused", or the fusions and their tilings
  double unfused_us = 0.0;    // by the cost model
  double predicted_us = 0.0;  // by the cost model
  double bits = 0.0;          // proved, less log2 of how many were proved before; 0: unfused
  int candidates = 0;
  int refused = 0;  // for want of shared memory, of a kernel, or of a proof
};

struct CudaResult {
  Graph graph;
  std::string machine;  // its name
  std::string source;   // one translation unit for nvcc
  // The same with a host function that launches it, for the CUDA runtime; "" where there is none.
  std::string host_source;
  std::string torch_source;   // the same as an extension of PyTorch; "" where there is none
  std::string torch_refusal;  // why there is none of the two
  std::string cubin;          // "" when there is no nvcc
  int kernels = 0;
  double unfused_us = 0.0;  // by the cost model, the whole program
  double predicted_us = 0.0;
  std::string run;  // "not run: ..." or how it compares with the reference device
  std::vector<CudaRegion> regions;
};

// Throws kUnsupported that names an operator for which there is no kernel.
CudaResult optimize_for_cuda(const Graph& graph, const CudaOptions& options,
                             std::stop_token stop = {});

}  // namespace lamina
