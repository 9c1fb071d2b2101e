#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/model_file.h"
#include "text/vocabulary.h"

namespace tinyai {

struct EncodeOptions {
  bool add_special = true;     // begin/end tokens as the model file asks for
  bool parse_special = false;  // text such as <|im_end|> becomes the control token
};

// Text to tokens and back, as the model file says. Immutable, thread-safe.
class Tokenizer {
 public:
  // Text for one Encode is at most this long: offsets into it take 32 bits.
  static constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

  // Errors MODEL_VOCAB, MODEL_MERGES, MODEL_SPECIAL_TOKEN, TOKENIZER, GGUF_ARRAY_TYPE; a kind or
  // pre-tokenizer that is not known: TOKENIZER_UNSUPPORTED (exit 6). `vocab_size` is the number of
  // rows of the model's embedding. Keeps nothing of `metadata`.
  static Result<std::unique_ptr<Tokenizer>> FromMetadata(const Metadata& metadata,
                                                         uint64_t vocab_size);
  virtual ~Tokenizer() = default;

  virtual std::string_view kind() const = 0;  // "llama" (SentencePiece-style), "gpt2" (BPE)
  virtual uint64_t size() const = 0;          // tokens
  virtual uint64_t memory_bytes() const = 0;  // held by this object, all of it
  // Error TOKENIZER_REGEX if a pattern runs into its match limit, TOKENIZER if the text is too
  // long. Linear in the text, up to a logarithm in its longest word.
  virtual Result<std::vector<TokenId>> Encode(std::string_view text,
                                              const EncodeOptions& options) const = 0;
  // The bytes the token stands for in running text; empty for control tokens unless `special`, and
  // for ids that are no token.
  virtual std::string Bytes(TokenId token, bool special = false) const = 0;
  // The text of all the tokens. Where Encode puts a space before the text, the first one is taken
  // off again.
  virtual std::string Decode(std::span<const TokenId> tokens, bool special = false) const = 0;
  virtual std::string_view Piece(TokenId token) const = 0;  // as spelled in the vocabulary
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual bool IsEnd(TokenId token) const = 0;  // eos, eot, eom: generation stops here
  virtual bool IsControl(TokenId token) const = 0;
  virtual const std::vector<std::string>& warnings() const = 0;
};

// Bytes of successive tokens to text that is valid UTF-8 at every step: the bytes of a character
// that is not complete yet are held back. All that it gives, joined, is ToValidUtf8 of all the
// bytes.
class TextStream {
 public:
  std::string Push(std::string_view bytes);
  std::string Finish();  // what is left, invalid bytes as U+FFFD

 private:
  std::string pending_;
};

}  // namespace tinyai
