// Setting up, and what is queued on streams.
#include "pipeline/comm/nccl_lanes.h"

#include <algorithm>
#include <bit>
#include <thread>

#include "base/check.h"
#include "pipeline/comm/tensors.h"

namespace lamina::pipeline {

NcclLanes::NcclLanes(Transport& start, NcclCalls& calls)
    : start_(start), calls_(calls), pairs_(static_cast<std::size_t>(start.ranks())) {
  calls_.enter();
  refuse_shared_gpus();
  // In one order at all ranks, since both ends wait for each other.
  for (int from = 0; from < start_.ranks(); ++from) {
    for (int to = 0; to < start_.ranks(); ++to) connect(from, to);
  }
}

// Where the GPU does not answer, the rest is let go all the same: other ranks wait for the ends of
// communicators.
NcclLanes::~NcclLanes() {
  try {
    calls_.enter();
  } catch (const Error&) {
  }
}

void NcclLanes::refuse_shared_gpus() {
  if (start_.rank() != 0) {
    send_text(start_, 0, kNcclTag, calls_.gpu());
    return;
  }
  std::map<std::string, int> owners = {{calls_.gpu(), 0}};
  for (int r = 1; r < start_.ranks(); ++r) {
    const auto [owner, first] = owners.emplace(receive_text(start_, r, kNcclTag), r);
    if (first) continue;
    fail(ErrorCode::kUnsupported,
         "ranks {} and {} have the same GPU, {}: NCCL needs one for each rank", owner->second, r,
         owner->first);
  }
}

// Null where this rank is at neither end.
NcclLanes::Lane* NcclLanes::lane(int from, int to) {
  if (from == to || (from != start_.rank() && to != start_.rank())) return nullptr;
  const bool sends = from == start_.rank();
  Pair& pair = pairs_.at(static_cast<std::size_t>(sends ? to : from));
  return sends ? &pair.to : &pair.from;
}

void NcclLanes::connect(int from, int to) {
  Lane* own = lane(from, to);
  if (own == nullptr) return;
  const bool sends = from == start_.rank();
  std::string id;
  if (sends) {
    id = calls_.make_id();
    send_text(start_, to, kNcclTag, id);
  } else {
    id = receive_text(start_, from, kNcclTag);
  }
  own->stream = {calls_.make_stream(), [this](void* it) { calls_.release_stream(it); }};
  own->communicator = {calls_.connect(id, sends),
                       [this](void* it) { calls_.disconnect(it, !done_); }};
  // The first transfer waits for the other rank inside the call, which later ones must not.
  const Staging byte = take(1);
  if (sends) {
    send(to, 0, byte, 1);
  } else {
    receive(from, 0, byte, 1);
  }
  std::vector<int> messages;
  while (messages.empty()) {
    finish(*own, messages);
    std::this_thread::yield();
  }
  give_back(byte);
}

Staging NcclLanes::take(std::size_t bytes) {
  constexpr std::size_t kLeast = 4096;
  const std::size_t size = std::bit_ceil(std::max(bytes, kLeast));
  const auto found = spare_.find(size);
  if (found == spare_.end()) {
    calls_.enter();  // the rank may have used another GPU
    Memory& memory = memory_.emplace_back();
    memory.host = {calls_.allocate_host(size), [this](std::byte* it) { calls_.release_host(it); }};
    memory.gpu = {calls_.allocate(size), [this](std::byte* it) { calls_.release(it); }};
    return {size, memory.host.get(), memory.gpu.get()};
  }
  const Staging staging = found->second;
  spare_.erase(found);
  return staging;
}

void NcclLanes::give_back(const Staging& staging) { spare_.emplace(staging.bytes, staging); }

void NcclLanes::send(int to, int message, const Staging& staging, std::size_t bytes) {
  Lane& own = pairs_.at(static_cast<std::size_t>(to)).to;
  calls_.copy_in(own.stream.get(), staging.gpu, staging.host, bytes);
  calls_.send(own.stream.get(), own.communicator.get(), staging.gpu, bytes);
  note(own, message);
}

void NcclLanes::receive(int from, int message, const Staging& staging, std::size_t bytes) {
  Lane& own = pairs_.at(static_cast<std::size_t>(from)).from;
  calls_.receive(own.stream.get(), own.communicator.get(), staging.gpu, bytes);
  calls_.copy_out(own.stream.get(), staging.host, staging.gpu, bytes);
  note(own, message);
}

void NcclLanes::note(Lane& lane, int message) {
  lane.moving.push_back({message, {calls_.record(lane.stream.get()), [this](void* it) {
                                     calls_.release_event(it);
                                   }}});
}

std::vector<int> NcclLanes::finished(int peer) {
  std::vector<int> messages;
  Pair& pair = pairs_.at(static_cast<std::size_t>(peer));
  finish(pair.to, messages);
  finish(pair.from, messages);
  return messages;
}

void NcclLanes::finish(Lane& lane, std::vector<int>& messages) {
  while (!lane.moving.empty() && calls_.is_done(lane.moving.front().event.get())) {
    messages.push_back(lane.moving.front().message);
    lane.moving.pop_front();
  }
  if (!lane.moving.empty()) calls_.check(lane.communicator.get());
}

bool NcclLanes::is_idle() const {
  return std::all_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) {
    return pair.to.moving.empty() && pair.from.moving.empty();
  });
}

}  // namespace lamina::pipeline
