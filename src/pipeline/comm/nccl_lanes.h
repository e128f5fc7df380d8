// The ways between GPUs: for each ordered pair of ranks a communicator of NCCL and a stream, and
// the memory at both ends.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "pipeline/comm/nccl_calls.h"
#include "pipeline/comm/transport.h"

namespace lamina::pipeline {

// Where a message is between the caller's memory and NCCL.
struct Staging {
  std::size_t bytes = 0;  // that there is room for
  std::byte* host = nullptr;
  std::byte* gpu = nullptr;
};

class NcclLanes {
 public:
  // To be called by all ranks of `start`. Throws kUnsupported where two have the same GPU.
  NcclLanes(Transport& start, NcclCalls& calls);
  NcclLanes(const NcclLanes&) = delete;
  NcclLanes& operator=(const NcclLanes&) = delete;
  // Transfers that have begun are cut off, unless all ranks are done.
  ~NcclLanes();
  void set_done() { done_ = true; }

  // Room for a message; for one thread. Kept when given back: taking memory may wait for the GPU.
  Staging take(std::size_t bytes);
  void give_back(const Staging& staging);

  // Begin a transfer of `bytes` out of, or into, the memory of the host. Both ends must begin the
  // transfers from one rank to the other in the same order. For one thread at a time, as the rest.
  void send(int to, int message, const Staging& staging, std::size_t bytes);
  void receive(int from, int message, const Staging& staging, std::size_t bytes);
  // The messages to and from this rank whose transfers are done since the last call. Throws when
  // NCCL has failed.
  std::vector<int> finished(int peer);
  bool is_idle() const;

 private:
  // Of the GPU, or memory; released with its owner.
  template <class Thing>
  using Owned = std::unique_ptr<Thing, std::function<void(Thing*)>>;
  struct Memory {
    Owned<std::byte> host, gpu;
  };
  struct Moving {
    int message = 0;
    Owned<void> event;
  };
  // Goes from the last to the first: what the stream still does ends with the communicator.
  struct Lane {
    Owned<void> stream;
    std::deque<Moving> moving;  // in the order of the stream
    Owned<void> communicator;
  };
  struct Pair {
    Lane to, from;
  };

  void refuse_shared_gpus();
  Lane* lane(int from, int to);
  void connect(int from, int to);
  void note(Lane& lane, int message);
  void finish(Lane& lane, std::vector<int>& messages);

  Transport& start_;
  NcclCalls& calls_;
  bool done_ = false;
  std::vector<Memory> memory_;
  std::multimap<std::size_t, Staging> spare_;
  std::vector<Pair> pairs_;  // by the other rank; goes first, with all that uses the memory
};

}  // namespace lamina::pipeline
