#pragma once

#include <cstdint>

#include "kernel/window.h"

namespace tinyai {

// Softmax over the first axis of x[size][inner], for the columns `columns` of [0, inner): one slice
// of a tensor before whose axis only outer axes stand. out may be x. A column's bits depend on its
// own values and on whether inner is 1.
void Softmax(const float* x, uint64_t size, uint64_t inner, IndexRange columns, float* out);

}  // namespace tinyai
