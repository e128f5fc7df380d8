// einsum: a sum of products in Einstein's notation, "ij,jk->ik". Letters name axes; "..." stands
// for axes that broadcast; a letter twice in one operand takes the diagonal; without "->" the
// output has the letters that occur once, in alphabetical order.
#include <algorithm>
#include <cctype>
#include <map>

#include "base/check.h"
#include "graph/gradient_rules.h"
#include "graph/shaping.h"

namespace lamina::ops {
namespace {

// A label is a letter, or kEllipsis + the distance of a "..." axis from its right end.
using Labels = std::vector<int>;
constexpr int kEllipsis = 256;

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
  std::map<int, Dim> extents;
};

// The labels of one operand, whose "..." covers `hidden` axes.
Labels read_labels(std::string_view text, std::size_t hidden, std::string_view equation) {
  Labels labels;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
      labels.push_back(text[i]);
      continue;
    }
    require(text.substr(i, 3) == "...", "einsum: unexpected '{}' in \"{}\"", text[i], equation);
    for (std::size_t k = hidden; k-- > 0;) labels.push_back(kEllipsis + static_cast<int>(k));
    i += 2;
  }
  return labels;
}

std::size_t letters_in(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isalpha(c) != 0; }));
}

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

Labels implicit_output(const Equation& equation, std::size_t hidden) {
  std::map<int, int> uses;
  for (const Labels& labels : equation.inputs) {
    for (const int label : labels) ++uses[label];
  }
  Labels output;
  for (std::size_t k = hidden; k-- > 0;) output.push_back(kEllipsis + static_cast<int>(k));
  for (const auto& [label, count] : uses) {
    if (label < kEllipsis && count == 1) output.push_back(label);
  }
  return output;
}

// Axes of size 1 broadcast.
void bind_extents(Equation& equation, std::size_t operand, const Dims& shape) {
  const Labels& labels = equation.inputs[operand];
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto [entry, fresh] = equation.extents.try_emplace(labels[i], shape[i]);
    if (fresh || entry->second == shape[i] || shape[i] == Dim(1)) continue;
    require(entry->second == Dim(1), "einsum: one index has the sizes {} and {} (operand {})",
            entry->second.to_string(), shape[i].to_string(), operand);
    entry->second = shape[i];
  }
}

Equation read_equation(const NodeView& node) {
  const std::string& given = node.attrs.text("equation");
  std::string text;
  std::copy_if(given.begin(), given.end(), std::back_inserter(text),
               [](unsigned char c) { return std::isspace(c) == 0; });
  const std::size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  require(terms.size() == node.inputs.size(), "einsum: \"{}\" has {} operands, got {}", given,
          terms.size(), node.inputs.size());
  Equation equation;
  std::size_t hidden = 0;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const std::size_t rank = node.inputs[k].shape.size();
    const std::size_t letters = letters_in(terms[k]);
    const bool open = terms[k].find("...") != std::string::npos;
    require(open ? letters <= rank : letters == rank,
            "einsum: \"{}\" gives operand {} {} axes, it has the shape {}", given, k, letters,
            to_string(node.inputs[k].shape));
    hidden = std::max(hidden, rank - letters);
    equation.inputs.push_back(read_labels(terms[k], rank - letters, given));
    require(equation.inputs[k].size() == rank, "einsum: \"{}\" has two ellipses in operand {}",
            given, k);
    bind_extents(equation, k, node.inputs[k].shape);
  }
  equation.output = arrow == std::string::npos
                        ? implicit_output(equation, hidden)
                        : read_labels(std::string_view(text).substr(arrow + 2), hidden, given);
  return equation;
}

std::vector<Type> infer(const NodeView& node) {
  const Equation equation = read_equation(node);
  Type out{element_dtype(node.inputs[0]), {}, {}};
  for (const Type& x : node.inputs.subspan(1)) out.dtype = promote(out.dtype, x.dtype);
  for (const int label : equation.output) {
    const auto found = equation.extents.find(label);
    require(found != equation.extents.end(), "einsum: output index '{}' is in no operand of \"{}\"",
            static_cast<char>(label), node.attrs.text("equation"));
    require(std::count(equation.output.begin(), equation.output.end(), label) == 1,
            "einsum: output index '{}' is listed twice", static_cast<char>(label));
    out.shape.push_back(found->second);
  }
  return {out};
}

LoopForm loop_form(const NodeView& node) {
  const Equation equation = read_equation(node);
  LoopForm form;
  std::map<int, int> loops;
  const auto add_loop = [&](int label) {
    if (!loops.try_emplace(label, static_cast<int>(form.extents.size())).second) return;
    form.extents.push_back(equation.extents.at(label));
  };
  for (const int label : equation.output) add_loop(label);
  form.output_rank = static_cast<int>(form.extents.size());
  for (const Labels& labels : equation.inputs) {
    for (const int label : labels) add_loop(label);
  }
  for (std::size_t k = 0; k < equation.inputs.size(); ++k) {
    Access access;
    for (std::size_t i = 0; i < equation.inputs[k].size(); ++i) {
      const int label = equation.inputs[k][i];
      const bool repeated =
          node.inputs[k].shape[i] == Dim(1) && equation.extents.at(label) != Dim(1);
      access.axes.push_back(repeated ? AxisIndex{} : AxisIndex::of(loops.at(label)));
    }
    form.operands.push_back(std::move(access));
  }
  return form;
}

// Writes the equation of a gradient with a letter for every label.
class GradientEquation {
 public:
  std::string term(const Labels& labels) {
    std::string text;
    for (const int label : labels) text += letter(label);
    return text;
  }
  char letter(int label) {
    const auto n = static_cast<int>(letters_.size());
    const auto [entry, fresh] =
        letters_.try_emplace(label, static_cast<char>(n < 26 ? 'a' + n : 'A' + (n - 26)));
    require(!fresh || n < 52, "einsum: more than 52 indices");
    return entry->second;
  }

 private:
  std::map<int, char> letters_;
};

// The identity matrix of size n.
Value identity(Graph& g, const Dim& n, DType dtype) {
  const Value row = g.add("iota", {}, {{"shape", Dims{n, 1}}});
  const Value column = g.add("iota", {}, {{"shape", Dims{n}}});
  return g.add("cast", {g.add("equal", {row, column})}, {{"dtype", dtype}});
}

// The gradient of operand k: the sum over all other indices of the arrived gradient times the
// other operands. Indices that no other factor has get a factor of ones, and the second axis of a
// diagonal gets an identity matrix.
Value operand_gradient(const GradientView& node, const NodeCopy& self, const Equation& equation,
                       std::size_t k) {
  Graph& g = node.graph;
  const Type& x = self.types[k];
  GradientEquation text;
  std::vector<Value> factors = {node.grads[0]};
  std::string terms = text.term(equation.output);
  Labels known = equation.output;
  for (std::size_t i = 0; i < self.types.size(); ++i) {
    if (i == k) continue;
    factors.push_back(node.input(static_cast<int>(i)));
    terms += "," + text.term(equation.inputs[i]);
    for (std::size_t a = 0; a < self.types[i].shape.size(); ++a) {
      const int label = equation.inputs[i][a];
      if (self.types[i].shape[a] == equation.extents.at(label)) known.push_back(label);
    }
  }
  Labels wanted;
  int fresh = 2 * kEllipsis;
  for (std::size_t i = 0; i < x.shape.size(); ++i) {
    const int label = equation.inputs[k][i];
    const Dim extent = equation.extents.at(label);
    if (x.shape[i] == Dim(1) && extent != Dim(1)) continue;
    if (std::count(wanted.begin(), wanted.end(), label) != 0) {
      wanted.push_back(fresh++);
      factors.push_back(identity(g, extent, x.dtype));
      terms += "," + text.term({label, wanted.back()});
      continue;
    }
    wanted.push_back(label);
    if (std::count(known.begin(), known.end(), label) != 0) continue;
    factors.push_back(filled(g, {x.dtype, {extent}, {}}, 1.0));
    terms += "," + text.term({label});
  }
  const std::string whole = terms + "->" + text.term(wanted);
  const Value grad = g.add("einsum", factors, {{"equation", whole}});
  return g.type(grad).shape == x.shape ? grad : g.add("reshape", {grad}, {{"shape", x.shape}});
}

std::vector<Value> gradient(const GradientView& node) {
  const NodeCopy self(node);
  const Equation equation = read_equation(self.view());
  std::vector<Value> grads;
  for (std::size_t k = 0; k < self.types.size(); ++k) {
    grads.push_back(operand_gradient(node, self, equation, k));
  }
  return grads;
}

std::vector<Sample> samples() {
  const auto equation = [](const char* text) { return Attrs{{"equation", std::string(text)}}; };
  return {{.inputs = {f32({3, 4}), f32({4, 5})}, .attrs = equation("ij,jk->ik")},
          {.inputs = {f32({1, 2, 3}), f32({5, 3, 4})}, .attrs = equation("...ij, ...jk")},
          {.inputs = {f32({3, 3, 2})}, .attrs = equation("iij->ij")},
          {.inputs = {f32({3, 3}), f32({4})}, .attrs = equation("ii,k->")},
          {.inputs = {f32({2, 3}), f32({2, 4}), f32({3})}, .attrs = equation("ab,ac,b->bc")}};
}

}  // namespace

OpDef einsum() {
  return {.name = "einsum",
          .kind = Kind::kContract,
          .max_inputs = -1,
          .attrs = {{"equation", AttrKind::kText, {}, true}},
          .flops = 2.0,
          .infer = infer,
          .loop_form = loop_form,
          .gradient = gradient,
          .samples = samples};
}

}  // namespace lamina::ops
