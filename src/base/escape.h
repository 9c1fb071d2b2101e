#pragma once

#include <string>
#include <string_view>

namespace tinyai {

// Makes text from a file safe to print: control bytes (with newline, tab, ESC, DEL) and bytes that
// are not valid UTF-8 become \xNN. The result is valid UTF-8.
std::string EscapeControl(std::string_view text);

// Length in bytes of the valid UTF-8 sequence that `text` starts with; 0 if it starts with none.
size_t Utf8SequenceLength(std::string_view text);

// Whether all of `text` is valid UTF-8 (no overlong forms, surrogates or values past U+10FFFF).
bool IsUtf8(std::string_view text);

// `text` with every invalid byte replaced by U+FFFD.
std::string ToValidUtf8(std::string_view text);

}  // namespace tinyai
