// Identities between scalar expressions, such as "exp(x + y) = exp(x)*exp(y)".
//
//   Identity identity = parse_identity("sqrt(x)^2", "x");
//   assume(identity, "x", {.low = 0.0});
//   if (verify(identity).outcome == Outcome::kEquivalent) ...
//
// Expressions are written infix or as FPCore; both grammars, and that of files with many
// identities, are in docs/formats.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lamina/graph.h"
#include "lamina/verify.h"

namespace lamina {

// numerator / denominator in lowest terms, denominator positive, both below 2^53 in magnitude.
struct Rational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;

  bool operator==(const Rational&) const = default;
};

// A function of real numbers. Operands stand before the nodes that use them; the last node is the
// value. Trees are flat, so that many expressions are evaluated quickly without graphs.
struct Expression {
  static constexpr int kMaxOperands = 3;

  struct Node {
    const OpDef* op = nullptr;                                       // null: an input or a constant
    std::array<std::int32_t, kMaxOperands> operands = {-1, -1, -1};  // -1 beyond the last one
    std::int32_t input = -1;  // without `op`: the number of an input, or -1 for a constant
    Rational constant;
    Attrs attrs;         // of `op`, complete
    bool truth = false;  // the value is a truth value, 0 or 1
  };

  std::vector<std::string> inputs;
  std::vector<Node> nodes;
};

// Reads one infix expression. Throws kInvalidArgument, or kUnsupported for a function that Lamina
// lacks, with the position; `source` is the name that the message gives to the text.
Expression parse_expression(std::string_view text, std::string_view source = "expression");

// The expression as a graph of scalars: one f64 input per input, one f64 output "value".
Graph to_graph(const Expression& expression);

// A claim that two expressions are equal where the conditions hold. All its expressions have the
// same inputs.
struct Identity {
  std::string name;   // "line 12", or the name of an FPCore
  std::string group;  // the heading above it in its file
  std::string text;   // as it was written
  Expression left;
  Expression right;
  std::vector<Expression> conditions;                    // truth values
  std::map<std::string, InputFacts, std::less<>> facts;  // ranges that the conditions imply
  // Why the claim cannot be checked, if it is well formed but beyond Lamina; it then has no
  // expressions.
  std::string unsupported;
};

// The claim that `left` equals `right`; each is infix or one FPCore, whose :pre is a condition.
// Throws like parse_expression.
Identity parse_identity(std::string_view left, std::string_view right);

// The identities of a file: lines "left = right ; conditions" under [headings], or FPCores that
// have an :alt (a file of just two FPCores without :alt claims that these are equal). Throws
// kInvalidArgument for what is malformed; what is unsupported is in the list and says so.
std::vector<Identity> parse_identities(std::string_view text, std::string_view source);

// Adds what is known about one input. Throws kNotFound when no such input exists, and
// kInvalidArgument when no interval of values is left.
void assume(Identity& identity, std::string_view input, const InputFacts& facts);

// Checks the identity; its facts are added to those of the options. A real point counts as a
// witness only where the conditions hold.
Verdict verify(const Identity& identity, const VerifyOptions& options = {});

// What a batch says about one identity.
struct BatchVerdict {
  Outcome outcome = Outcome::kInconclusive;
  std::optional<double> bits;  // proved, as in Verdict
  int passes = 0;
  // What verify() says of an identity that the quick way left open; null for the others, which are
  // all equivalent.
  std::shared_ptr<const Verdict> whole;
};

// Checks many identities at the same points of the same fields, which are drawn when all identities
// are known: tens of times as fast as one by one. The bound of each identity by itself holds, as
// with share_primes(); it allows for a second check by verify().
std::vector<BatchVerdict> verify_identities(std::span<const Identity> identities,
                                            const VerifyOptions& options = {});

}  // namespace lamina
