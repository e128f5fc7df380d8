// Optimisers against updates written out in double, rates and norms against closed forms.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "lamina/error.h"
#include "lamina/train.h"

using namespace lamina;
using namespace lamina::train;

namespace {

constexpr std::int64_t kLong = 200'000;  // elements: more than one piece

Tensor f32(Shape shape, const std::vector<double>& values) {
  return Tensor::from_doubles(DType::kF32, std::move(shape), values);
}

// Element i of the gradient of step s.
double gradient_at(std::size_t i, int s) {
  return std::sin(0.7 * static_cast<double>(i) + s) * 0.3;
}

// The rules of torch.optim (SGD, AdamW) for one element.
class Element {
 public:
  Element(const OptimizerOptions& options, double value) : options_(options), p_(value) {}

  double step(double g, double rate) {
    ++steps_;
    if (options_.optimizer == "adamw") {
      p_ *= 1.0 - rate * options_.weight_decay;
      m_ = options_.beta1 * m_ + (1.0 - options_.beta1) * g;
      v_ = options_.beta2 * v_ + (1.0 - options_.beta2) * g * g;
      const double m = m_ / (1.0 - std::pow(options_.beta1, steps_));
      const double v = v_ / (1.0 - std::pow(options_.beta2, steps_));
      return p_ -= rate * m / (std::sqrt(v) + options_.epsilon);
    }
    g += options_.weight_decay * p_;
    if (options_.optimizer == "momentum") {
      m_ = options_.momentum * m_ + g;
      g = options_.nesterov ? g + options_.momentum * m_ : m_;
    }
    return p_ -= rate * g;
  }

 private:
  const OptimizerOptions& options_;
  double p_;
  double m_ = 0.0;
  double v_ = 0.0;
  int steps_ = 0;
};

std::vector<OptimizerOptions> rules() {
  return {{.optimizer = "sgd"},
          {.optimizer = "sgd", .weight_decay = 0.1, .decay_vectors = true},
          {.optimizer = "momentum", .momentum = 0.8},
          {.optimizer = "momentum", .nesterov = true, .weight_decay = 0.05, .decay_vectors = true},
          {.optimizer = "adamw"},
          {.optimizer = "adamw",
           .beta1 = 0.7,
           .beta2 = 0.95,
           .epsilon = 1e-3,
           .weight_decay = 0.2,
           .decay_vectors = true}};
}

}  // namespace

TEST_CASE("updates are those of PyTorch's formulas, through pieces of any length") {
  for (const OptimizerOptions& options : rules()) {
    CAPTURE(options.optimizer);
    std::vector<double> first(kLong);
    for (std::size_t i = 0; i < first.size(); ++i)
      first[i] = std::cos(0.1 * static_cast<double>(i));
    Tensor parameter = f32({kLong}, first);
    Optimizer optimizer(options, {{"p", parameter}}, {.threads = 2});
    const std::vector<std::size_t> looked_at = {0, 1, 32767, 32768, 199999};
    std::vector<Element> elements;
    for (const std::size_t i : looked_at) elements.emplace_back(options, parameter.to_doubles()[i]);
    for (int s = 0; s < 5; ++s) {
      std::vector<double> g(kLong);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] = 4.0 * gradient_at(i, s);
      optimizer.step({{"p", f32({kLong}, g)}, {"of another", f32({1}, {1.0})}}, 0.01, 0.25);
      const std::vector<double> got = parameter.to_doubles();
      for (std::size_t k = 0; k < looked_at.size(); ++k) {
        const double want = elements[k].step(gradient_at(looked_at[k], s), 0.01);
        CHECK(got[looked_at[k]] == doctest::Approx(want).epsilon(2e-6));
      }
    }
  }
}

TEST_CASE("vectors do not decay unless asked") {
  Tensor vector = f32({2}, {1.0, -1.0}), matrix = f32({1, 2}, {1.0, -1.0});
  Optimizer optimizer({.optimizer = "adamw", .weight_decay = 0.5},
                      {{"vector", vector}, {"matrix", matrix}});
  optimizer.step({{"vector", f32({2}, {0, 0})}, {"matrix", f32({1, 2}, {0, 0})}}, 0.1);
  CHECK(vector.to_doubles() == std::vector<double>{1.0, -1.0});
  CHECK(matrix.to_doubles()[0] == doctest::Approx(0.95));
}

TEST_CASE("parameters in bf16 follow masters in f32, which small steps do not get lost in") {
  Tensor parameter = Tensor::from_doubles(DType::kBF16, {3}, std::vector<double>{1.0, 2.0, -3.0});
  Optimizer optimizer({.optimizer = "sgd"}, {{"p", parameter}});
  // Half a unit in the last place of bf16 at 1 is 2^-9; each step is far below it.
  for (int s = 0; s < 100; ++s) {
    optimizer.step({{"p", Tensor::from_doubles(DType::kBF16, {3}, std::vector<double>{1, 1, 1})}},
                   1e-4);
  }
  const NamedTensors state = optimizer.state();
  const std::vector<double> master = state.at("p/master").to_doubles();
  CHECK(master[0] == doctest::Approx(0.99).epsilon(1e-5));
  CHECK(parameter.to_doubles()[0] ==
        Tensor(state.at("p/master")).cast(DType::kBF16).to_doubles()[0]);
  CHECK(parameter.to_doubles()[0] < 1.0);
}

TEST_CASE("an optimiser that takes over a state goes on as the other would have") {
  const auto step = [](Optimizer& optimizer, int s) {
    optimizer.step({{"p", f32({3}, {gradient_at(0, s), gradient_at(1, s), gradient_at(2, s)})}},
                   0.1);
  };
  for (const OptimizerOptions& options : rules()) {
    Tensor a = f32({3}, {1, 2, 3}), b = f32({3}, {0, 0, 0});
    Optimizer first(options, {{"p", a}});
    for (int s = 0; s < 3; ++s) step(first, s);
    Optimizer second(options, {{"p", b}});
    NamedTensors state = first.state();
    state["of another/steps"] = state.at("p/steps");
    second.load_state(state);
    std::copy(a.span<float>().begin(), a.span<float>().end(), b.span<float>().begin());
    step(first, 3);
    step(second, 3);
    CHECK(a.to_doubles() == b.to_doubles());
  }
}

TEST_CASE("what does not fit an optimiser is named") {
  Tensor p = f32({2}, {1, 2});
  CHECK_THROWS_WITH_AS(Optimizer({.optimizer = "lion"}, {{"p", p}}), doctest::Contains("lion"),
                       Error);
  CHECK_THROWS_WITH_AS(Optimizer({.beta2 = 1.0}, {{"p", p}}), doctest::Contains("beta2"), Error);
  CHECK_THROWS_WITH_AS(Optimizer({}, {{"p", Tensor(DType::kI64, {2})}}), doctest::Contains("i64"),
                       Error);
  Optimizer optimizer({}, {{"p", p}});
  CHECK_THROWS_WITH_AS(optimizer.step({}, 0.1), doctest::Contains("no gradient of 'p'"), Error);
  CHECK_THROWS_WITH_AS(optimizer.step({{"p", f32({3}, {1, 2, 3})}}, 0.1), doctest::Contains("[3]"),
                       Error);
  CHECK_THROWS_WITH_AS(optimizer.load_state({}), doctest::Contains("p/steps"), Error);
  NamedTensors state = optimizer.state();
  state["p/mean"] = f32({5}, {0, 0, 0, 0, 0});
  CHECK_THROWS_WITH_AS(optimizer.load_state(state), doctest::Contains("p/mean"), Error);
}

TEST_CASE("norms are exact sums of squares, and the factor brings them to the limit") {
  const NamedTensors gradients = {
      {"a", f32({2}, {3, 0})},
      {"b", f32({35}, std::vector<double>(35, 2.0))},
      {"c", Tensor::from_doubles(DType::kBF16, {1}, std::vector<double>{4})}};
  CHECK(squared_norm(gradients) == 9.0 + 140.0 + 16.0);
  CHECK(clip_factor(25.0, 0.0) == 1.0);
  CHECK(clip_factor(25.0, 5.0) == 1.0);
  CHECK(clip_factor(25.0, 1.0) == doctest::Approx(0.2));
}

TEST_CASE("learning rates follow their schedules") {
  LearningRateOptions options{.learning_rate = 0.4, .warmup_steps = 4};
  for (const char* schedule : {"constant", "cosine", "linear", "step"}) {
    options.schedule = schedule;
    for (int s = 0; s < 4; ++s)
      CHECK(learning_rate(options, s, 104) == doctest::Approx(0.1 * (s + 1)));
    CHECK(learning_rate(options, 4, 104) == doctest::Approx(0.4));
  }
  options.final_fraction = 0.1;
  options.schedule = "linear";
  CHECK(learning_rate(options, 103, 104) == doctest::Approx(0.04));
  CHECK(learning_rate(options, 37, 104) == doctest::Approx(0.4 * (1.0 - 0.9 * 33.0 / 99.0)));
  options.schedule = "cosine";
  CHECK(learning_rate(options, 103, 104) == doctest::Approx(0.04));
  CHECK(learning_rate(options, 37, 104) ==
        doctest::Approx(0.04 + 0.36 * 0.5 * (1.0 + std::cos(std::numbers::pi / 3.0))));
  options.schedule = "step";
  options.decay_every = 10;
  options.decay_factor = 0.5;
  CHECK(learning_rate(options, 13, 104) == doctest::Approx(0.4));
  CHECK(learning_rate(options, 14, 104) == doctest::Approx(0.2));
  CHECK(learning_rate(options, 35, 104) == doctest::Approx(0.05));
  options.schedule = "sine";
  CHECK_THROWS_WITH_AS(learning_rate(options, 0, 104), doctest::Contains("sine"), Error);
}
