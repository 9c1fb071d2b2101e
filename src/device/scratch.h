#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tinyai {

// Memory for what lives during one computation, given back in the reverse order of its taking. It
// keeps what it once had. One thread at a time.
class Scratch {
 public:
  // Aligned to 64 bytes; valid until Release of a mark from before.
  std::byte* Take(uint64_t bytes);

  struct Mark {
    size_t block = 0;
    uint64_t used = 0;
  };
  Mark Here() const { return here_; }
  void Release(Mark mark) { here_ = mark; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> memory;
    std::byte* begin = nullptr;  // aligned
    uint64_t bytes = 0;
  };
  std::vector<Block> blocks_;
  Mark here_;
};

}  // namespace tinyai
