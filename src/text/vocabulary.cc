#include "text/vocabulary.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "text/hash.h"

namespace tinyai {
namespace {

tl::unexpected<Error> BadVocabulary(std::string message) {
  return Fail(ErrorCode::kBadFile, "MODEL_VOCAB", std::move(message));
}

}  // namespace

Status Vocabulary::Reserve(uint64_t tokens, uint64_t pool_bytes, bool with_scores) {
  if (tokens > kMaxTokens || pool_bytes > kMaxPoolBytes) {
    return BadVocabulary(fmt::format("{} tokens of {} bytes; at most {} and {} can be held", tokens,
                                     pool_bytes, kMaxTokens, kMaxPoolBytes));
  }
  pool_.reserve(pool_bytes);
  ends_.reserve(tokens + 1);
  ends_.assign(1, 0);
  traits_.reserve(tokens);
  if (with_scores) scores_.reserve(tokens);
  slots_.assign(SlotsFor(tokens), 0);
  return {};
}

Status Vocabulary::Add(std::string_view spelling, uint8_t traits, float score) {
  if (traits_.size() == traits_.capacity() || spelling.size() > pool_.capacity() - pool_.size()) {
    return BadVocabulary(fmt::format("token {} is more than there is room for", size()));
  }
  const size_t id = size();
  pool_.insert(pool_.end(), spelling.begin(), spelling.end());
  ends_.push_back(static_cast<uint32_t>(pool_.size()));
  traits_.push_back(traits);
  if (scores_.capacity() > 0) scores_.push_back(score);
  longest_ = std::max(longest_, spelling.size());
  if (spelling.empty()) {
    ++empty_;
    return {};
  }
  size_t probes = 0;
  const uint64_t hash = HashBytes(spelling);
  const size_t slot = FindSlot(spelling, hash, probes);
  if (probes > kMaxProbes) {
    return BadVocabulary(fmt::format("token {}: its spelling collides with {} others", id, probes));
  }
  if (slots_[slot] != 0) {
    ++duplicates_;
  } else {
    slots_[slot] = PackSlot(hash, id);
  }
  return {};
}

// The slot that holds `spelling`, or the free one where it belongs.
size_t Vocabulary::FindSlot(std::string_view spelling, uint64_t hash, size_t& probes) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0 && probes <= kMaxProbes; slot = (slot + 1) & mask, ++probes) {
    if (!MayHold(slots_[slot], hash)) continue;
    if (Spelling(static_cast<TokenId>(IndexIn(slots_[slot]))) == spelling) break;
  }
  return slot;
}

std::optional<TokenId> Vocabulary::Find(std::string_view spelling) const {
  if (spelling.empty() || spelling.size() > longest_) return std::nullopt;
  size_t probes = 0;
  const uint32_t slot = slots_[FindSlot(spelling, HashBytes(spelling), probes)];
  if (slot == 0 || probes > kMaxProbes) return std::nullopt;
  return static_cast<TokenId>(IndexIn(slot));
}

uint64_t Vocabulary::memory_bytes() const {
  return pool_.capacity() + ends_.capacity() * sizeof(uint32_t) + traits_.capacity() +
         scores_.capacity() * sizeof(float) + slots_.capacity() * sizeof(uint32_t);
}

}  // namespace tinyai
