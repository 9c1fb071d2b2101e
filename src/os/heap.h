#pragma once

namespace tinyai {

// Gives memory that was freed back to the system, as far as the allocator can: planning and opening
// a model hold for a moment what would otherwise stay beside the arena.
void ReturnFreedMemory();

}  // namespace tinyai
