#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

using TokenId = int32_t;

// What a vocabulary says of a token; a token may have several traits.
enum TokenTrait : uint8_t {
  kTokenUnknown = 1,
  kTokenUnused = 2,
  kTokenNormal = 4,
  kTokenControl = 8,
  kTokenUserDefined = 16,
  kTokenByte = 32,
  kTokenStripLeft = 64,    // takes the white space before it when it is cut out of text
  kTokenStripRight = 128,  // the same behind it
};

// The tokens of a model in compact form: one pool of bytes, offsets into it, and a hash table from
// spelling to id. Some 20 bytes per token beside its spelling, and no allocation per token.
class Vocabulary {
 public:
  // The most tokens and the most bytes of spelling that a vocabulary can have.
  static constexpr uint64_t kMaxTokens = (uint64_t{1} << 24) - 1;
  static constexpr uint64_t kMaxPoolBytes = (uint64_t{1} << 32) - 1;

  // Makes room for exactly `tokens` with `pool_bytes` of spelling in all. Error MODEL_VOCAB if
  // that is more than a vocabulary can have. `with_scores`: tokens carry scores.
  Status Reserve(uint64_t tokens, uint64_t pool_bytes, bool with_scores);
  // Adds the next token. Of tokens spelled alike Find knows the first; an empty one it never finds.
  // Error MODEL_VOCAB if the room reserved is used up or the spellings are chosen to collide.
  Status Add(std::string_view spelling, uint8_t traits, float score);

  size_t size() const { return traits_.size(); }
  bool Has(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < size(); }
  // `id` below is a token of this vocabulary.
  std::string_view Spelling(TokenId id) const {
    return {pool_.data() + ends_[id], ends_[id + 1] - ends_[id]};
  }
  uint8_t traits(TokenId id) const { return traits_[id]; }
  bool Is(TokenId id, uint8_t any_of) const { return (traits_[id] & any_of) != 0; }
  float score(TokenId id) const { return scores_.empty() ? 0.0f : scores_[id]; }
  void SetTraits(TokenId id, uint8_t traits) { traits_[id] = traits; }

  std::optional<TokenId> Find(std::string_view spelling) const;
  size_t longest() const { return longest_; }        // bytes of the longest spelling
  size_t duplicates() const { return duplicates_; }  // tokens that Find does not know
  size_t empty_tokens() const { return empty_; }
  uint64_t memory_bytes() const;  // on the heap

 private:
  size_t FindSlot(std::string_view spelling, uint64_t hash, size_t& probes) const;

  std::vector<char> pool_;
  std::vector<uint32_t> ends_;  // spelling i is pool_[ends_[i], ends_[i + 1])
  std::vector<uint8_t> traits_;
  std::vector<float> scores_;
  std::vector<uint32_t> slots_;  // as in text/hash.h
  size_t longest_ = 0;
  size_t duplicates_ = 0;
  size_t empty_ = 0;
};

}  // namespace tinyai
