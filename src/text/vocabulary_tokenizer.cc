#include "text/vocabulary_tokenizer.h"

#include <algorithm>
#include <charconv>

#include "fmt/format.h"

namespace tinyai {

VocabularyTokenizer::VocabularyTokenizer(TokenizerData data)
    : data_(std::move(data)), cutter_(data_.vocabulary) {
  if (cutter_.skipped() > 0) {
    Warn(fmt::format("{} special tokens of more than {} bytes are not looked for in text",
                     cutter_.skipped(), SpecialCutter::kMaxSpelling));
  }
}

Result<std::vector<TokenId>> VocabularyTokenizer::Encode(std::string_view text,
                                                         const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    return Fail(ErrorCode::kUsage, "TOKENIZER",
                fmt::format("the text has {} bytes; at most {} can be taken at once", text.size(),
                            kMaxTextBytes));
  }
  std::vector<TokenId> tokens;
  if (options.add_special && data_.add_bos) tokens.push_back(*data_.bos);
  bool prefix = true;
  for (const Fragment& fragment : cutter_.Cut(vocabulary(), text, options.parse_special)) {
    if (fragment.token >= 0) {
      tokens.push_back(fragment.token);
    } else {
      TRY(EncodeText(fragment.text, prefix, tokens));
    }
    prefix = fragment.token >= 0;
  }
  if (options.add_special && data_.add_eos) tokens.push_back(*data_.eos);
  return tokens;
}

std::string VocabularyTokenizer::Bytes(TokenId token, bool special) const {
  if (!vocabulary().Has(token)) return {};
  const std::string_view spelling = vocabulary().Spelling(token);
  const uint8_t traits = vocabulary().traits(token);
  if ((traits & (kTokenControl | kTokenUnknown)) != 0) {
    return special ? std::string(spelling) : std::string();
  }
  if ((traits & kTokenUserDefined) != 0) return std::string(spelling);
  if ((traits & kTokenNormal) != 0) return NormalBytes(spelling);
  if ((traits & kTokenByte) != 0) {
    return std::string(1, static_cast<char>(ParseByteToken(spelling).value_or(0)));
  }
  return {};  // unused
}

std::string VocabularyTokenizer::Decode(std::span<const TokenId> tokens, bool special) const {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string bytes = Bytes(tokens[i], special);
    const bool drop_space = i == 0 && data_.add_space_prefix && bytes.starts_with(' ');
    text += drop_space ? std::string_view(bytes).substr(1) : std::string_view(bytes);
  }
  return text;
}

std::string_view VocabularyTokenizer::Piece(TokenId token) const {
  return vocabulary().Has(token) ? vocabulary().Spelling(token) : std::string_view();
}

bool VocabularyTokenizer::IsEnd(TokenId token) const {
  return std::binary_search(data_.ends.begin(), data_.ends.end(), token);
}

bool VocabularyTokenizer::IsControl(TokenId token) const {
  return vocabulary().Has(token) && vocabulary().Is(token, kTokenControl);
}

uint64_t VocabularyTokenizer::heap_bytes() const {
  uint64_t bytes = data_.vocabulary.memory_bytes() + cutter_.memory_bytes() +
                   data_.ends.capacity() * sizeof(TokenId) +
                   data_.warnings.capacity() * sizeof(std::string);
  for (const std::string& warning : data_.warnings) {
    if (warning.capacity() > std::string().capacity()) bytes += warning.capacity() + 1;
  }
  return bytes;
}

std::optional<uint8_t> ParseByteToken(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') {
    return std::nullopt;
  }
  uint8_t byte = 0;
  const char* const digits = spelling.data() + 3;
  const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
  if (error != std::errc() || end != digits + 2) return std::nullopt;
  return byte;
}

}  // namespace tinyai
