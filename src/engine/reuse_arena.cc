#include "engine/reuse_arena.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr std::align_val_t kAlignment{64};
// A kept block serves requests of at least this part of its size.
constexpr uint64_t kWorstFit = 2;

thread_local ReuseArena* current = nullptr;

std::byte* FromSystem(uint64_t bytes) {
  return static_cast<std::byte*>(::operator new(bytes, kAlignment, std::nothrow));
}

void ToSystem(std::byte* data) { ::operator delete(data, kAlignment); }

tl::unexpected<Error> NoMemory(uint64_t bytes) {
  return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY",
              fmt::format("the system has no memory for {} bytes", bytes));
}

}  // namespace

ReusableBlock& ReusableBlock::operator=(ReusableBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(arena_, other.arena_);
  return *this;
}

ReusableBlock::~ReusableBlock() {
  if (arena_ != nullptr) {
    arena_->Give(data_, bytes_);
  } else if (data_ != nullptr) {
    ToSystem(data_);
  }
}

ReuseArena::Scope::Scope(std::shared_ptr<ReuseArena> arena)
    : arena_(std::move(arena)), outer_(std::exchange(current, arena_.get())) {
  const std::lock_guard lock(arena_->mutex_);
  ++arena_->scopes_;
}

ReuseArena::Scope::~Scope() {
  current = outer_;
  const std::lock_guard lock(arena_->mutex_);
  if (--arena_->scopes_ == 0) arena_->DropKept(~uint64_t{0});
}

ReuseArena::~ReuseArena() { DropKept(~uint64_t{0}); }

Result<ReusableBlock> ReuseArena::Take(uint64_t bytes) {
  const std::optional<uint64_t> rounded = CheckedRoundUp(std::max<uint64_t>(bytes, 1), 64);
  if (!rounded) return NoMemory(bytes);
  if (current != nullptr) return current->TakeHere(*rounded);
  ReusableBlock block;
  block.data_ = FromSystem(*rounded);
  if (block.data_ == nullptr) return NoMemory(bytes);
  block.bytes_ = *rounded;
  std::memset(block.data_, 0, *rounded);
  return block;
}

Result<ReusableBlock> ReuseArena::TakeHere(uint64_t bytes) {
  ReusableBlock block;
  {
    const std::lock_guard lock(mutex_);
    if (!FindKept(bytes, block)) {
      if (limit_ != 0 && (bytes > limit_ || stats_.used_bytes > limit_ - bytes)) {
        DropKept(bytes);
      }
      if (limit_ != 0 && (bytes > limit_ || stats_.used_bytes > limit_ - bytes)) {
        return Fail(ErrorCode::kOutOfMemory, "BUDGET_EXCEEDED",
                    fmt::format("a tensor of {} bytes: the memory optimizer allows {}, of which {} "
                                "are in use",
                                bytes, limit_, stats_.used_bytes));
      }
      block.data_ = FromSystem(bytes);
      if (block.data_ == nullptr) return NoMemory(bytes);
      block.bytes_ = bytes;
      ++stats_.takes;
      stats_.taken_bytes += bytes;
      stats_.used_bytes += bytes;
      stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
    }
    block.arena_ = shared_from_this();
  }
  std::memset(block.data_, 0, bytes);
  return block;
}

bool ReuseArena::FindKept(uint64_t bytes, ReusableBlock& block) {
  auto best = kept_.end();
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    if (it->bytes < bytes || it->bytes / kWorstFit > bytes) continue;
    if (best == kept_.end() || it->bytes < best->bytes) best = it;
  }
  if (best == kept_.end()) return false;
  block.data_ = best->data;
  block.bytes_ = best->bytes;
  kept_.erase(best);
  ++stats_.reuses;
  stats_.reused_bytes += bytes;
  return true;
}

void ReuseArena::Give(std::byte* data, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  ++stats_.gives;
  if (reuse_ && scopes_ > 0 && current == this) {
    kept_.push_back({data, bytes});
    return;
  }
  ToSystem(data);
  stats_.used_bytes -= bytes;
}

// Gives kept blocks back to the system until `needed` bytes were given, or there are none left.
void ReuseArena::DropKept(uint64_t needed) {
  uint64_t given = 0;
  while (!kept_.empty() && given < needed) {
    ToSystem(kept_.back().data);
    given += kept_.back().bytes;
    stats_.used_bytes -= kept_.back().bytes;
    kept_.pop_back();
  }
}

ReuseStats ReuseArena::stats() const {
  const std::lock_guard lock(mutex_);
  ReuseStats stats = stats_;
  uint64_t kept = 0, largest = 0;
  for (const Kept& block : kept_) {
    kept += block.bytes;
    largest = std::max(largest, block.bytes);
  }
  if (kept > 0) stats.fragmentation = 1 - static_cast<double>(largest) / static_cast<double>(kept);
  return stats;
}

}  // namespace tinyai
