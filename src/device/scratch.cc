#include "device/scratch.h"

#include <algorithm>

#include "base/checked.h"

namespace tinyai {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kLeastBlock = uint64_t{64} << 10;

}  // namespace

std::byte* Scratch::Take(uint64_t bytes) {
  bytes = RoundUp(std::max<uint64_t>(bytes, 1), kAlignment);
  while (here_.block < blocks_.size() && blocks_[here_.block].bytes - here_.used < bytes) {
    ++here_.block;
    here_.used = 0;
  }
  if (here_.block == blocks_.size()) {
    Block block;
    block.bytes = std::max(bytes, kLeastBlock);
    block.memory.reset(new std::byte[block.bytes + kAlignment]);
    const auto address = reinterpret_cast<uintptr_t>(block.memory.get());
    block.begin = block.memory.get() + (RoundUp(address, kAlignment) - address);
    blocks_.push_back(std::move(block));
  }
  std::byte* const taken = blocks_[here_.block].begin + here_.used;
  here_.used += bytes;
  return taken;
}

}  // namespace tinyai
