// Slots of tensors that are on the way.
#include "pipeline/run/incoming.h"

#include "base/check.h"

namespace lamina::pipeline {

Incoming::Incoming(Setting setting, Transport& transport, Ledger& ledger)
    : setting_(std::move(setting)), transport_(transport), ledger_(ledger) {}

void Incoming::begin() {
  check(open_.empty(), "tensors of the last iteration are left");
  posted_ = freed_ = 0;
  post();
}

void Incoming::post() {
  const int slots = setting_.tensors.empty() ? micro_batches() : setting_.slots;
  while (posted_ < micro_batches() && posted_ - freed_ < slots) post(posted_++);
}

void Incoming::post(int micro_batch) {
  Slot& slot = open_[micro_batch];
  if (setting_.tensors.empty()) receive_empty(slot, micro_batch);
  for (std::size_t t = 0; t < setting_.tensors.size(); ++t) receive(slot, micro_batch, t);
}

void Incoming::receive_empty(Slot& slot, int micro_batch) {
  for (const Part& part :
       parts_received(setting_.sender, setting_.receiver, micro_batch, setting_.place)) {
    Arrival arrival;
    arrival.sender_micro_batch = part.from_micro_batch;
    const int from = setting_.sender.devices[static_cast<std::size_t>(part.from_place)];
    arrival.message = transport_.receive(from, setting_.tags.of(0, micro_batch), {});
    slot.arrivals.push_back(std::move(arrival));
  }
}

void Incoming::receive(Slot& slot, int micro_batch, std::size_t t) {
  const Samples own = share(setting_.receiver, micro_batch, setting_.place);
  const Expected& expected = setting_.tensors[t];
  Tensor& tensor = slot.tensors.emplace_back(ledger_.allocate(expected.dtype, expected.shape));
  for (const Part& part :
       parts_received(setting_.sender, setting_.receiver, micro_batch, setting_.place)) {
    Arrival arrival;
    arrival.sender_micro_batch = part.from_micro_batch;
    arrival.tensor = t;
    arrival.rows = rows_of(expected.tensor, part.samples, own, tensor);
    std::span<std::byte> bytes = contiguous(tensor, arrival.rows);
    if (bytes.empty()) {
      arrival.packed.resize(static_cast<std::size_t>(bytes_of(tensor, arrival.rows)));
      bytes = arrival.packed;
    }
    const int from = setting_.sender.devices[static_cast<std::size_t>(part.from_place)];
    arrival.message = transport_.receive(from, setting_.tags.of(t, micro_batch), bytes);
    slot.arrivals.push_back(std::move(arrival));
  }
}

void Incoming::finish(Slot& slot, Arrival& arrival) {
  transport_.wait(arrival.message);
  arrival.message = -1;
  if (!arrival.packed.empty()) unpack(arrival.packed, slot.tensors[arrival.tensor], arrival.rows);
  arrival.packed = {};
}

void Incoming::wait(int sender_micro_batch) {
  const Samples sent = micro_batch_samples(setting_.sender, sender_micro_batch);
  const MicroBatches some = micro_batches_with(setting_.receiver, sent);
  for (int m = some.begin; m < some.end; ++m) {
    check(m < posted_, "micro-batch {} is waited for, and only {} have a slot", m, posted_);
    const auto found = open_.find(m);
    if (found == open_.end()) continue;  // taken: then all of it had come
    for (Arrival& arrival : found->second.arrivals) {
      const bool wanted = arrival.sender_micro_batch == sender_micro_batch;
      if (wanted && arrival.message >= 0) finish(found->second, arrival);
    }
  }
}

std::vector<Tensor> Incoming::take(int micro_batch) {
  const auto found = open_.find(micro_batch);
  check(found != open_.end(), "micro-batch {} has no slot, or was taken before", micro_batch);
  for (const Arrival& arrival : found->second.arrivals) {
    check(arrival.message < 0, "micro-batch {} is used before it came", micro_batch);
  }
  std::vector<Tensor> tensors = std::move(found->second.tensors);
  open_.erase(found);
  return tensors;
}

void Incoming::free_slot() {
  ++freed_;
  post();
}

}  // namespace lamina::pipeline
