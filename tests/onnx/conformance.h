// ONNX's own test data (Debian package libonnx-testdata): every model that Lamina takes must give
// the outputs that are stored with it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lamina/device.h"

namespace lamina {

// What came of the models of one folder.
struct FolderResult {
  std::string folder;
  int models = 0;
  std::vector<std::string> passed;
  std::map<std::string, std::vector<std::string>> refused;  // models by reason
  std::map<std::string, std::string> near;   // beyond our tolerance, within that of ONNX's tests
  std::map<std::string, std::string> wrong;  // beyond both
  std::map<std::string, std::string> set_aside;  // their stored data is at fault
  std::int64_t fallbacks = 0;  // nodes of passed models that ran on the interpreter
};

// The folder of the test data, "" when it is not installed.
std::string onnx_test_data();
// Runs the models whose names contain `only`.
FolderResult run_folder(const std::string& folder, const Device& device, const std::string& only);
// A table row for each folder, and the refusals by reason.
std::string to_markdown(const std::vector<FolderResult>& results, const std::string& device);

}  // namespace lamina
