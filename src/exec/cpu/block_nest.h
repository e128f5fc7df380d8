// Loop nests of block kernels: element-wise values, folds and stores that run over the same tile
// share one nest, so that what one computes the next reads from a register.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "exec/cpu/block_plan.h"
#include "exec/cpu/thread_graph.h"

namespace lamina::cpu {

// Something that a nest leaves behind.
struct Sink {
  enum class Kind : std::uint8_t {
    kKeep,    // the value of `node`, at its place
    kFold,    // the reduction `node`, at its place
    kStore,   // the input of the store `node`, in the output
    kUpdate,  // the value of `node`, at `place` (a state)
  };
  Kind kind = Kind::kKeep;
  NodeId node = -1;
  Place place;
};

class NestWriter {
 public:
  NestWriter(const BlockPlan& plan, const Target& target, std::vector<std::string>& sizes)
      : plan_(plan), target_(target), sizes_(sizes) {}

  // Adds to the nest in hand, or writes that one and begins another.
  void add(Sink sink);
  // Writes the nest in hand.
  void flush();
  // What was written; empties it.
  std::string take();
  // What `pass` computes, written elsewhere.
  void append(const std::string& text, ThreadPass pass) {
    text_ += text;
    passes_.push_back(std::move(pass));
  }
  // What was written so far, in order.
  const std::vector<ThreadPass>& passes() const { return passes_; }

 private:
  NodeId domain(const Sink& sink) const;
  bool fits(const Sink& sink) const;
  bool waits_for(NodeId id, bool root) const;
  bool needs_double(NodeId id) const;
  ThreadPass pass() const;

  const BlockPlan& plan_;
  const Target& target_;
  std::vector<std::string>& sizes_;
  std::vector<Sink> sinks_;
  std::string text_;
  std::vector<ThreadPass> passes_;
};

// Functions that the nests call; NAME in front of their names.
extern const std::string_view kNestFunctions;

}  // namespace lamina::cpu
