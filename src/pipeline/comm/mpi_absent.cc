// In place of mpi.cc where CMake found no MPI.
#include "base/check.h"
#include "lamina/pipeline_run.h"

namespace lamina::pipeline {

bool has_mpi() { return false; }

void run_mpi_rank(const std::function<void(Transport&)>&) {
  fail(ErrorCode::kUnsupported,
       "a launcher of MPI started this process, and Lamina was built without MPI; --devices trains "
       "on threads");
}

}  // namespace lamina::pipeline
