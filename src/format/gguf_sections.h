#pragma once

#include "base/result.h"
#include "format/gguf_input.h"
#include "format/gguf_part.h"

namespace tinyai {

// The sections of a GGUF header, read from where `in` stands; gguf_part.cc has the layout. `count`
// is as announced, within the caps.

// Fills entries, blocks and alignment. Keys are unique, values well formed.
Status ReadGgufKeys(GgufInput& in, uint64_t count, GgufPart& out);

// Fills tensors and data_offset. Each tensor makes sense alone; offsets count from data_offset, and
// nothing says yet that they lie in the file.
Status ReadGgufTensors(GgufInput& in, uint64_t count, GgufPart& out);

// Checks that names are unique and that all data lies in the file without overlap, makes the
// offsets absolute, and warns of what is legal but odd.
Status PlaceGgufTensors(const ByteSource& source, GgufPart& part);

}  // namespace tinyai
