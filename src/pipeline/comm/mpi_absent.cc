// In place of mpi.cc where CMake found no MPI.
#include "base/check.h"
#include "lamina/pipeline_run.h"

namespace lamina::pipeline {

bool has_mpi() { return false; }

bool is_started_by_mpi() { return false; }

void run_mpi_rank(const std::function<void(Transport&)>&) {
  fail(ErrorCode::kUnsupported, "Lamina was built without MPI; ranks can be threads");
}

}  // namespace lamina::pipeline
