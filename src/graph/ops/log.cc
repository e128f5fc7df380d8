// log: the natural logarithm.
#include "graph/gradient_rules.h"
#include "graph/kinds.h"

namespace lamina::ops {
namespace {

struct Log {
  template <class T>
  static T apply(std::span<const T> x, const Attrs&) {
    using num::log;
    return log(x[0]);
  }
};

Expr derivative(const Expr& x, const Expr&, const Attrs&) { return 1.0 / x; }

}  // namespace

OpDef log() { return unary_float<Log>("log", chain<derivative>, positive_samples); }

}  // namespace lamina::ops
