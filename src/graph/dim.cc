// Canonical integer expressions over named sizes.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "lamina/graph.h"

namespace lamina {
namespace {

// Products of sums grow fast; no sensible shape comes near this.
constexpr std::size_t kMaxTerms = 128;

std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  require(!__builtin_add_overflow(a, b, &sum), "dimension overflow: {} + {}", a, b);
  return sum;
}

std::int64_t checked_mul(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  require(!__builtin_mul_overflow(a, b, &product), "dimension overflow: {} * {}", a, b);
  return product;
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  require(b > 0, "dimension: division of {} by {}; a divisor is positive", a, b);
  return a / b - static_cast<std::int64_t>(a % b < 0);
}

std::int64_t quotient(Dim::Factor::Kind kind, std::int64_t a, std::int64_t b) {
  if (kind == Dim::Factor::Kind::kFloorDiv) return floor_quotient(a, b);
  return -floor_quotient(-a, b);
}

std::string print_factor(const Dim::Factor& factor) {
  if (factor.kind == Dim::Factor::Kind::kSize) return factor.name;
  const char* name = factor.kind == Dim::Factor::Kind::kFloorDiv ? "floor(" : "ceil(";
  const std::string over = factor.operands[1].to_string();
  const bool simple = factor.operands[1].is_constant();
  return name + factor.operands[0].to_string() + " / " + (simple ? over : "(" + over + ")") + ")";
}

std::string print_term(const Dim::Term& term) {
  std::string text;
  if (term.coefficient != 1) text = std::to_string(term.coefficient);
  for (const Dim::Factor& factor : term.factors) {
    text += (text.empty() ? "" : "*") + print_factor(factor);
  }
  return text;
}

// Recursive descent over the text form of a Dim.
class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Dim parse() {
    Dim result = sum();
    skip();
    require(at_ == text_.size(), "dimension '{}': unexpected '{}'", text_, text_.substr(at_));
    return result;
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) { require(take(c), "dimension '{}': expected '{}'", text_, c); }

  Dim sum() {
    Dim total = product();
    while (true) {
      if (take('+')) {
        total = total + product();
      } else if (take('-')) {
        total = total - product();
      } else {
        return total;
      }
    }
  }

  Dim product() {
    Dim total = atom();
    while (take('*')) total = total * atom();
    return total;
  }

  Dim atom() {
    require(++depth_ < 64, "dimension '{}': nested too deeply", text_);
    Dim result = take('-') ? negated() : operand();
    --depth_;
    return result;
  }

  // A number is read with its sign: the least one has no positive counterpart.
  Dim negated() {
    skip();
    const bool digit =
        at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0;
    return digit ? number("-" + word()) : Dim(0) - atom();
  }

  Dim operand() {
    if (take('(')) {
      Dim inner = sum();
      expect(')');
      return inner;
    }
    const std::string next = word();
    require(!next.empty(), "dimension '{}': expected a number or a name", text_);
    return std::isdigit(static_cast<unsigned char>(next[0])) != 0 ? number(next) : named(next);
  }

  std::string word() {
    skip();
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }

  Dim number(const std::string& digits) {
    std::int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    require(error == std::errc() && stop == end, "dimension '{}': '{}' is not a 64-bit number",
            text_, digits);
    return value;
  }

  Dim named(const std::string& word) {
    if ((word != "floor" && word != "ceil") || !take('(')) return Dim::size(word);
    const Dim above = sum();
    expect('/');
    const Dim below = product();
    expect(')');
    return word == "floor" ? floor_div(above, below) : ceil_div(above, below);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::strong_ordering Dim::Factor::operator<=>(const Factor& other) const {
  if (kind != other.kind) return kind <=> other.kind;
  if (const auto by_name = name <=> other.name; by_name != 0) return by_name;
  return std::lexicographical_compare_three_way(operands.begin(), operands.end(),
                                                other.operands.begin(), other.operands.end());
}

bool Dim::operator==(const Dim& other) const {
  return constant_ == other.constant_ && terms_ == other.terms_;
}

std::strong_ordering Dim::operator<=>(const Dim& other) const {
  const auto by_term = [](const Term& a, const Term& b) {
    const auto by_factors = std::lexicographical_compare_three_way(
        a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end());
    return by_factors != 0 ? by_factors : a.coefficient <=> b.coefficient;
  };
  const auto by_terms = std::lexicographical_compare_three_way(
      terms_.begin(), terms_.end(), other.terms_.begin(), other.terms_.end(), by_term);
  return by_terms != 0 ? by_terms : constant_ <=> other.constant_;
}

Dim::Dim(std::int64_t constant) : constant_(constant) {}

Dim Dim::size(std::string name) { return of({Factor::Kind::kSize, std::move(name), {}}); }

Dim Dim::of(Factor factor) {
  Dim dim;
  dim.terms_.push_back({1, {std::move(factor)}});
  return dim;
}

Dim Dim::parse(std::string_view text) { return DimParser(text).parse(); }

std::span<const Dim::Term> Dim::terms() const { return terms_; }

std::optional<std::int64_t> Dim::constant() const {
  if (!is_constant()) return std::nullopt;
  return constant_;
}

void Dim::add_term(Term term) {
  if (term.coefficient == 0) return;
  if (term.factors.empty()) {
    constant_ = checked_add(constant_, term.coefficient);
    return;
  }
  require(terms_.size() < kMaxTerms && term.factors.size() <= kMaxTerms,
          "a dimension has more than {} terms or factors", kMaxTerms);
  auto at = std::find_if(terms_.begin(), terms_.end(),
                         [&](const Term& t) { return !(t.factors < term.factors); });
  if (at == terms_.end() || at->factors != term.factors) {
    terms_.insert(at, std::move(term));
    return;
  }
  at->coefficient = checked_add(at->coefficient, term.coefficient);
  if (at->coefficient == 0) terms_.erase(at);
}

Dim operator+(const Dim& a, const Dim& b) {
  Dim sum = a;
  sum.constant_ = checked_add(sum.constant_, b.constant_);
  for (const Dim::Term& term : b.terms_) sum.add_term(term);
  return sum;
}

Dim operator-(const Dim& a, const Dim& b) { return a + Dim(-1) * b; }

Dim operator*(const Dim& a, const Dim& b) {
  Dim product;
  product.constant_ = checked_mul(a.constant_, b.constant_);
  const auto scaled = [&](const Dim::Term& term, std::int64_t by) {
    product.add_term({checked_mul(term.coefficient, by), term.factors});
  };
  for (const Dim::Term& term : a.terms_) scaled(term, b.constant_);
  for (const Dim::Term& term : b.terms_) scaled(term, a.constant_);
  for (const Dim::Term& x : a.terms_) {
    for (const Dim::Term& y : b.terms_) {
      Dim::Term term{checked_mul(x.coefficient, y.coefficient), x.factors};
      term.factors.insert(term.factors.end(), y.factors.begin(), y.factors.end());
      std::sort(term.factors.begin(), term.factors.end());
      product.add_term(std::move(term));
    }
  }
  return product;
}

namespace {

// Splits off the part of `a` that `divisor` divides exactly: a = divisor * exact + rest.
std::pair<Dim, Dim> split_exact(const Dim& a, std::int64_t divisor) {
  Dim exact;
  Dim rest = a.constant_part() % divisor == 0 ? Dim(0) : Dim(a.constant_part());
  if (a.constant_part() % divisor == 0) exact = a.constant_part() / divisor;
  for (const Dim::Term& term : a.terms()) {
    Dim factors = 1;
    for (const Dim::Factor& factor : term.factors) factors = factors * Dim::of(factor);
    if (term.coefficient % divisor == 0) {
      exact = exact + Dim(term.coefficient / divisor) * factors;
    } else {
      rest = rest + Dim(term.coefficient) * factors;
    }
  }
  return {exact, rest};
}

// a / b, if b is a single term that divides every term of a: 8*B*T / (2*T) = 4*B.
std::optional<Dim> exact_quotient(const Dim& a, const Dim& b) {
  if (b.terms().size() != 1 || b.constant_part() != 0 || a.constant_part() != 0) {
    return std::nullopt;
  }
  const Dim::Term& divisor = b.terms()[0];
  Dim result;
  for (const Dim::Term& term : a.terms()) {
    std::vector<Dim::Factor> factors = term.factors;
    for (const Dim::Factor& factor : divisor.factors) {
      const auto found = std::find(factors.begin(), factors.end(), factor);
      if (found == factors.end()) return std::nullopt;
      factors.erase(found);
    }
    if (term.coefficient % divisor.coefficient != 0) return std::nullopt;
    Dim product = term.coefficient / divisor.coefficient;
    for (const Dim::Factor& factor : factors) product = product * Dim::of(factor);
    result = result + product;
  }
  return result;
}

Dim make_quotient(Dim::Factor::Kind kind, const Dim& a, const Dim& b) {
  const auto divisor = b.constant();
  if (divisor) {
    require(*divisor > 0, "dimension: division of {} by {}; a divisor is positive", a.to_string(),
            *divisor);
    if (a.is_constant()) return quotient(kind, a.constant_part(), *divisor);
    auto [exact, rest] = split_exact(a, *divisor);
    if (rest == Dim(0)) return exact;
    if (rest.is_constant()) return exact + Dim(quotient(kind, rest.constant_part(), *divisor));
    return exact + Dim::of({kind, "", {rest, b}});
  }
  if (a == b) return 1;
  if (a == Dim(0)) return 0;
  if (const auto exact = exact_quotient(a, b)) return *exact;
  return Dim::of({kind, "", {a, b}});
}

}  // namespace

Dim floor_div(const Dim& a, const Dim& b) {
  return make_quotient(Dim::Factor::Kind::kFloorDiv, a, b);
}

Dim ceil_div(const Dim& a, const Dim& b) {
  return make_quotient(Dim::Factor::Kind::kCeilDiv, a, b);
}

std::int64_t Dim::evaluate(const Sizes& sizes) const {
  std::int64_t total = constant_;
  for (const Term& term : terms_) {
    std::int64_t product = term.coefficient;
    for (const Factor& factor : term.factors) {
      std::int64_t value = 0;
      if (factor.kind == Factor::Kind::kSize) {
        const auto found = sizes.find(factor.name);
        require(found != sizes.end(), "size '{}' has no value", factor.name);
        value = found->second;
      } else {
        value = quotient(factor.kind, factor.operands[0].evaluate(sizes),
                         factor.operands[1].evaluate(sizes));
      }
      product = checked_mul(product, value);
    }
    total = checked_add(total, product);
  }
  return total;
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& values) const {
  Dim total = constant_;
  for (const Term& term : terms_) {
    Dim product = term.coefficient;
    for (const Factor& factor : term.factors) {
      if (factor.kind == Factor::Kind::kSize) {
        const auto found = values.find(factor.name);
        product = product * (found == values.end() ? Dim::size(factor.name) : found->second);
      } else {
        product = product * make_quotient(factor.kind, factor.operands[0].substitute(values),
                                          factor.operands[1].substitute(values));
      }
    }
    total = total + product;
  }
  return total;
}

void Dim::collect_names(std::vector<std::string>& names) const {
  for (const Term& term : terms_) {
    for (const Factor& factor : term.factors) {
      for (const Dim& operand : factor.operands) operand.collect_names(names);
      if (factor.kind != Factor::Kind::kSize) continue;
      const auto at = std::lower_bound(names.begin(), names.end(), factor.name);
      if (at == names.end() || *at != factor.name) names.insert(at, factor.name);
    }
  }
}

std::string Dim::to_string() const {
  std::string text;
  // The least integer has no positive counterpart: "+ -9223372036854775808".
  const auto append = [&](std::int64_t number, const auto& print) {
    const bool subtract = number < 0 && number != std::numeric_limits<std::int64_t>::min();
    text += text.empty() ? print(number)
                         : (subtract ? " - " : " + ") + print(subtract ? -number : number);
  };
  for (const Term& term : terms_) {
    append(term.coefficient, [&](std::int64_t number) {
      return print_term({number, term.factors});
    });
  }
  if (text.empty() || constant_ != 0) {
    append(constant_, [](std::int64_t number) { return std::to_string(number); });
  }
  return text;
}

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + dims[i].to_string();
  return text + "]";
}

std::optional<Shape> constant_shape(const Dims& dims) {
  Shape shape;
  for (const Dim& dim : dims) {
    if (!dim.is_constant()) return std::nullopt;
    shape.push_back(dim.constant_part());
  }
  return shape;
}

Shape evaluate(const Dims& dims, const Sizes& sizes) {
  Shape shape;
  for (const Dim& dim : dims) shape.push_back(dim.evaluate(sizes));
  return shape;
}

std::string to_string(const Type& type) {
  std::string text = std::string(traits(type.dtype).name) + to_string(type.shape);
  if (!type.strides.empty()) text += " strides " + to_string(type.strides);
  return text;
}

}  // namespace lamina
