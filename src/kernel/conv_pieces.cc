#include "kernel/conv_pieces.h"

#include <algorithm>

#include "base/checked.h"
#include "kernel/conv_job.h"

namespace tinyai {
namespace {

// Channels that share a vector, and those that a call needs for its full speed; the pixels too.
constexpr uint64_t kVectorChannels = 16, kGoodChannels = 32, kGoodPixels = 128;
// Multiply-adds of a piece beside whose time, some 20 microseconds, its begin and what it takes
// from another core's cache are short.
constexpr uint64_t kGoodWork = 2 << 20;

// At most `most` pieces, and as many for each worker.
uint64_t Cuts(uint64_t wanted, uint64_t most, uint64_t workers) {
  const uint64_t cuts = std::max<uint64_t>(std::min(wanted, most), 1);
  return cuts > workers ? cuts / workers * workers : cuts;
}

// Inputs that a piece of channels lays out; those of a small map of one tap are read where they
// lie.
uint64_t InputsLaidOut(const ConvShape& shape) {
  const bool plain =
      shape.rows.size * shape.cols.size == 1 && shape.rows.stride == 1 && shape.cols.stride == 1;
  if (plain && shape.rows.out * shape.cols.out <= kMostBandPixels) return 0;
  return shape.in_channels * shape.rows.in * shape.cols.in;
}

}  // namespace

MapPart ConvPieces::Piece(uint64_t index) const {
  const uint64_t channel = index / row_cuts, row = index % row_cuts;
  const uint64_t groups = CeilDiv(channels.size(), grain);
  const auto cut = [&](uint64_t i) {
    return std::min(channels.first + groups * i / channel_cuts * grain, channels.end);
  };
  return {{cut(channel), cut(channel + 1)}, {rows * row / row_cuts, rows * (row + 1) / row_cuts}};
}

ConvPieces DivideConv(const ConvShape& shape, IndexRange channels, uint64_t workers,
                      uint64_t wanted) {
  const uint64_t rows = shape.rows.out, count = channels.size();
  if (workers == 1) return {channels, rows, 1, 1, kVectorChannels};
  const std::optional<uint64_t> work =
      CheckedMul(count * shape.WeightCols(), rows * shape.cols.out);
  if (work) wanted = std::min(wanted, std::max(*work / kGoodWork, workers));
  if (shape.groups > 1) return {channels, rows, Cuts(wanted, count, workers), 1, 1};
  const uint64_t most_channels = count / kGoodChannels;
  const uint64_t most_rows = std::min(rows * shape.cols.out / kGoodPixels, rows);
  uint64_t channel_cuts = 1, row_cuts = 1;
  if (InputsLaidOut(shape) <= count * shape.WeightCols()) {
    channel_cuts = Cuts(wanted, most_channels, workers);
    if (channel_cuts < workers) row_cuts = Cuts(CeilDiv(wanted, channel_cuts), most_rows, workers);
  } else {
    row_cuts = Cuts(wanted, most_rows, workers);
    if (row_cuts < workers) channel_cuts = Cuts(CeilDiv(wanted, row_cuts), most_channels, workers);
  }
  if (channel_cuts * row_cuts < workers) {  // better than to have one idle
    channel_cuts = std::min(CeilDiv(workers, row_cuts), CeilDiv(count, kVectorChannels));
  }
  return {channels, rows, channel_cuts, row_cuts, kVectorChannels};
}

}  // namespace tinyai
