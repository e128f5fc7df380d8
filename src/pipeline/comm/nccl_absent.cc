// In place of nccl.cc where CMake found no NCCL or no CUDA toolkit.
#include "base/check.h"
#include "lamina/pipeline_run.h"

namespace lamina::pipeline {

void run_nccl_rank(Transport&, const std::function<void(Transport&)>&) {
  fail(ErrorCode::kUnsupported,
       "Lamina was built without NCCL: CMake looks for nccl.h, libnccl and the CUDA toolkit "
       "(LAMINA_NCCL_ROOT)");
}

}  // namespace lamina::pipeline
