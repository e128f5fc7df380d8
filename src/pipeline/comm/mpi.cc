// Non-blocking point-to-point messages of MPI. Waiting is a loop of ours, that gives the processor
// away and soon sleeps: MPI's own spins, and with more ranks than cores a message then takes
// milliseconds (10 ms a hop with 4 ranks on 2 cores; 3 us when idle ranks yield).
#define OMPI_SKIP_MPICXX 1  // the C interface is all we use
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <string>
#include <vector>

#include "base/check.h"
#include "lamina/pipeline_run.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {
namespace {

// The ranks of `machine` whose processors are, in part at least, those of this rank: launchers bind
// ranks to some of them, or leave them all.
int ranks_sharing_processors(MPI_Comm machine) {
  int ranks = 1;
  MPI_Comm_size(machine, &ranks);
  cpu_set_t own;
  CPU_ZERO(&own);
  const bool known = sched_getaffinity(0, sizeof own, &own) == 0;
  std::vector<cpu_set_t> sets(static_cast<std::size_t>(ranks));
  MPI_Allgather(&own, sizeof own, MPI_BYTE, sets.data(), sizeof own, MPI_BYTE, machine);
  if (!known) return ranks;
  return static_cast<int>(std::count_if(sets.begin(), sets.end(), [&](const cpu_set_t& other) {
    cpu_set_t both;
    CPU_AND(&both, &own, &other);
    return CPU_COUNT(&both) > 0;
  }));
}

class MpiTransport final : public Transport {
 public:
  MpiTransport() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
    int* bound = nullptr;
    int known = 0;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, static_cast<void*>(&bound), &known);
    if (known != 0) largest_tag_ = *bound;
    MPI_Comm machine = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_rank(machine, &place_on_machine_);
    sharing_ = ranks_sharing_processors(machine);
    MPI_Comm_free(&machine);
  }

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  int largest_tag() const override { return largest_tag_; }
  int sharing() const override { return sharing_; }
  int place_on_machine() const override { return place_on_machine_; }

  int send(int to, int tag, std::span<const std::byte> bytes) override {
    MPI_Request request = MPI_REQUEST_NULL;
    succeeded(
        MPI_Isend(bytes.data(), length(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD, &request));
    return number(request);
  }

  int receive(int from, int tag, std::span<std::byte> bytes) override {
    MPI_Request request = MPI_REQUEST_NULL;
    succeeded(MPI_Irecv(bytes.data(), length(bytes.size()), MPI_BYTE, from, tag, MPI_COMM_WORLD,
                        &request));
    return number(request);
  }

  bool is_done(int message) override {
    int done = 0;
    succeeded(MPI_Test(&requests_.at(static_cast<std::size_t>(message)), &done, MPI_STATUS_IGNORE));
    if (done != 0) free_.push_back(message);
    return done != 0;
  }

  void wait(int message) override {
    constexpr int kYields = 200;
    constexpr useconds_t kLongest = 100;
    for (int i = 0; !is_done(message); ++i) {
      if (i < kYields) {
        sched_yield();
      } else {
        ::usleep(std::min<useconds_t>(kLongest, 1 + static_cast<useconds_t>(i - kYields)));
      }
    }
  }

  void fail_all(std::string_view reason, int status) override {
    // What all ranks find wrong, rank 0 says alone.
    if (rank_ != 0) ::usleep(300000);
    std::fprintf(stderr, "lamina: rank %d: %.*s\n", rank_, static_cast<int>(reason.size()),
                 reason.data());
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, status);
  }

 private:
  static void succeeded(int code) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = {};
    int size = 0;
    MPI_Error_string(code, text, &size);
    fail(ErrorCode::kIo, "MPI: {}", std::string_view(text, static_cast<std::size_t>(size)));
  }

  static int length(std::size_t bytes) {
    if (bytes > INT_MAX) {
      fail(ErrorCode::kUnsupported, "a message of {} bytes: MPI takes up to 2^31 - 1", bytes);
    }
    return static_cast<int>(bytes);
  }

  int number(MPI_Request request) {
    if (free_.empty()) {
      requests_.push_back(request);
      return static_cast<int>(requests_.size()) - 1;
    }
    const int message = free_.back();
    free_.pop_back();
    requests_[static_cast<std::size_t>(message)] = request;
    return message;
  }

  int rank_ = 0;
  int ranks_ = 1;
  int largest_tag_ = 32767;  // what the standard promises
  int sharing_ = 1;
  int place_on_machine_ = 0;
  std::vector<MPI_Request> requests_;
  std::vector<int> free_;  // numbers of messages that are done
};

}  // namespace

bool has_mpi() { return true; }

void run_mpi_rank(const std::function<void(Transport&)>& body) {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  if (provided < MPI_THREAD_SERIALIZED) {
    fail(ErrorCode::kUnsupported, "this MPI is for one thread of a process only");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MpiTransport transport;
  try {
    body(transport);
  } catch (const Error& error) {
    transport.fail_all(error.what(), exit_status(error.code()));
  } catch (const std::exception& error) {
    transport.fail_all(error.what(), exit_status(ErrorCode::kInternal));
  }
  MPI_Finalize();
}

}  // namespace lamina::pipeline
