// The head that all JSON files of the planner share.
#include "pipeline/json_fields.h"

namespace lamina::pipeline {

Json parse_versioned(std::string_view text, std::string_view source, std::string_view kind) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Error& error) {
    fail(ErrorCode::kInvalidArgument, "{}: expected a {}: {}", source, kind, error.what());
  }
  const JsonFields fields(json, std::string(source));
  const std::string found = fields.text("kind");
  require(found == kind, "{}: expected kind \"{}\", got \"{}\"", source, kind, found);
  constexpr int kVersion = 1;
  const int version = fields.integer("version");
  if (version != kVersion) {
    fail(ErrorCode::kUnsupported, "{}: version {}, known is {}", source, version, kVersion);
  }
  return json;
}

}  // namespace lamina::pipeline
