// ONNX resizing: along each axis an output is a weighted sum of a few input elements. Places and
// weights depend on the shapes alone, so that they are constants here.
#include <algorithm>
#include <cmath>

#include "io/onnx_rules.h"

namespace lamina {
namespace {

using Items = std::vector<Item>;

// How one axis is resized.
struct Axis {
  std::int64_t from = 1;
  std::int64_t to = 1;
  double scale = 1.0;
  double roi_start = 0.0;
  double roi_end = 1.0;
};

// The attributes of Resize (Upsample has the first form only).
struct Method {
  std::string mode = "nearest";
  std::string coordinates = "asymmetric";
  std::string nearest = "floor";
  double cubic_a = -0.75;
  bool exclude_outside = false;
  double extrapolation = 0.0;
};

// Where output element x of an axis lies among the input elements.
double original(const OnnxCall& call, const Method& m, const Axis& a, double x) {
  const double from = static_cast<double>(a.from);
  const double to = static_cast<double>(a.to);
  if (m.coordinates == "asymmetric") return x / a.scale;
  if (m.coordinates == "half_pixel") return (x + 0.5) / a.scale - 0.5;
  if (m.coordinates == "pytorch_half_pixel") return a.to == 1 ? 0.0 : (x + 0.5) / a.scale - 0.5;
  if (m.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  if (m.coordinates == "align_corners") return a.to == 1 ? 0.0 : x * (from - 1) / (to - 1);
  if (m.coordinates == "half_pixel_symmetric") {
    const double offset = from / 2 * (1 - to / (a.scale * from));
    return offset + (x + 0.5) / a.scale - 0.5;
  }
  if (m.coordinates == "tf_crop_and_resize") {
    const double start = a.roi_start * (from - 1);
    const double span = (a.roi_end - a.roi_start) * (from - 1);
    return a.to == 1 ? start + span / 2 : start + x * span / (to - 1);
  }
  call.refuse("coordinate_transformation_mode {}", m.coordinates);
}

// Keys' cubic kernel at the four neighbours (R. Keys, IEEE ASSP 1981), r behind the second.
std::vector<double> cubic_weights(double r, double a) {
  const auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  const auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  return {far(r + 1), near(r), near(1 - r), far(2 - r)};
}

std::int64_t nearest_place(const OnnxCall& call, const std::string& mode, double x) {
  if (mode == "floor") return static_cast<std::int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<std::int64_t>(std::ceil(x));
  if (mode == "round_prefer_floor") return static_cast<std::int64_t>(std::ceil(x - 0.5));
  if (mode == "round_prefer_ceil") return static_cast<std::int64_t>(std::floor(x + 0.5));
  call.refuse("nearest_mode {}", mode);
}

// Taps of one output element: where it reads and with which weight.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;
};

Taps taps(const OnnxCall& call, const Method& m, const Axis& axis, double x) {
  require(std::abs(x) < 1e9, "an element is taken from position {}", x);
  if (m.mode == "nearest") return {nearest_place(call, m.nearest, x), {1.0}};
  const double floor = std::floor(x);
  const auto left = static_cast<std::int64_t>(floor);
  Taps t = m.mode == "linear" ? Taps{left, {1 - (x - floor), x - floor}}
                              : Taps{left - 1, cubic_weights(x - floor, m.cubic_a)};
  if (!m.exclude_outside) return t;
  double sum = 0.0;
  for (std::size_t k = 0; k < t.weights.size(); ++k) {
    const std::int64_t place = t.first + static_cast<std::int64_t>(k);
    if (place < 0 || place >= axis.from) t.weights[k] = 0.0;
    sum += t.weights[k];
  }
  for (double& w : t.weights) w /= sum;
  return t;
}

// A constant along `axis` that broadcasts over the others.
Item along(const OnnxCall& call, const Item& x, int axis, DType dtype,
           const std::vector<double>& values) {
  Dims shape(x.rank(), 1);
  shape[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(values.size());
  const Shape flat{static_cast<std::int64_t>(values.size())};
  return call.b.reshape(constant_item(Tensor::from_doubles(dtype, flat, values)), shape);
}

constexpr std::int64_t kMaxLength = 1 << 20;  // places and weights are stored

Item resize_axis(const OnnxCall& call, const Method& m, const Axis& a, const Item& x, int axis) {
  if (a.to > kMaxLength) call.refuse("an axis of {} elements", a.to);
  require(a.to >= 0 && a.from >= 1, "from {} to {} elements", a.from, a.to);
  std::vector<Taps> all;
  std::vector<double> outside(static_cast<std::size_t>(a.to), 0.0);
  for (std::int64_t i = 0; i < a.to; ++i) {
    const double place = original(call, m, a, static_cast<double>(i));
    all.push_back(taps(call, m, a, place));
    const bool out = place < 0 || place > static_cast<double>(a.from - 1);
    outside[static_cast<std::size_t>(i)] = out ? 1.0 : 0.0;
  }
  Item sum;
  const std::size_t count = all.empty() ? 1 : all[0].weights.size();
  for (std::size_t k = 0; k < count; ++k) {
    std::vector<std::int64_t> places;
    std::vector<double> weights;
    for (const Taps& t : all) {
      const std::int64_t place = t.first + static_cast<std::int64_t>(k);
      places.push_back(std::clamp<std::int64_t>(place, 0, a.from - 1));
      weights.push_back(t.weights[k]);
    }
    const Item index = constant_item(Tensor::from_integers(DType::kI64, {a.to}, places));
    Item part = call.b.add("gather", {x, index}, {{"axis", std::int64_t{axis}}});
    if (count > 1) part = call.b.add("mul", {part, along(call, x, axis, x.dtype, weights)});
    sum = k == 0 ? part : call.b.add("add", {sum, part});
  }
  if (m.coordinates != "tf_crop_and_resize") return sum;
  return call.b.select(along(call, x, axis, DType::kBool, outside),
                       OnnxBuilder::scalar(m.extrapolation, x.dtype), sum);
}

Items resize_axes(const OnnxCall& call, const Method& m, const std::vector<Axis>& axes,
                  const std::vector<int>& places) {
  require(m.mode == "nearest" || m.mode == "linear" || m.mode == "cubic", "mode '{}'", m.mode);
  Item x = call.in(0);
  if (m.mode != "nearest") {
    require(traits(x.dtype).is_float, "mode {} of {}", m.mode, traits(x.dtype).name);
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const bool whole = m.coordinates != "tf_crop_and_resize" && axes[i].scale == 1.0;
    if (!whole) x = resize_axis(call, m, axes[i], x, places[i]);
  }
  return {x};
}

std::vector<int> resized_axes(const OnnxCall& call, std::size_t rank) {
  std::vector<int> places;
  for (const std::int64_t axis : call.integers("axes")) places.push_back(call.axis(axis, rank));
  if (call.has_attr("axes")) return places;
  for (std::size_t i = 0; i < rank; ++i) places.push_back(static_cast<int>(i));
  return places;
}

// An axis of a size that is not known can only stay as it is.
Axis axis_of_scale(const OnnxCall& call, const Dim& extent, double scale) {
  Axis axis;
  axis.scale = scale;
  require(scale > 0.0 && std::isfinite(scale), "a scale of {}", scale);
  if (scale == 1.0 && !extent.is_constant()) return axis;
  if (!extent.is_constant()) call.refuse("the size {}: give it a value", extent.to_string());
  axis.from = *extent.constant();
  const double to = std::floor(static_cast<double>(axis.from) * scale);
  axis.to = to < 1e15 ? static_cast<std::int64_t>(to) : INT64_MAX;
  return axis;
}

std::vector<Axis> axes_of_scales(const OnnxCall& call, const std::vector<double>& scales,
                                 const std::vector<int>& places) {
  require(scales.size() == places.size(), "{} scales for {} axes", scales.size(), places.size());
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Dim& extent = call.in(0).shape[static_cast<std::size_t>(places[i])];
    axes.push_back(axis_of_scale(call, extent, scales[i]));
  }
  return axes;
}

std::vector<Axis> axes_of_sizes(const OnnxCall& call, const Dims& sizes,
                                const std::vector<int>& places) {
  require(sizes.size() == places.size(), "{} sizes for {} axes", sizes.size(), places.size());
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Dim& extent = call.in(0).shape[static_cast<std::size_t>(places[i])];
    Axis axis;
    if (sizes[i] != extent) {
      if (!sizes[i].is_constant() || !extent.is_constant()) {
        call.refuse("from the size {} to {}: give them values", extent.to_string(),
                    sizes[i].to_string());
      }
      axis.from = *extent.constant();
      axis.to = *sizes[i].constant();
      axis.scale = static_cast<double>(axis.to) / static_cast<double>(axis.from);
    } else if (extent.is_constant()) {
      axis.from = axis.to = *extent.constant();
    }
    axes.push_back(axis);
  }
  return axes;
}

void read_roi(const OnnxCall& call, std::vector<Axis>& axes) {
  const std::vector<double> roi = call.known(1, "roi").to_doubles();
  require(roi.size() == 2 * axes.size(), "{} numbers of roi for {} axes", roi.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    axes[i].roi_start = roi[i];
    axes[i].roi_end = roi[axes.size() + i];
  }
}

// A list that is there but has no elements counts as left out.
bool given(const OnnxCall& call, std::size_t i) {
  return call.has(i) && call.in(i).shape != Dims{0};
}

Items resize(const OnnxCall& call) {
  Method m;
  m.mode = call.text("mode", "nearest");
  const std::vector<int> places = resized_axes(call, call.in(0).rank());
  if (call.opset() < 11) {
    return resize_axes(call, m, axes_of_scales(call, call.known(1, "scales").to_doubles(), places),
                       places);
  }
  m.coordinates = call.text("coordinate_transformation_mode", "half_pixel");
  m.nearest = call.text("nearest_mode", "round_prefer_floor");
  m.cubic_a = call.real("cubic_coeff_a", -0.75);
  m.exclude_outside = call.integer("exclude_outside", 0) != 0;
  m.extrapolation = call.real("extrapolation_value", 0.0);
  if (call.integer("antialias", 0) != 0) call.refuse("antialias");
  const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch") call.refuse("keep_aspect_ratio_policy {}", policy);
  require(given(call, 2) != given(call, 3), "expected either scales or sizes");
  std::vector<Axis> axes = given(call, 2)
                               ? axes_of_scales(call, call.known(2, "scales").to_doubles(), places)
                               : axes_of_sizes(call, call.sizes(3, "sizes"), places);
  if (m.coordinates == "tf_crop_and_resize") read_roi(call, axes);
  return resize_axes(call, m, axes, places);
}

Items upsample(const OnnxCall& call) {
  Method m;
  m.mode = call.text("mode", "nearest");
  const std::vector<int> places = resized_axes(call, call.in(0).rank());
  const std::vector<double> scales =
      call.opset() < 9 ? call.reals("scales") : call.known(1, "scales").to_doubles();
  return resize_axes(call, m, axes_of_scales(call, scales, places), places);
}

}  // namespace

std::span<const OnnxRule> onnx_resize_rules() {
  static const OnnxRule rules[] = {{"Resize", resize, 10}, {"Upsample", upsample, 7}};
  return rules;
}

}  // namespace lamina
