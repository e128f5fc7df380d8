// Every function of the prelude, compiled and compared with its meaning in num/algebra.h.
#include "exec/cpu/prelude.h"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "base/temporary_folder.h"
#include "num/algebra.h"
#include "num/half.h"

using namespace lamina;

namespace {

// A compiled text. The folder and the library go with it.
class Library {
 public:
  explicit Library(const std::string& text) {
    std::ofstream(folder_.file("k.cc")) << text;
    const std::string command =
        fmt::format("c++ {} -march=native -shared -fPIC -o {} {}", cpu::kPreludeFlags,
                    folder_.file("k.so"), folder_.file("k.cc"));
    REQUIRE(std::system(command.c_str()) == 0);
    handle_ = dlopen(folder_.file("k.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE(bool(handle_ != nullptr));
  }
  ~Library() { dlclose(handle_); }
  template <class Function>
  Function* find(const std::string& name) const {
    auto* function = reinterpret_cast<Function*>(dlsym(handle_, name.c_str()));
    REQUIRE(bool(function != nullptr));
    return function;
  }

 private:
  TemporaryFolder folder_;
  void* handle_ = nullptr;
};

struct Unary {
  const char* name;
  double (*meaning)(double);
  double max_ulp;
};

const Unary kUnary[] = {
    {"exp", num::exp, 1.5},       {"log", num::log, 1.5},         {"sqrt", num::sqrt, 0.5},
    {"erf", num::erf, 2.0},       {"sin", num::sin, 1.5},         {"cos", num::cos, 1.5},
    {"tan", num::tan, 0.6},       {"asin", num::asin, 0.6},       {"acos", num::acos, 0.6},
    {"atan", num::atan, 0.6},     {"sinh", num::sinh, 0.6},       {"cosh", num::cosh, 0.6},
    {"tanh", num::tanh, 2.0},     {"asinh", num::asinh, 0.6},     {"acosh", num::acosh, 0.6},
    {"atanh", num::atanh, 0.6},   {"sigmoid", num::sigmoid, 3.0}, {"softplus", num::softplus, 2.5},
    {"floor", num::floor, 0.0},   {"ceil", num::ceil, 0.0},       {"round", num::round, 0.0},
    {"trunc", num::trunc, 0.0},   {"abs", num::abs, 0.0},         {"sign", num::sign, 0.0},
    {"is_nan", num::is_nan, 0.0}, {"is_inf", num::is_inf, 0.0}};

struct Binary {
  const char* name;
  double (*real)(double, double);
  std::int64_t (*whole)(std::int64_t, std::int64_t);
};

double divide(double a, double b) { return a / b; }

const Binary kBinary[] = {{"div", divide, num::div},         {"max", num::max, num::max},
                          {"min", num::min, num::min},       {"less", num::less, num::less},
                          {"equal", num::equal, num::equal}, {"mod", num::mod, num::mod},
                          {"fmod", num::fmod, num::fmod},    {"pow", num::pow, num::pow}};

std::string unary_text(const char* name) {
  return fmt::format(
      "extern \"C\" void u_{0}(const float* x, float* y, float* z, long n) {{\n"
      "  for (long i = 0; i < n; i += LM_F) lm_store(y + i, lm_{0}(lm_load<vf>(x + i, n - i)), n - "
      "i);\n"
      "  for (long i = 0; i < n; ++i) z[i] = lm_{0}(x[i]);\n}}\n"
      "extern \"C\" void d_{0}(const double* x, double* y, long n) {{\n"
      "  for (long i = 0; i < n; i += LM_D) lm_store(y + i, lm_{0}(lm_load<vd>(x + i, n - i)), n - "
      "i);\n}}\n",
      name);
}

std::string binary_text(const char* name, const char* element, const char* vector) {
  return fmt::format(
      "extern \"C\" void b_{0}_{1}(const {1}* x, const {1}* y, {1}* z, long n) {{\n"
      "  enum {{ W = LmLanes<{2}>::count }};\n"
      "  for (long i = 0; i < n; i += W)\n"
      "    lm_store(z + i, lm_{0}(lm_load<{2}>(x + i, n - i), lm_load<{2}>(y + i, n - i)), n - "
      "i);\n"
      "  for (long i = 0; i < n; ++i) {{\n"
      "    {1} scalar = lm_{0}(x[i], y[i]);\n"
      "    if (z[i] == z[i] && __builtin_memcmp(z + i, &scalar, sizeof scalar)) __builtin_trap();\n"
      "  }}\n}}\n",
      name, element, vector);
}

std::vector<float> wide_floats() {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x = {0.0f,    -0.0f,  inf,    -inf,    NAN,      1.0f,    -1.0f,    0.5f,
                          -0.5f,   1.5f,   2.5f,   -2.5f,   88.72f,   88.73f,  -87.34f,  -103.9f,
                          -104.0f, -150.f, 1e-45f, -1e-45f, 1.1e-38f, 3.4e38f, -3.4e38f, 8388609.f};
  std::mt19937 random(7);
  std::uniform_real_distribution<float> near(-12.0f, 12.0f), mid(-110.0f, 110.0f);
  for (int i = 0; i < 20000; ++i) x.push_back(near(random));
  for (int i = 0; i < 20000; ++i) x.push_back(mid(random));
  for (int i = 0; i < 20000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    x.push_back(std::bit_cast<float>(bits));
  }
  return x;
}

// How far `got` is from `want`, in units in the last place of a float at `want`.
double ulps(float got, double want) {
  if (std::isnan(want) || std::isnan(got))
    return std::isnan(want) == std::isnan(got) ? 0 : INFINITY;
  if (static_cast<double>(got) == want || got == static_cast<float>(want)) return 0;
  const int exponent = std::max(std::ilogb(want), -126);
  return std::fabs(static_cast<double>(got) - want) / std::ldexp(1.0, exponent - 23);
}

}  // namespace

TEST_CASE("the functions of one operand are within their bounds over the whole range") {
  std::string text;
  for (const Unary& f : kUnary) text += unary_text(f.name);
  const Library library(cpu::prelude({}, text) + text);
  const std::vector<float> x = wide_floats();
  const std::vector<double> wide(x.begin(), x.end());
  std::vector<float> y(x.size()), z(x.size());
  std::vector<double> d(x.size());
  const auto n = static_cast<long>(x.size());
  for (const Unary& f : kUnary) {
    library.find<void(const float*, float*, float*, long)>(std::string("u_") + f.name)(
        x.data(), y.data(), z.data(), n);
    library.find<void(const double*, double*, long)>(std::string("d_") + f.name)(wide.data(),
                                                                                 d.data(), n);
    double worst = 0.0;
    std::size_t where = 0, scalar_differs = 0, double_differs = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = f.meaning(wide[i]);
      const double error = ulps(y[i], want);
      if (error > worst) where = i;
      worst = std::max(worst, error);
      if (std::isnan(y[i]) ? !std::isnan(z[i]) : std::memcmp(&y[i], &z[i], 4) != 0)
        ++scalar_differs;
      if (std::isnan(want) ? !std::isnan(d[i]) : d[i] != want) ++double_differs;
    }
    INFO(std::string(f.name), ": ", worst, " ulp at ", x[where], ": ", y[where], " for ",
         f.meaning(wide[where]));
    CHECK(worst <= f.max_ulp);
    CHECK(scalar_differs == 0);
    CHECK(double_differs <= x.size() / 50);  // contraction may move a last bit
  }
}

TEST_CASE("the functions of two operands agree with the algebra, reals and integers") {
  std::string text;
  for (const Binary& f : kBinary) {
    text += binary_text(f.name, "float", "vf") + binary_text(f.name, "double", "vd") +
            binary_text(f.name, "long", "vl");
  }
  const Library library(cpu::prelude({}, text) + text);
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> reals = {0.0, -0.0, 1.0, -1.0, 2.0, 2.5, -3.0, 7.0, inf, -inf, NAN};
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::vector<long> wholes = {0, 1, -1, 2, 3, -3, 7, -7, 62, 1000003, least, least + 1};
  std::vector<double> x, y;
  std::vector<long> p, q;
  for (const double a : reals)
    for (const double b : reals) x.push_back(a), y.push_back(b);
  for (const long a : wholes)
    for (const long b : wholes) p.push_back(a), q.push_back(b);
  const std::vector<float> xf(x.begin(), x.end()), yf(y.begin(), y.end());
  std::vector<double> z(x.size());
  std::vector<float> zf(x.size());
  std::vector<long> r(p.size());
  for (const Binary& f : kBinary) {
    const std::string name = std::string("b_") + f.name;
    library.find<void(const float*, const float*, float*, long)>(name + "_float")(
        xf.data(), yf.data(), zf.data(), static_cast<long>(x.size()));
    library.find<void(const double*, const double*, double*, long)>(name + "_double")(
        x.data(), y.data(), z.data(), static_cast<long>(x.size()));
    library.find<void(const long*, const long*, long*, long)>(name + "_long")(
        p.data(), q.data(), r.data(), static_cast<long>(p.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = f.real(x[i], y[i]);
      INFO(std::string(f.name), "(", x[i], ", ", y[i], ") = ", want, " got ", zf[i], " and ", z[i]);
      CHECK(ulps(zf[i], want) <= 1.0);
      CHECK((std::isnan(want) ? std::isnan(z[i]) : z[i] == want));
    }
    for (std::size_t i = 0; i < p.size(); ++i) {
      INFO(std::string(f.name), "(", p[i], ", ", q[i], ")");
      CHECK(r[i] == f.whole(p[i], q[i]));
    }
  }
}

TEST_CASE("storage types round and wrap as tensors do") {
  const std::string text = R"(
extern "C" void halves(const float* x, lm_bf16* b, lm_f16* h, float* from_h, long n) {
  for (long i = 0; i < n; i += LM_F) {
    lm_store(b + i, lm_load<vf>(x + i, n - i), n - i);
    lm_store(h + i, lm_load<vf>(x + i, n - i), n - i);
    lm_store(from_h + i, lm_load<vf>(h + i, n - i), n - i);
  }
}
extern "C" void bytes(const float* x, signed char* s, int* w, lm_bool* t, long n) {
  for (long i = 0; i < n; i += LM_F) {
    lm_store(s + i, lm_load<vf>(x + i, n - i), n - i);
    lm_store(w + i, lm_load<vf>(x + i, n - i), n - i);
    lm_store(t + i, lm_load<vf>(x + i, n - i), n - i);
  }
}
extern "C" void twice(const double* x, lm_bf16* b, lm_f16* h, long n) {
  for (long i = 0; i < n; i += LM_D) {
    lm_store(b + i, lm_load<vd>(x + i, n - i), n - i);
    lm_store(h + i, lm_load<vd>(x + i, n - i), n - i);
  }
}
extern "C" float fold(const float* x) {
  return lm_sum(lm_load<vf>(x)) + 1000.0f * lm_max(lm_load<vf>(x));
}
)";
  const Library library(cpu::prelude({}, text) + text);
  std::vector<float> x = wide_floats();
  for (int i = 0; i < 4000; ++i) x.push_back(std::ldexp(1.0f + static_cast<float>(i) / 4096, -15));
  const auto n = static_cast<long>(x.size());
  std::vector<bf16> b(x.size());
  std::vector<f16> h(x.size());
  std::vector<float> back(x.size());
  library.find<void(const float*, bf16*, f16*, float*, long)>("halves")(x.data(), b.data(),
                                                                        h.data(), back.data(), n);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const f16 want(x[i]);
    if (std::isnan(x[i])) {
      wrong += !std::isnan(static_cast<float>(b[i])) + !std::isnan(back[i]);
    } else {
      wrong += !(b[i] == bf16(x[i])) + !(h[i] == want) + (back[i] != static_cast<float>(want));
    }
  }
  CHECK(wrong == 0);

  std::vector<double> wide(x.begin(), x.end());
  for (double& value : wide) value *= 1.0 + 1e-9;
  library.find<void(const double*, bf16*, f16*, long)>("twice")(wide.data(), b.data(), h.data(), n);
  wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isnan(x[i])) wrong += !(b[i] == bf16(wide[i])) + !(h[i] == f16(wide[i]));
  }
  CHECK(wrong == 0);

  const std::vector<float> y = {-1.7f, 200.9f, 3e9f, 0.0f, -0.0f, NAN, 1e30f, -300.5f, 0.25f};
  std::vector<signed char> s(y.size());
  std::vector<int> w(y.size());
  std::vector<unsigned char> t(y.size());
  library.find<void(const float*, signed char*, int*, unsigned char*, long)>("bytes")(
      y.data(), s.data(), w.data(), t.data(), static_cast<long>(y.size()));
  CHECK(w == std::vector<int>{-1, 200, -1294967296, 0, 0, 0, -1, -300, 0});
  CHECK(s == std::vector<signed char>{-1, -56, 0, 0, 0, 0, -1, -44, 0});
  CHECK(t == std::vector<unsigned char>{1, 1, 1, 0, 0, 1, 1, 1, 1});

  const std::vector<float> ramp = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  CHECK(library.find<float(const float*)>("fold")(ramp.data()) == 36.0f + 8000.0f);
}
