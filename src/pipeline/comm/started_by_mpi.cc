// Whether this process has others beside it. Without MPI it must know too: each of them would train
// alone, and all would write the same files.
#include <cstdlib>

#include "lamina/pipeline_run.h"

namespace lamina::pipeline {

bool is_started_by_mpi() {
  // Of Open MPI, MPICH and its kin, and PMIx (srun).
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace lamina::pipeline
