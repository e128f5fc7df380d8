// Kernels of block graphs: a thread block is a point of the grid. What no iteration changes is
// computed first, then the loop runs, then what follows it.
//
// Between steps of which one reads or writes shared memory that another wrote (or writes what
// another read) stands a barrier, and only there. In the loop the copies of the next iteration's
// tiles run while this one computes; its barrier is also the one after the last iteration.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/emit_common.h"
#include "exec/cpu/thread_graph.h"
#include "exec/cuda/block_step.h"
#include "exec/cuda/kernel.h"
#include "exec/cuda/scalar_text.h"

namespace lamina::cuda {
namespace {

using cpu::Cut;
using cpu::Phase;

class BlockEmitter {
 public:
  explicit BlockEmitter(const EmitContext& context)
      : context_(context),
        tiles_(plan_tiles({context.node, context.machine, context.alignments})),
        plan_(tiles_.plan),
        steps_(tiles_, context.machine, kernel_.sizes) {}

  Kernel emit() {
    kernel_.name = "block";
    kernel_.threads = steps_.threads();
    kernel_.shared_bytes = tiles_.shared_bytes;
    kernel_.parameters = parameters_of(context_);
    kernel_.blocks = cpu::product(plan_.grid);
    find_registers();
    const std::string body = main_text();
    kernel_.text = fmt::format("LM_KERNEL({}) NAME{} {{\n{}}}\n", kernel_.threads,
                               parameter_text(kernel_.parameters), head_text() + body);
    return std::move(kernel_);
  }

  // What emit() wrote, as a graph of three levels.
  Graph threads() const { return cpu::thread_graph(plan_, passes_); }

 private:
  // --- steps and barriers

  void add(const BlockStep& step) {
    const auto meets = [](const std::set<std::string>& a, const std::set<std::string>& b) {
      return std::any_of(a.begin(), a.end(), [&](const auto& name) { return b.count(name) > 0; });
    };
    if (meets(step.reads, written_) || meets(step.writes, written_) || meets(step.writes, read_)) {
      barrier();
    }
    text_ += step.text;
    written_.insert(step.writes.begin(), step.writes.end());
    read_.insert(step.reads.begin(), step.reads.end());
  }
  void barrier() {
    text_ += "LM_SYNC();\n";
    forget();
  }
  void forget() {
    written_.clear();
    read_.clear();
  }
  std::string take() { return std::exchange(text_, {}); }

  // --- accumulators in registers

  // An update that only adds a product to its state, which nothing else in the loop reads, keeps
  // its sums in registers for the whole loop.
  void find_registers() {
    for (std::size_t u = 0; u < plan_.graph.updates.size(); ++u) {
      const auto& found = plan_.accumulations[u];
      const NodeId state = plan_.graph.updates[u].state;
      if (!found || found->addend.node != state || is_read_in_loop(state, u)) continue;
      const ProductFormat format = steps_.format(found->product);
      const bool whole = format.row_steps * format.column_steps == 1;
      if (whole && plan_.products.at(found->product).loops.batch.empty()) {
        registers_[u] = fmt::format("c{}", found->product);
      }
    }
  }

  bool is_read_in_loop(NodeId state, std::size_t update) const {
    const NodeId sum = plan_.graph.updates[update].next.node;
    for (NodeId id = 0; id < plan_.count(); ++id) {
      const Node& node = plan_.node(id);
      if (id == sum || node.op->name == "after") continue;
      for (const Value& input : node.inputs) {
        if (input.node == state) return true;
      }
    }
    return std::any_of(plan_.graph.updates.begin(), plan_.graph.updates.end(),
                       [&](const Update& u) { return u.next.node == state; });
  }

  std::string registers_text() {
    std::string out;
    for (const auto& [u, name] : registers_) {
      const Input* state = plan_.graph.input(plan_.graph.updates[u].state);
      out += fmt::format("{} {};\n{}.fill((float){});\n",
                         steps_.format(plan_.accumulations[u]->product).type(), name, name,
                         literal_text(state->initial));
    }
    return out;
  }

  void store_registers() {
    for (const auto& [u, name] : registers_) {
      const cpu::Place& place = plan_.value(plan_.graph.updates[u].state).place;
      BlockStep step;
      step.text = steps_.store_registers(plan_.accumulations[u]->product, name, place);
      step.writes.insert(place.pointer);
      add(step);
    }
  }

  // --- what a thread, or a warp of a product, does in one step

  void note_step(NodeId id) {
    const cpu::BlockValue& value = plan_.value(id);
    const bool made = value.form != cpu::BlockValue::Form::kMemory || value.computed;
    if (made) passes_.push_back({{id}, {}, {1}, 1});
  }
  void note_product(NodeId id, std::optional<Value> addend, NodeId next) {
    constexpr std::int64_t kRows = 16, kColumns = 8, kWarp = 32;  // of a piece
    const ProductFormat format = steps_.format(id);
    const Dims tile{kRows * format.row_pieces, kColumns * format.column_pieces};
    passes_.push_back({{next}, addend, tile, kWarp});
  }

  // --- phases

  void write_phase(Phase phase) {
    for (NodeId id = 0; id < plan_.count(); ++id) {
      if (plan_.value(id).phase == phase) write_node(id);
    }
    if (phase != Phase::kLoop) return;
    for (const std::size_t u : plan_.update_order) write_update(u);
  }

  void write_node(NodeId id) {
    const Node& node = plan_.node(id);
    const cpu::BlockValue& value = plan_.value(id);
    if (node.op->name == "store") {
      const NodeId stored = node.inputs[0].node;
      if (plan_.value(stored).form != cpu::BlockValue::Form::kMemory) note_step(stored);
      add(steps_.elementwise(id, value.place));
    } else if (node.op->name == "input" || !value.computed) {
      return;
    } else if (cpu::is_product(node)) {
      note_product(id, {}, id);
      add(steps_.product(id, nullptr));
    } else if (cpu::is_fold(node)) {
      note_step(id);
      add(steps_.fold(id));
    } else {
      note_step(id);
      add(steps_.elementwise(id, value.place));
    }
  }

  void write_update(std::size_t u) {
    const Update& update = plan_.graph.updates[u];
    const cpu::Place& state = plan_.value(update.state).place;
    const auto& accumulation = plan_.accumulations[u];
    const auto note_sum = [&] {
      note_product(accumulation->product, accumulation->addend, update.next.node);
    };
    if (const auto found = registers_.find(u); found != registers_.end()) {
      note_sum();
      add(steps_.accumulation(accumulation->product, found->second));
      return;
    }
    const NodeId next = accumulation ? accumulation->addend.node : update.next.node;
    if (next != update.state) {
      if (plan_.value(next).form != cpu::BlockValue::Form::kMemory) note_step(next);
      add(steps_.elementwise(next, state));
    }
    if (!accumulation) return;
    note_sum();
    add(steps_.product(accumulation->product, &state));
  }

  // --- cuts

  // Where the tiles begin and how long they are; those cut by the loop only inside it.
  std::string cuts_text(bool of_loop) {
    std::string out;
    for (std::size_t i = 0; i < plan_.cuts.size(); ++i) {
      const Cut& cut = plan_.cuts[i];
      if (cut.loop != of_loop) continue;
      std::string at = cut.grid >= 0 ? fmt::format("g{}", cut.grid) : "it";
      if (cut.loop && cut.grid >= 0) {
        at = fmt::format("({} * {} + it)", at, steps_.text(plan_.iterations));
      }
      const std::string tile = steps_.text(cut.tile), whole = steps_.text(cut.whole);
      if (!cut.ragged) {
        out += fmt::format("const long s{} = {} * {};\n", i, at, tile);
        continue;
      }
      out += fmt::format(
          "const long s{0} = lm_min({1} * {2}, (long){3});\n"
          "const int e{0} = (int)lm_min((long){2}, {3} - s{0});\n",
          i, at, tile, whole);
    }
    return out;
  }

  // "e0 > 0 && e2 > 0" over the ragged cuts of loads, of the loop or not.
  std::string all_filled(bool of_loop) const {
    std::string out;
    for (const int i : plan_.loaded_cuts) {
      const Cut& cut = plan_.cuts[static_cast<std::size_t>(i)];
      if (!cut.ragged || cut.loop != of_loop) continue;
      out += fmt::format("{}e{} > 0", out.empty() ? "" : " && ", i);
    }
    return out.empty() ? "true" : out;
  }

  // --- loads

  std::vector<NodeId> staged(Phase phase) const {
    std::vector<NodeId> found;
    for (const auto& [id, load] : tiles_.staged) {
      if (plan_.value(id).phase == phase) found.push_back(id);
    }
    return found;
  }

  // Pointers to the buffers of iteration `it`.
  std::string buffers_text() {
    std::string out;
    for (const NodeId id : staged(Phase::kLoop)) {
      const Area& area = tiles_.areas.at(tiles_.staged.at(id).to.pointer);
      out += fmt::format("{0}* {1} = ({0}*)(memory + {2})", area.type, area.name, area.offset);
      out += area.buffers == 1 ? ";\n" : fmt::format(" + it % 2 * {};\n", area.elements);
    }
    return out;
  }

  std::string fetch_text() {
    std::string copies;
    for (const NodeId id : staged(Phase::kLoop)) copies += steps_.copy(id);
    if (copies.empty()) return "";
    return "const auto fetch = [&](long it) {\n" + cuts_text(true) + buffers_text() + copies +
           "lm_copy_commit();\n};\n";
  }

  // --- text

  std::string head_text() {
    std::string out =
        "LM_SHARED(memory);\n"
        "const long* sizes = lm_sizes.v;\n"
        "const int thread = lm_thread(), warp = thread / 32, lane = thread % 32;\n"
        "(void)sizes, (void)memory, (void)warp, (void)lane;\n"
        "long rest_of_block = lm_block();\n";
    for (std::size_t d = plan_.grid.size(); d-- > 0;) {
      const std::string extent = steps_.text(plan_.grid[d]);
      out +=
          fmt::format("const long g{0} = rest_of_block % {1}; rest_of_block /= {1};\n", d, extent);
    }
    for (const auto& [name, area] : tiles_.areas) {
      if (is_looped(name)) continue;
      out += fmt::format("{0}* {1} = ({0}*)(memory + {2});\n", area.type, name, area.offset);
    }
    return out + cuts_text(false);
  }

  bool is_looped(const std::string& area) const {
    const auto loads = staged(Phase::kLoop);
    return std::any_of(loads.begin(), loads.end(),
                       [&](NodeId id) { return tiles_.staged.at(id).to.pointer == area; });
  }

  std::string states_text() {
    std::string out;
    for (const Input& input : plan_.graph.inputs) {
      if (input.role != Role::kState || is_in_registers(input.node)) continue;
      const std::string& name = plan_.value(input.node).place.pointer;
      const auto area = tiles_.areas.find(name);
      if (area == tiles_.areas.end()) continue;
      out +=
          fmt::format("for (int i = thread; i < {}; i += {}) {}[i] = (float){};\n",
                      area->second.elements, steps_.threads(), name, literal_text(input.initial));
    }
    return out;
  }

  bool is_in_registers(NodeId state) const {
    return std::any_of(registers_.begin(), registers_.end(), [&](const auto& entry) {
      return plan_.graph.updates[entry.first].state == state;
    });
  }

  std::string before_text() {
    const std::vector<NodeId> loads = staged(Phase::kBefore);
    std::string out;
    for (const NodeId id : loads) out += steps_.copy(id);
    if (!loads.empty()) out += "lm_copy_commit();\nlm_copy_wait<0>();\n";
    forget();
    write_phase(Phase::kBefore);
    return out + "LM_SYNC();\n" + take();
  }

  std::string loop_text() {
    forget();
    write_phase(Phase::kLoop);
    const std::string body = take();
    if (body.empty()) return "";
    const std::string fetch = fetch_text();
    const std::string count = steps_.text(plan_.iterations);
    std::string out = fetch;
    const bool ahead = !fetch.empty() && tiles_.loop_buffers == 2;
    if (ahead) out += fmt::format("if ({} > 0) fetch(0);\n", count);
    out += fmt::format("for (long it = 0; it < {}; ++it) {{\n", count);
    if (ahead) {
      out +=
          fmt::format("lm_copy_wait<0>();\nLM_SYNC();\nif (it + 1 < {}) fetch(it + 1);\n", count);
    } else if (!fetch.empty()) {
      out += "LM_SYNC();\nfetch(it);\nlm_copy_wait<0>();\nLM_SYNC();\n";
    } else {
      out += "LM_SYNC();\n";
    }
    out += cuts_text(true) + fmt::format("if (!({})) continue;\n", all_filled(true));
    return out + buffers_text() + body + "}\n";
  }

  std::string main_text() {
    std::string out = states_text() + registers_text();
    const std::string filled = all_filled(false);
    const std::string inside = before_text() + loop_text();
    out += filled == "true" ? "{\n" : fmt::format("if ({}) {{\n", filled);
    out += inside + "}\n";
    forget();
    store_registers();
    write_phase(Phase::kAfter);
    return out + "LM_SYNC();\n" + take();
  }

  const EmitContext& context_;
  Kernel kernel_;
  BlockTiles tiles_;
  const cpu::BlockPlan& plan_;
  StepWriter steps_;
  std::map<std::size_t, std::string> registers_;  // per update: what holds its sums
  std::string text_;
  std::vector<cpu::ThreadPass> passes_;
  std::set<std::string> written_, read_;  // since the last barrier
};

}  // namespace

std::vector<Kernel> emit_block(const EmitContext& context) {
  return {BlockEmitter(context).emit()};
}

Graph block_threads(const EmitContext& context) {
  BlockEmitter emitter(context);
  emitter.emit();
  return emitter.threads();
}

}  // namespace lamina::cuda
