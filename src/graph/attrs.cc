// Typed access to attributes.
#include "base/check.h"
#include "lamina/graph.h"

namespace lamina {
namespace {

constexpr const char* kKindNames[] = {"flag", "integer", "real", "text", "dtype", "dims", "reals"};

template <class T>
const T& get(const Attrs& attrs, std::string_view name, const char* wanted) {
  const Attr& attr = attrs.at(name);
  const T* value = std::get_if<T>(&attr);
  require(value != nullptr, "attribute '{}': expected a {}, got a {}", name, wanted,
          kKindNames[attr.index()]);
  return *value;
}

}  // namespace

void Attrs::erase(std::string_view name) {
  const auto found = values_.find(name);
  if (found != values_.end()) values_.erase(found);
}

const Attr& Attrs::at(std::string_view name) const {
  const auto found = values_.find(name);
  require(found != values_.end(), "attribute '{}' is missing", name);
  return found->second;
}

bool Attrs::flag(std::string_view name) const { return get<bool>(*this, name, "flag"); }

std::int64_t Attrs::integer(std::string_view name) const {
  const Attr& attr = at(name);
  if (const auto* list = std::get_if<Dims>(&attr)) {
    require(list->size() == 1 && list->front().is_constant(),
            "attribute '{}': expected one integer, got {}", name, lamina::to_string(*list));
    return list->front().constant_part();
  }
  return get<std::int64_t>(*this, name, "integer");
}

double Attrs::real(std::string_view name) const {
  if (const auto* whole = std::get_if<std::int64_t>(&at(name))) return static_cast<double>(*whole);
  return get<double>(*this, name, "real");
}

const std::string& Attrs::text(std::string_view name) const {
  return get<std::string>(*this, name, "text");
}

DType Attrs::dtype(std::string_view name) const { return get<DType>(*this, name, "dtype"); }

const Dims& Attrs::dims(std::string_view name) const { return get<Dims>(*this, name, "dims"); }

std::vector<std::int64_t> Attrs::integers(std::string_view name) const {
  const auto values = constant_shape(dims(name));
  require(values.has_value(), "attribute '{}': expected integers, got {}", name,
          lamina::to_string(dims(name)));
  return *values;
}

const std::vector<double>& Attrs::reals(std::string_view name) const {
  return get<std::vector<double>>(*this, name, "list of reals");
}

}  // namespace lamina
