#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tinyai {

// The name by which our builders know a tensor of a Hugging Face model; nothing if they do not.
std::optional<std::string> NameFromHf(std::string_view name, uint64_t layers);

// Buffers that some files hold though they follow from the config.
bool IsUselessInHf(std::string_view name);

}  // namespace tinyai
