#pragma once

#include <cstdint>

namespace tinyai {

// How a window moves along one axis, rows or columns, of a map: output o reads the inputs
// o * stride - pad + k * dilation for k < size; those outside [0, in) are padding. Any `out` is
// legal, so what is padded behind need not be said. An axis that is not there is WindowAxis{}.
struct WindowAxis {
  uint64_t in = 1;
  uint64_t out = 1;
  uint64_t size = 1;
  uint64_t stride = 1;
  uint64_t dilation = 1;
  uint64_t pad = 0;
};

// Some rows, or channels: [first, end).
struct IndexRange {
  uint64_t first;
  uint64_t end;

  uint64_t size() const { return end - first; }
};

// What one call computes of an output map. How a map is divided into parts never changes its bits.
struct MapPart {
  IndexRange channels;
  IndexRange rows;
};

// Channels of an input map, one after the other from channel 0 on, each with its rows from
// `first_row` on, each row with all its columns. Only the rows that a call reads need be there.
struct InputMap {
  const float* data;
  uint64_t channel_stride;  // floats from one channel to the next
  uint64_t first_row = 0;
};

// Where a part goes: `data` is the first row of its first channel.
struct OutputMap {
  float* data;
  uint64_t channel_stride;  // floats from one channel to the next
};

// The rows of the input that the outputs `rows` read; {0, 0} if they read padding alone.
IndexRange RowsRead(const WindowAxis& axis, IndexRange rows);

}  // namespace tinyai
