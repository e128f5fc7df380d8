// The axioms of abstract terms, and what is part of what.
#include "search/term.h"

#include <doctest/doctest.h>

#include <tuple>

using namespace lamina::search;

namespace {

using Id = TermStore::Id;

struct Terms {
  TermStore store;
  Id x = store.input(0), y = store.input(1), z = store.input(2);
};

}  // namespace

TEST_CASE("the axioms") {
  Terms t;
  TermStore& s = t.store;
  const auto [x, y, z] = std::tuple(t.x, t.y, t.z);
  CHECK(s.add(x, y) == s.add(y, x));
  CHECK(s.add(x, s.add(y, z)) == s.add(s.add(x, y), z));
  CHECK(s.multiply(x, y) == s.multiply(y, x));
  CHECK(s.multiply(x, s.add(y, z)) == s.add(s.multiply(x, y), s.multiply(x, z)));
  CHECK(s.add(s.divide(x, z), s.divide(y, z)) == s.divide(s.add(x, y), z));
  CHECK(s.multiply(x, s.divide(y, z)) == s.divide(s.multiply(x, y), z));
  CHECK(s.divide(s.divide(x, y), z) == s.divide(x, s.multiply(y, z)));
  CHECK(s.sum(1, x) == x);
  CHECK(s.sum(2, s.sum(3, x)) == s.sum(6, x));
  CHECK(s.sum(2, s.add(x, y)) == s.add(s.sum(2, x), s.sum(2, y)));
  CHECK(s.sum(2, s.multiply(x, y)) == s.multiply(s.sum(2, x), y));
  CHECK(s.sum(2, s.divide(x, y)) == s.divide(s.sum(2, x), y));
  CHECK(s.multiply(s.exponential(x), s.exponential(y)) == s.exponential(s.add(x, y)));
  CHECK(s.multiply(s.root(x), s.root(y)) == s.root(s.multiply(x, y)));
  CHECK(s.largest(2, s.largest(3, x)) == s.largest(6, x));
  // No cancellation, and no confusion of what is different.
  CHECK(s.divide(s.multiply(x, y), y) != x);
  CHECK(s.sum(2, x) != s.sum(3, x));
  CHECK(s.exponential(x) != s.exponential(y));
  CHECK(s.divide(x, s.add(y, z)) != s.add(s.divide(x, y), s.divide(x, z)));
  CHECK(s.root(s.add(x, y)) != s.add(s.root(x), s.root(y)));
}

TEST_CASE("parts of a norm and a product") {
  Terms t;
  TermStore& s = t.store;
  const auto [x, w, g] = std::tuple(t.x, t.y, t.z);
  // (x / sqrt(mean x^2 + eps)) g w, summed over 6.
  const Id square = s.multiply(x, x);
  const Id norm = s.root(s.add(s.sum(6, square), s.one()));
  const Id whole = s.sum(6, s.multiply(s.multiply(s.divide(x, norm), g), w));
  for (const Id part :
       {x, w, g, square, s.sum(2, square), norm, s.multiply(x, w), s.sum(6, s.multiply(x, w)),
        s.multiply(g, w), s.divide(w, norm), whole, s.sum(3, s.multiply(x, g))}) {
    CHECK_MESSAGE(s.within(part, whole), s.to_string(part));
  }
  for (const Id part : {s.multiply(w, w), s.exponential(x), s.sum(4, s.multiply(x, w)), s.add(x, w),
                        s.root(x), s.multiply(norm, x), s.multiply(square, w), s.largest(2, x)}) {
    CHECK_FALSE_MESSAGE(s.within(part, whole), s.to_string(part));
  }
}

TEST_CASE("parts of attention with a safe softmax") {
  Terms t;
  TermStore& s = t.store;
  const auto [q, k, v] = std::tuple(t.x, t.y, t.z);
  const Id scores = s.sum(5, s.multiply(q, k));
  const Id peak = s.largest(6, scores);
  const Id weights = s.exponential(s.add(scores, peak));
  const Id whole = s.divide(s.sum(6, s.multiply(weights, v)), s.sum(6, weights));
  for (const Id part : {scores, peak, s.largest(2, scores), weights, s.sum(2, weights),
                        s.sum(6, weights), s.sum(3, s.multiply(weights, v)), s.multiply(weights, v),
                        s.add(scores, peak), s.exponential(scores)}) {
    CHECK_MESSAGE(s.within(part, whole), s.to_string(part));
  }
  for (const Id part : {s.multiply(scores, v), s.add(scores, v), s.largest(4, scores),
                        s.largest(6, q), s.exponential(q), s.multiply(v, v)}) {
    CHECK_FALSE_MESSAGE(s.within(part, whole), s.to_string(part));
  }
}
