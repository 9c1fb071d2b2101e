#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyai {

// Numbers texts as they come: 0, 1, .. Texts are not copied: they outlive this object, and do not
// move. Made for names by the million, so a look-up touches few lines of memory.
class NameIndex {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // Its number, or kNone.
  uint32_t Find(std::string_view text) const {
    return texts_.empty() ? kNone : slots_[Probe(text, HashOf(text))].number;
  }
  // What is added has the number size(); nothing is added that is there.
  uint32_t Add(std::string_view text) {
    if (2 * (texts_.size() + 1) > slots_.size()) Grow();
    const uint32_t hash = HashOf(text);
    Slot& slot = slots_[Probe(text, hash)];
    if (slot.number == kNone) {
      slot = {hash, static_cast<uint32_t>(texts_.size())};
      texts_.push_back(text);
    }
    return slot.number;
  }
  size_t size() const { return texts_.size(); }
  std::string_view text(uint32_t number) const { return texts_[number]; }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t number = kNone;
  };

  static uint32_t HashOf(std::string_view text) {
    return static_cast<uint32_t>(std::hash<std::string_view>()(text));
  }
  // Where it is, or would be.
  size_t Probe(std::string_view text, uint32_t hash) const {
    const size_t mask = slots_.size() - 1;
    size_t at = hash & mask;
    while (slots_[at].number != kNone &&
           (slots_[at].hash != hash || texts_[slots_[at].number] != text)) {
      at = (at + 1) & mask;
    }
    return at;
  }
  void Grow() {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(NextSize()));
    const size_t mask = slots_.size() - 1;
    for (const Slot& slot : before) {
      if (slot.number == kNone) continue;
      size_t at = slot.hash & mask;
      while (slots_[at].number != kNone) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }
  size_t NextSize() const { return slots_.empty() ? 64 : 4 * slots_.size(); }

  std::vector<std::string_view> texts_;
  std::vector<Slot> slots_;  // a power of two, at most half of them taken
};

}  // namespace tinyai
