// Files that a command will write when it is done.
#pragma once

#include <initializer_list>
#include <string>

namespace lamina::cli {

// Throws kIo where it is known beforehand that a file cannot be written: its folder is absent or
// closed, or it is a folder itself. Long work then is not lost for it. "" is no file.
void check_writable(std::initializer_list<std::string> paths);

}  // namespace lamina::cli
