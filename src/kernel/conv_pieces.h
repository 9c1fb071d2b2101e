#pragma once

#include <cstdint>

#include "kernel/conv.h"

namespace tinyai {

// Some output channels of a convolution with all their rows, cut into pieces of about equal work
// for workers that take one after the other.
struct ConvPieces {
  IndexRange channels;
  uint64_t rows;
  uint64_t channel_cuts, row_cuts;  // pieces along each axis
  uint64_t grain;                   // channels are cut at multiples of it from the first on

  uint64_t count() const { return channel_cuts * row_cuts; }
  MapPart Piece(uint64_t index) const;
};

// Cuts them into up to `wanted` pieces, and into as many as there are workers if the kernel keeps
// its speed in them. It knows what every piece does anew: one of some channels lays out all the
// input, one of some rows reads all the weights, so the axis is cut that repeats less.
ConvPieces DivideConv(const ConvShape& shape, IndexRange channels, uint64_t workers,
                      uint64_t wanted);

}  // namespace tinyai
