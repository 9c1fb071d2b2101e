#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tinyai {

// The text of a small file such as those in /proc; nothing if it cannot be read. Never waits.
std::optional<std::string> ReadTextFile(const std::string& path, size_t most_bytes = 4 << 20);

// The parts of `text` between separators, empty ones left out; they borrow it.
std::vector<std::string_view> Split(std::string_view text, char separator);

// The number that `text` starts with after blanks; nothing if there is none.
std::optional<uint64_t> LeadingNumber(std::string_view text);

// The number after `key` at the start of a line: NumberAfter("Threads:\t3\n", "Threads:") is 3.
std::optional<uint64_t> NumberAfter(std::string_view text, std::string_view key);

}  // namespace tinyai
