// Messages between ranks: the narrow interface that threads of one process, MPI and NCCL have in
// common.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace lamina::pipeline {

// What messages between ranks are about. Those with one tag are told apart by their order alone:
// of each kind of work one part ends before the next begins.
enum Tag : int {
  kNcclTag,          // of the transport that starts ranks for NCCL: setting up, then notices
  kPlanTag,          // plan and schedule, of rank 0
  kRunTag,           // before, between and after iterations
  kSumTag,           // gradients, and updated parameters
  kNumbersTag,       // losses and norms
  kCollectTag,       // parameters and optimiser's states, to rank 0
  kFirstTagOfEdges,  // tensors between stages, in tags from here on (run/edges.h)
};

// One rank's end. Messages of one sender, receiver and tag arrive in the order in which they were
// sent, at the receives of that sender and tag in the order in which they were posted. For one
// thread at a time, though not always the same.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual int largest_tag() const = 0;
  // How many ranks, with this one, may run on this one's processors.
  virtual int sharing() const = 0;
  // This rank's place among those of its machine, from 0.
  virtual int place_on_machine() const = 0;

  // Start a message and return its number. The bytes stay where they are until is_done() or wait()
  // has said that it is done; then the number may be given to another message. A receive that is as
  // long as the message must stand behind every send before its sender can wait for it.
  virtual int send(int to, int tag, std::span<const std::byte> bytes) = 0;
  virtual int receive(int from, int tag, std::span<std::byte> bytes) = 0;
  // Both throw when another rank has failed; waiting leaves the processor to others.
  virtual bool is_done(int message) = 0;
  virtual void wait(int message) = 0;

  // Ends the work of all ranks: those that wait, throw, or their processes end with this exit
  // status. To be called while what was sent is there.
  virtual void fail_all(std::string_view reason, int status) = 0;
};

// Which of the GPUs of its machine, whose ranks they are dealt out to, a rank has.
inline int gpu_of(const Transport& transport, int gpus) {
  return transport.place_on_machine() % gpus;
}

}  // namespace lamina::pipeline
