#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tinyai {

// Appends `code_point`, at most U+10FFFF, as UTF-8.
void AppendUtf8(uint32_t code_point, std::string& out);

// The code point of one sequence that Utf8SequenceLength found valid; `sequence` is all of it.
uint32_t DecodeUtf8(std::string_view sequence);

// Whether `text` is the beginning of some valid UTF-8 sequence but not yet all of it.
bool IsUnfinishedUtf8(std::string_view text);

// The size of the character that `text`, which is not empty, begins with; a byte that begins none
// is one.
size_t NextCharacterSize(std::string_view text);

// `text` with `to` wherever it has `from`.
std::string Replaced(std::string_view text, std::string_view from, std::string_view to);

// `text` as byte-level BPE sees it: valid UTF-8. As in llama.cpp a byte that begins no sequence
// becomes U+FFFD, and an overlong form becomes its code point. Surrogates, and values past
// U+10FFFF, become U+FFFD too.
std::string ToBpeText(std::string_view text);

}  // namespace tinyai
