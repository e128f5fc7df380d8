// What comes to one device over one edge in one direction: receives stand ahead of the messages, as
// many micro-batches as may be on the way or in use.
#pragma once

#include <map>
#include <vector>

#include "pipeline/comm/transport.h"
#include "pipeline/messages.h"
#include "pipeline/run/ledger.h"
#include "pipeline/run/parts.h"

namespace lamina::pipeline {

// Tags of the messages of one edge in one direction: tensor t of the receiver's micro-batch m has
// first + t * micro_batches + m. Where no tensor goes that way, an empty message has the tag of the
// first: schedules wait for it.
struct Tags {
  int first = 0;
  int micro_batches = 0;  // of the receiver

  int of(std::size_t tensor, int micro_batch) const {
    return first + static_cast<int>(tensor) * micro_batches + micro_batch;
  }
};

// A tensor that comes: a slot is one of each, of the receiver's share of a micro-batch.
struct Expected {
  EdgeTensor tensor;
  DType dtype = DType::kF32;
  Shape shape;
};

class Incoming {
 public:
  struct Setting {
    const Stage& sender;
    const Stage& receiver;
    int place = 0;  // of this device in the receiver
    int batch = 0;  // samples of an iteration
    int slots = 1;
    Tags tags;
    std::vector<Expected> tensors;
  };

  Incoming(Setting setting, Transport& transport, Ledger& ledger);

  // Begins an iteration: all slots are free, and receives are posted for the first micro-batches.
  void begin();
  // Waits for all that comes of a micro-batch of the sender.
  void wait(int sender_micro_batch);
  // The tensors of a micro-batch of the receiver. All of it must have come.
  std::vector<Tensor> take(int micro_batch);
  // The tensors of one more micro-batch are no longer in use.
  void free_slot();

 private:
  struct Arrival {
    int message = -1;  // -1: is there
    int sender_micro_batch = 0;
    std::size_t tensor = 0;
    Rows rows;
    std::vector<std::byte> packed;  // of rows that are not contiguous
  };
  struct Slot {
    std::vector<Tensor> tensors;
    std::vector<Arrival> arrivals;
  };

  int micro_batches() const { return setting_.batch / setting_.receiver.micro_batch; }
  void post();
  void post(int micro_batch);
  void receive(Slot& slot, int micro_batch, std::size_t tensor);
  void receive_empty(Slot& slot, int micro_batch);
  void finish(Slot& slot, Arrival& arrival);

  Setting setting_;
  Transport& transport_;
  Ledger& ledger_;
  int posted_ = 0;  // micro-batches, in this iteration
  int freed_ = 0;
  std::map<int, Slot> open_;  // by micro-batch
};

}  // namespace lamina::pipeline
