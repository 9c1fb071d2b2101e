#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mix.h"

namespace tinyai {

// Numbers texts as they come: 0, 1, .. Texts are not copied: they outlive this object, and do not
// move. Made for names by the million, so a look-up touches few lines of memory.
class NameIndex {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // About so many texts will come.
  void Expect(size_t texts) {
    texts_.reserve(texts);
    const size_t size = std::max(kLeastSlots, std::bit_ceil(2 * (texts + 1)));
    if (size > slots_.size()) Grow(size);
  }
  // The text will be looked for soon: large tables do not fit a cache. (Not inlined, GCC takes this
  // for a function without effect and leaves the call out; so for those that call it.)
  [[gnu::always_inline]] void Fetch(std::string_view text) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[HashOf(text) & (slots_.size() - 1)]);
  }
  // Its number, or kNone.
  uint32_t Find(std::string_view text) const {
    return texts_.empty() ? kNone : slots_[Probe(text, HashOf(text))].number;
  }
  // What is added has the number size(); nothing is added that is there.
  uint32_t Add(std::string_view text) { return TryAdd(text).first; }
  // The same, and whether it was added.
  std::pair<uint32_t, bool> TryAdd(std::string_view text) {
    if (2 * (texts_.size() + 1) > slots_.size()) Grow(std::max(kLeastSlots, 4 * slots_.size()));
    const uint64_t hash = HashOf(text);
    Slot& slot = slots_[Probe(text, hash)];
    const bool added = slot.number == kNone;
    if (added) {
      slot = {hash, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(text.size())};
      texts_.push_back(text);
    }
    return {slot.number, added};
  }
  // A text that lasts instead of an equal one that was added.
  void Replace(uint32_t number, std::string_view text) { texts_[number] = text; }
  size_t size() const { return texts_.size(); }
  std::string_view text(uint32_t number) const { return texts_[number]; }

 private:
  static constexpr size_t kLeastSlots = 64;
  static constexpr size_t kShort = 8;  // bytes of a text that its size and its hash determine
  struct Slot {
    uint64_t hash = 0;
    uint32_t number = kNone;
    uint32_t size = 0;  // of the text
  };

  // Eight bytes at once; of the last ones, some may be taken twice. Texts of one size that is
  // kShort or less have different hashes, as Mix64 is one-to-one.
  static uint64_t HashOf(std::string_view text) {
    const auto load = [&](size_t at, auto word) {
      std::memcpy(&word, text.data() + at, sizeof(word));
      return word;
    };
    uint64_t hash = text.size(), last = 0;
    for (size_t at = 0; at + 8 < text.size(); at += 8) hash = Mix64(hash ^ load(at, uint64_t{}));
    if (text.size() >= 8) {
      last = load(text.size() - 8, uint64_t{});
    } else if (text.size() >= 4) {
      last = uint64_t{load(0, uint32_t{})} << 32 | load(text.size() - 4, uint32_t{});
    } else {
      for (const char c : text) last = last << 8 | static_cast<uint8_t>(c);
    }
    return Mix64(hash ^ last);
  }
  bool Holds(const Slot& slot, std::string_view text, uint64_t hash) const {
    return slot.hash == hash && slot.size == text.size() &&
           (text.size() <= kShort || texts_[slot.number] == text);
  }
  // Where it is, or would be.
  size_t Probe(std::string_view text, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    size_t at = hash & mask;
    while (slots_[at].number != kNone && !Holds(slots_[at], text, hash)) at = (at + 1) & mask;
    return at;
  }
  void Grow(size_t size) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(size));
    const size_t mask = slots_.size() - 1;
    for (const Slot& slot : before) {
      if (slot.number == kNone) continue;
      size_t at = slot.hash & mask;
      while (slots_[at].number != kNone) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

  std::vector<std::string_view> texts_;
  std::vector<Slot> slots_;  // a power of two, at most half of them taken
};

}  // namespace tinyai
