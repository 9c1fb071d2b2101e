#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"

namespace tinyai {

struct ReuseStats {
  uint64_t used_bytes = 0;  // by blocks in use and blocks kept for reuse
  uint64_t peak_bytes = 0;
  uint64_t taken_bytes = 0;  // from the system, in all
  uint64_t takes = 0, gives = 0;
  uint64_t reuses = 0, reused_bytes = 0;
  double fragmentation = 0;  // of the blocks kept: 1 less the part of the largest
};

class ReuseArena;

// Memory for numbers, 64-byte aligned, given back by the destructor.
class ReusableBlock {
 public:
  ReusableBlock() = default;
  ReusableBlock(ReusableBlock&& other) noexcept { *this = std::move(other); }
  ReusableBlock& operator=(ReusableBlock&& other) noexcept;
  ~ReusableBlock();
  std::byte* data() const { return data_; }

 private:
  friend class ReuseArena;
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  std::shared_ptr<ReuseArena> arena_;  // that it is charged to
};

// Where blocks come from while a thread is in the arena's scope: blocks given back there serve
// later requests of a similar size. A block may outlive the scope, and even whoever made the arena.
// Thread-safe.
class ReuseArena : public std::enable_shared_from_this<ReuseArena> {
 public:
  // `limit_bytes` 0: none.
  ReuseArena(uint64_t limit_bytes, bool reuse) : limit_(limit_bytes), reuse_(reuse) {}
  ~ReuseArena();

  // While it exists the calling thread's blocks come from `arena`. Scopes nest.
  class Scope {
   public:
    explicit Scope(std::shared_ptr<ReuseArena> arena);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::shared_ptr<ReuseArena> arena_;
    ReuseArena* const outer_;
  };

  // A zero-filled block from the arena of the thread's scope, if there is one, else from the
  // system. Errors OUT_OF_MEMORY, BUDGET_EXCEEDED.
  static Result<ReusableBlock> Take(uint64_t bytes);

  ReuseStats stats() const;

 private:
  friend class ReusableBlock;
  struct Kept {
    std::byte* data;
    uint64_t bytes;
  };
  Result<ReusableBlock> TakeHere(uint64_t bytes);
  bool FindKept(uint64_t bytes, ReusableBlock& block);
  void Give(std::byte* data, uint64_t bytes);
  void DropKept(uint64_t needed);

  const uint64_t limit_;
  const bool reuse_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Kept> kept_;
  uint32_t scopes_ = 0;
  ReuseStats stats_;
};

}  // namespace tinyai
