#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/compile_net.h"
#include "plan/task_net.h"

namespace tinyai {

// What an order needs of each memory at each position, and when each value lives. Values share no
// bytes but where an op works in place. Both net and draft outlive it.
class OrderUsage {
 public:
  static constexpr size_t kNone = ~size_t{0};

  // When a value's bytes are taken, in positions of the order.
  struct Life {
    size_t begin = 0, end = 0;  // inclusive; nobody has it before `begin`
    size_t taken_at = kNone;    // there another value goes on in the same bytes
  };

  OrderUsage(const TaskNet& net, const NetDraft& draft);

  // While the op at `at` runs, and between that and the one before.
  const std::vector<uint64_t>& during(MemoryId memory) const { return during_[Index(memory)]; }
  uint64_t Before(MemoryId memory, size_t at) const { return before_[Index(memory)][at]; }
  const Life& life(NetValueId id) const { return lives_[Index(id)]; }
  // Ascending; conditions too.
  std::span<const uint32_t> uses(NetValueId id) const {
    return std::span(uses_).subspan(first_use_[Index(id)],
                                    first_use_[Index(id) + 1] - first_use_[Index(id)]);
  }
  bool pinned(NetValueId id) const { return pinned_[Index(id)]; }
  size_t maker(NetValueId id) const { return maker_[Index(id)]; }  // its position; kNone: given
  uint64_t bytes(NetValueId id) const;  // in its memory's units; 0 where its place is given
  uint64_t workspace(NetOpId id) const;

 private:
  template <typename Visit>
  void EachUse(size_t at, Visit visit) const;
  void FindUses();
  void FindPinned();
  void FindLives();
  void AddUp();

  const TaskNet& net_;
  const NetDraft& draft_;
  std::vector<uint32_t> first_use_, uses_;  // by value
  std::vector<size_t> maker_;
  std::vector<bool> pinned_;
  std::vector<Life> lives_;
  std::vector<std::vector<uint64_t>> during_, before_;  // by memory
};

}  // namespace tinyai
