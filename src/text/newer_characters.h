#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tinyai {

// Debian 12's PCRE2 knows Unicode 14; models' tokenizers, and llama.cpp, know the characters that
// 15.0 and 15.1 added. For a search they are replaced by older ones of the same kind (letter, mark,
// digit, punctuation or symbol) that take as many bytes, so that every offset stays as it is.
// Nothing if `text`, which is valid UTF-8, holds none.
std::optional<std::string> WithOlderCharacters(std::string_view text);

}  // namespace tinyai
