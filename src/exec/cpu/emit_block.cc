// Kernels of block graphs: a task is a point of the grid. What no iteration changes is computed
// first, then the loop runs, then what follows it. Each phase is a function template: when all
// tiles are whole, their lengths are constants to the compiler.
#include <algorithm>

#include "base/check.h"
#include "exec/cpu/block_nest.h"
#include "exec/cpu/block_plan.h"
#include "exec/cpu/block_product.h"
#include "exec/cpu/emit_common.h"
#include "exec/cpu/emit_conv.h"

namespace lamina::cpu {
namespace {

class BlockEmitter {
 public:
  explicit BlockEmitter(const EmitContext& context)
      : context_(context),
        plan_(plan_block(context)),
        products_(context, plan_, kernel_),
        nests_(plan_, context.target, kernel_.sizes) {}

  Kernel emit() {
    kernel_.name = "block";
    const std::string before = phase_text(Phase::kBefore);
    const std::string loop = phase_text(Phase::kLoop);
    const std::string after = phase_text(Phase::kAfter);
    kernel_.tasks = product(plan_.grid);
    kernel_.scratch_bytes = (plan_.scratch_floats + Dim(64)) * Dim(4);
    std::string functions = std::string(kNestFunctions) + pack_text(context_.target);
    functions += products_.tiles();
    functions += phase_function(Phase::kBefore, before) + phase_function(Phase::kLoop, loop) +
                 phase_function(Phase::kAfter, after);
    kernel_.text = functions + main_text();
    list_buffers();
    return std::move(kernel_);
  }

  // What emit() wrote, as a graph of three levels.
  Graph threads() const { return thread_graph(plan_, nests_.passes()); }

 private:
  std::string text(const Dim& dim) { return dim_text(dim, kernel_.sizes); }

  std::string phase_text(Phase phase) {
    for (NodeId id = 0; id < plan_.count(); ++id) {
      if (plan_.value(id).phase == phase) write_node(id);
    }
    if (phase == Phase::kLoop) {
      for (const std::size_t u : plan_.update_order) write_update(u);
    }
    return nests_.take();
  }

  void write_node(NodeId id) {
    const Node& node = plan_.node(id);
    const BlockValue& value = plan_.value(id);
    if (node.op->name == "store") {
      nests_.add({Sink::Kind::kStore, id, {}});
    } else if (node.op->name == "input" || !value.computed) {
      return;
    } else if (is_product(node)) {
      nests_.flush();
      nests_.append(products_.write(id, nullptr), products_.pass(id, {}, id));
    } else if (is_fold(node)) {
      nests_.add({Sink::Kind::kFold, id, {}});
    } else {
      nests_.add({Sink::Kind::kKeep, id, {}});
    }
  }

  void write_update(std::size_t u) {
    const Update& update = plan_.graph.updates[u];
    const Place& state = plan_.value(update.state).place;
    const auto& accumulation = plan_.accumulations[u];
    const NodeId next = accumulation ? accumulation->addend.node : update.next.node;
    if (next != update.state) nests_.add({Sink::Kind::kUpdate, next, state});
    if (!accumulation) return;
    nests_.flush();
    nests_.append(products_.write(accumulation->product, &state),
                  products_.pass(accumulation->product, accumulation->addend, update.next.node));
  }

  static std::string_view phase_name(Phase phase) {
    switch (phase) {
      case Phase::kBefore:
        return "before";
      case Phase::kLoop:
        return "loop";
      case Phase::kAfter:
        return "after";
    }
    return "";
  }

  std::string parameters() const {
    std::string out = "const LmCall* call";
    for (std::size_t d = 0; d < plan_.grid.size(); ++d) out += fmt::format(", long g{}", d);
    return out + ", long it";
  }
  std::string arguments(std::string_view iteration) const {
    std::string out = "call";
    for (std::size_t d = 0; d < plan_.grid.size(); ++d) out += fmt::format(", g{}", d);
    return out + ", " + std::string(iteration);
  }

  std::string phase_function(Phase phase, const std::string& body) {
    if (body.empty()) return "";
    phases_.insert(phase);
    return fmt::format("template <bool WHOLE> static void NAME_{}({}) {{\n", phase_name(phase),
                       parameters()) +
           pointers() + cuts_text(phase == Phase::kLoop, true) + body + "}\n";
  }

  std::string pointers() {
    std::string out = "const long* sizes = call->sizes;\n(void)sizes;\n";
    std::size_t at = 0;
    const auto pointer = [&](std::string_view type, std::string_view name, std::size_t i) {
      out += fmt::format("{0}* {1}{2} = ({0}*)call->buffers[{3}];\n", type, name, i, at++);
    };
    for (std::size_t i = 0; i < context_.node.inputs.size(); ++i) {
      pointer(fmt::format("const {}", storage_type(context_.node.inputs[i].dtype)), "in", i);
    }
    for (std::size_t i = 0; i < context_.outputs.size(); ++i) {
      pointer(storage_type(context_.outputs[i].dtype), "out", i);
    }
    for (std::size_t i = 0; i < kernel_.packs.size(); ++i) {
      pointer("const " + packed_type(kernel_.packs[i].dtype), "packed", i);
    }
    for (const BlockPlan::Scratch& piece : plan_.scratch) {
      out +=
          fmt::format("float* {} = (float*)call->scratch + {};\n", piece.name, text(piece.offset));
    }
    return out;
  }

  // Where the tiles begin and how long they are; those cut by the loop only inside it.
  std::string cuts_text(bool in_loop, bool whole) {
    std::string out;
    for (std::size_t i = 0; i < plan_.cuts.size(); ++i) {
      const Cut& cut = plan_.cuts[i];
      if (cut.loop && !in_loop) continue;
      std::string tiles = cut.grid >= 0 ? fmt::format("g{}", cut.grid) : "it";
      if (cut.loop && cut.grid >= 0) {
        tiles = fmt::format("({} * {} + it)", tiles, text(plan_.iterations));
      }
      const std::string tile = text(cut.tile), all = text(cut.whole);
      if (!cut.ragged) {
        out += fmt::format("const long s{} = {} * {};\n", i, tiles, tile);
        continue;
      }
      out += fmt::format("const long s{0} = {1} * {2} < {3} ? {1} * {2} : {3};\n", i, tiles, tile,
                         all);
      const std::string least = fmt::format("({0} - s{1} < {2} ? {0} - s{1} : {2})", all, i, tile);
      out += fmt::format("const long e{} = {};\n", i,
                         whole ? fmt::format("WHOLE ? {} : {}", tile, least) : least);
    }
    return out;
  }

  // "e0 == 64 && e2 == 16" over the ragged cuts, of the loop or not; `test` is "== TILE" or "> 0".
  std::string all_cuts(bool of_loop, bool nonempty) {
    std::string out = "true";
    for (std::size_t i = 0; i < plan_.cuts.size(); ++i) {
      const Cut& cut = plan_.cuts[i];
      if (!cut.ragged || cut.loop != of_loop) continue;
      if (nonempty && plan_.loaded_cuts.count(static_cast<int>(i)) == 0) continue;
      out += nonempty ? fmt::format(" && e{} > 0", i)
                      : fmt::format(" && e{} == {}", i, text(cut.tile));
    }
    return out;
  }

  std::string call(Phase phase, std::string_view condition, std::string_view iteration) const {
    const std::string name = fmt::format("NAME_{}", phase_name(phase));
    const std::string arguments = this->arguments(iteration);
    const bool ragged = std::any_of(plan_.cuts.begin(), plan_.cuts.end(),
                                    [](const Cut& cut) { return cut.ragged; });
    if (!ragged) return fmt::format("{}<true>({});\n", name, arguments);
    return fmt::format("if ({0}) {1}<true>({2});\nelse {1}<false>({2});\n", condition, name,
                       arguments);
  }

  std::string states_text() {
    std::string out;
    for (const Input& input : plan_.graph.inputs) {
      if (input.role != Role::kState) continue;
      const std::string& name = plan_.value(input.node).place.pointer;
      if (name.empty()) continue;
      out += fmt::format("for (long i = 0; i < {}; ++i) {}[i] = (float){};\n",
                         text(plan_.size_of(name)), name, literal(input.initial));
    }
    return out;
  }

  std::string main_text() {
    std::string out = "extern \"C\" void NAME(const LmCall* call, long begin, long end) {\n" +
                      pointers() +
                      "for (long task = begin; task < end; ++task) {\nlong rest_of_task = task;\n";
    for (std::size_t d = plan_.grid.size(); d-- > 0;) {
      const std::string extent = text(plan_.grid[d]);
      out += fmt::format("const long g{0} = rest_of_task % {1}; rest_of_task /= {1};\n", d, extent);
    }
    out += cuts_text(false, false) + states_text();
    out += fmt::format("const bool whole = {};\n", all_cuts(false, false));
    out += fmt::format("if ({}) {{\n", all_cuts(false, true));
    if (has(Phase::kBefore)) out += call(Phase::kBefore, "whole", "0");
    if (has(Phase::kLoop)) {
      out += fmt::format("for (long it = 0; it < {}; ++it) {{\n", text(plan_.iterations));
      out += cuts_text(true, false);
      out += fmt::format("if (!({})) continue;\n", all_cuts(true, true));
      out += call(Phase::kLoop, "whole && " + all_cuts(true, false), "it") + "}\n";
    }
    out += "}\n";
    if (has(Phase::kAfter)) out += call(Phase::kAfter, "whole", "0");
    return out + "}\n}\n";
  }

  bool has(Phase phase) const { return phases_.count(phase) > 0; }

  void list_buffers() {
    using Kind = BufferUse::Kind;
    const auto list = [&](Kind kind, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i)
        kernel_.buffers.push_back({kind, static_cast<int>(i)});
    };
    list(Kind::kInput, context_.node.inputs.size());
    list(Kind::kOutput, context_.outputs.size());
    list(Kind::kPacked, kernel_.packs.size());
  }

  const EmitContext& context_;
  Kernel kernel_;
  BlockPlan plan_;
  ProductWriter products_;
  NestWriter nests_;
  std::set<Phase> phases_;  // that have work
};

}  // namespace

std::vector<Kernel> emit_block(const EmitContext& context) {
  if (auto kernel = emit_convolution(context)) return {std::move(*kernel)};
  return {BlockEmitter(context).emit()};
}

Graph block_threads(const EmitContext& context) {
  if (emit_convolution(context)) return context.node.graphs[0];
  BlockEmitter emitter(context);
  emitter.emit();
  return emitter.threads();
}

}  // namespace lamina::cpu
