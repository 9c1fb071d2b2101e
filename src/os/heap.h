#pragma once

namespace tinyai {

// Gives memory that was freed back to the system, as far as the allocator can: planning and opening
// a model hold for a moment what would otherwise stay beside the arena.
void ReturnFreedMemory();

// Has the process keep what it frees: for work that no budget binds and that takes much memory,
// frees it and takes it again, as a compiler does from pass to pass. Call it before that work.
void KeepFreedMemory();

}  // namespace tinyai
