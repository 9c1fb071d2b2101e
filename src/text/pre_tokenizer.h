#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tinyai {

// How a byte-level BPE tokenizer cuts text into words before it merges, and what else hangs on the
// name that files give it ("tokenizer.ggml.pre").
struct PreTokenizer {
  std::string_view name;
  std::span<const std::string_view> patterns;  // for PatternSplitter
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool add_bos = false;        // unless the file says otherwise
};

// The pre-tokenizer that files call `name`; nullptr if it is not known.
const PreTokenizer* FindPreTokenizer(std::string_view name);

// The names that are known, separated by ", ".
std::string PreTokenizerNames();

}  // namespace tinyai
