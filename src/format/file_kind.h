#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tinyai {

// What a file that is no GGUF looks like, from its first bytes: "a ZIP archive (PyTorch
// checkpoints are ZIP files); convert it first". For messages; never empty.
std::string DescribeFileStart(std::span<const std::byte> start);

}  // namespace tinyai
