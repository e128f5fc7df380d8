// Ranks as processes that mpirun (or Slurm) started, with messages over MPI. Without MPI at build
// time the functions are there and say so.
#pragma once

#include <functional>

#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// Whether Lamina was built with MPI.
bool has_mpi();
// Whether a launcher of MPI started this process.
bool is_started_by_mpi();

// Joins the other processes, runs `body`, and leaves them. When it throws, what happened goes to
// standard error and the processes of all ranks end with its exit status. Once in a process. Throws
// kUnsupported without MPI.
void run_mpi_rank(const std::function<void(Transport&)>& body);

}  // namespace lamina::pipeline
