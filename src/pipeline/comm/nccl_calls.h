// What messages through GPUs need of NCCL and the CUDA runtime. Two are there: theirs (nccl.cc),
// and the emulation that the tests run on.
#pragma once

#include <cstddef>
#include <string>

namespace lamina::pipeline {

// One rank's, which has one GPU; for several threads. Throws kIo when a call fails; those that
// release what others gave do what they can.
class NcclCalls {
 public:
  using Handle = void*;  // a stream, an event, a communicator

  virtual ~NcclCalls() = default;
  // The rank's GPU, by a name that no other GPU of any machine has.
  virtual std::string gpu() const = 0;
  // To be called by every thread before all else, and when it has used another GPU.
  virtual void enter() = 0;

  virtual std::byte* allocate_host(std::size_t bytes) = 0;  // pinned
  virtual void release_host(std::byte* memory) noexcept = 0;
  virtual std::byte* allocate(std::size_t bytes) = 0;  // on the GPU
  virtual void release(std::byte* memory) noexcept = 0;

  // Streams do what they are given in order, and do not wait for each other. A transfer ends when
  // the other rank has begun it, too; until then it holds a part of the GPU.
  virtual Handle make_stream() = 0;
  virtual void release_stream(Handle stream) noexcept = 0;
  virtual void copy_in(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void copy_out(Handle stream, std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void send(Handle stream, Handle communicator, const std::byte* from,
                    std::size_t bytes) = 0;
  virtual void receive(Handle stream, Handle communicator, std::byte* to, std::size_t bytes) = 0;
  virtual Handle record(Handle stream) = 0;  // an event
  virtual bool is_done(Handle event) = 0;
  virtual void release_event(Handle event) noexcept = 0;

  // Communicators of two ranks, used in one direction: the first sends. The first transfer does not
  // return before the other rank calls it, too.
  virtual std::string make_id() = 0;
  virtual Handle connect(const std::string& id, bool sends) = 0;
  virtual void check(Handle communicator) = 0;  // throws when it has failed
  // With `abort`, transfers that have begun end as they are.
  virtual void disconnect(Handle communicator, bool abort) noexcept = 0;
};

}  // namespace lamina::pipeline
