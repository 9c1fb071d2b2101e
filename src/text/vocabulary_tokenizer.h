#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/special_cutter.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace tinyai {

// What a model file says of its tokens, checked: every id is a token.
struct TokenizerData {
  Vocabulary vocabulary;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;
  std::vector<TokenId> ends;  // sorted: generation stops at these
  bool add_bos = false;       // then there is a bos
  bool add_eos = false;
  bool add_space_prefix = false;
  std::vector<std::string> warnings;
};

// What the kinds of tokenizers share: special tokens are cut out of the text, the rest is the
// kind's business.
class VocabularyTokenizer : public Tokenizer {
 public:
  uint64_t size() const final { return data_.vocabulary.size(); }
  Result<std::vector<TokenId>> Encode(std::string_view text,
                                      const EncodeOptions& options) const final;
  std::string Bytes(TokenId token, bool special) const final;
  std::string Decode(std::span<const TokenId> tokens, bool special) const final;
  std::string_view Piece(TokenId token) const final;
  std::optional<TokenId> bos() const final { return data_.bos; }
  std::optional<TokenId> eos() const final { return data_.eos; }
  bool IsEnd(TokenId token) const final;
  bool IsControl(TokenId token) const final;
  const std::vector<std::string>& warnings() const final { return data_.warnings; }

 protected:
  explicit VocabularyTokenizer(TokenizerData data);

  const Vocabulary& vocabulary() const { return data_.vocabulary; }
  const TokenizerData& data() const { return data_; }
  void Warn(std::string warning) { data_.warnings.push_back(std::move(warning)); }
  // Ends construction: gives back what growing vectors left over.
  void ShrinkWarnings() { data_.warnings.shrink_to_fit(); }
  uint64_t heap_bytes() const;  // of the members here

  // Appends the tokens of `text`, which holds no special token. `prefix`: it stands at the
  // beginning or behind a special token.
  virtual Status EncodeText(std::string_view text, bool prefix,
                            std::vector<TokenId>& out) const = 0;
  // The bytes of a token of the normal kind.
  virtual std::string NormalBytes(std::string_view spelling) const = 0;

 private:
  TokenizerData data_;
  SpecialCutter cutter_;
};

// The byte that a spelling such as "<0x0A>" names.
std::optional<uint8_t> ParseByteToken(std::string_view spelling);

}  // namespace tinyai
