// Inputs of a convolution laid out as its tiles read them: for each tap in turn, the pixels of a
// panel side by side, zeros where a window lies over the edge.

#if defined(TINYAI_KERNEL_CONV_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_PACK_INL_H_
#undef TINYAI_KERNEL_CONV_PACK_INL_H_
#else
#define TINYAI_KERNEL_CONV_PACK_INL_H_
#endif

#include <algorithm>
#include <span>

#include "kernel/conv_job.h"
#include "kernel/conv_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// The grid of a pass over one group of input channels.
struct ConvGrid {
  AxisPass rows, cols;
  InputMap x;  // data: the group's first channel

  uint64_t Taps() const { return rows.taps * cols.taps; }
  uint64_t Pixels() const { return rows.grid * cols.grid; }
};

// The grid as one row where the input's rows follow each other just like the outputs.
inline ConvGrid Flattened(ConvGrid grid) {
  AxisPass &rows = grid.rows, &cols = grid.cols;
  const bool same = rows.taps == 1 && cols.taps == 1 && rows.in_step == 1 && cols.in_step == 1 &&
                    cols.first_in == 0 && cols.in == static_cast<int64_t>(cols.grid) &&
                    rows.first_in >= 0 &&
                    rows.first_in + static_cast<int64_t>(rows.grid) <= rows.in;
  if (!same) return grid;
  grid.x.data += (static_cast<uint64_t>(rows.first_in) - grid.x.first_row) * cols.grid;
  grid.x.first_row = 0;
  cols.grid *= rows.grid;
  cols.in = static_cast<int64_t>(cols.grid);
  rows.grid = 1;
  rows.first_in = 0;
  return grid;
}

// Some pixels of a block, as a tile takes them.
struct Panel {
  size_t pixel, count, vectors;
  size_t offset;  // where its inputs begin
  size_t at;      // and its outputs, from the block's first on
  bool whole;     // every pixel is an output
  TileVector vector[kTileVectors];

  size_t Width() const { return vectors * kLanes; }
};
constexpr size_t kBlockPanels = 16;
constexpr size_t kBlockPixels = kBlockPanels * 3 * kLanes;

// Rows of pixels, the first `cols` of each `width` outputs.
struct PixelRows {
  size_t cols, width;

  size_t OutputsBefore(size_t pixel) const {
    return pixel / width * cols + std::min(pixel % width, cols);
  }
};

// The vector of pixels [begin, begin + pixels), pixels <= kLanes.
inline TileVector VectorAt(const PixelRows& rows, size_t begin, size_t pixels) {
  TileVector vector = {0, 0, rows.OutputsBefore(begin)};
  size_t col = begin % rows.width;
  for (size_t i = 0; i < pixels; ++i) {
    if (col < rows.cols) {
      vector.outputs |= uint64_t{1} << i;
      ++vector.count;
    }
    if (++col == rows.width) col = 0;
  }
  return vector;
}

// Pixels [first, first + pixels) cut into panels. Each panel has `depth` floats for every pixel, or
// none of its own where that is 0.
struct Panels {
  Panel panel[kBlockPanels];
  size_t count = 0;

  Panels(const PixelRows& rows, size_t first, size_t pixels, size_t depth) {  // <= kBlockPixels
    for (size_t pixel = 0, offset = 0; pixel < pixels; ++count) {
      const size_t left = pixels - pixel, some = NextTileVectors((left + kLanes - 1) / kLanes);
      Panel& p = panel[count];
      p = {.pixel = pixel,
           .count = std::min(left, some * kLanes),
           .vectors = some,
           .offset = depth == 0 ? pixel : offset,
           .at = rows.OutputsBefore(first + pixel) - rows.OutputsBefore(first),
           .whole = true,
           .vector = {}};
      for (size_t v = 0; v < some; ++v) {
        const size_t begin = first + pixel + v * kLanes;
        p.vector[v] = VectorAt(rows, begin, std::min(kLanes, first + pixels - begin));
        p.vector[v].at -= rows.OutputsBefore(first + pixel);
        p.whole = p.whole && p.vector[v].count == kLanes;
      }
      pixel += p.count;
      offset += some * kLanes * depth;
    }
  }
  const Panel* begin() const { return panel; }
  const Panel* end() const { return panel + count; }
};

// Some neighbouring pixels of one row of the grid, in one panel.
struct Piece {
  uint64_t row, col;
  size_t count;
  size_t offset, width;  // where its first pixel goes, and from one tap to the next
  size_t room;           // from there to the panel's edge; what follows is packed later
};

inline size_t CutIntoPieces(const Panels& panels, uint64_t block_pixel, uint64_t grid_cols,
                            Piece* pieces) {
  size_t count = 0;
  for (const Panel& panel : panels) {
    uint64_t row = (block_pixel + panel.pixel) / grid_cols;
    uint64_t col = (block_pixel + panel.pixel) % grid_cols;
    for (size_t done = 0; done < panel.count; ++row, col = 0) {
      const size_t some = std::min<uint64_t>(panel.count - done, grid_cols - col);
      pieces[count++] = {row, col, some, panel.offset + done, panel.Width(), panel.Width() - done};
      done += some;
    }
  }
  return count;
}

// Elements [at, at + kLanes) of a row of `size`, zeros outside of it.
HWY_INLINE VF32 LoadEdge(const float* row, int64_t size, int64_t at) {
  const F32Tag d;
  constexpr auto kCount = static_cast<int64_t>(kLanes);
  if constexpr (kMasks) {
    const auto end = hn::FirstN(d, static_cast<size_t>(std::clamp<int64_t>(size - at, 0, kCount)));
    const auto begin = hn::FirstN(d, static_cast<size_t>(std::clamp<int64_t>(-at, 0, kCount)));
    return hn::MaskedLoad(hn::AndNot(begin, end), d, row + at);
  }
  alignas(64) float lanes[kLanes];
  for (int64_t i = 0; i < kCount; ++i) {
    lanes[i] = at + i >= 0 && at + i < size ? row[at + i] : 0;
  }
  return hn::Load(d, lanes);
}

// kLanes inputs from `at` on, kStep apart; all of them are in the row if kInside.
template <int kStep, bool kInside>
HWY_INLINE VF32 LoadApartBy(const float* row, int64_t size, int64_t at) {
  const F32Tag d;
  const auto load = [&](int64_t i) HWY_ATTR {
    return kInside ? hn::LoadU(d, row + i) : LoadEdge(row, size, i);
  };
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kStep == 2) {
    return hn::ConcatEven(d, load(at + static_cast<int64_t>(kLanes)), load(at));
  }
#endif
  return load(at);
}

// `count` inputs from `at` on, `step` apart (kStep, or any where that is 0), and up to kLanes - 1
// floats more, in a place for `room` of them.
template <int kStep>
HWY_INLINE void PackRow(const float* row, int64_t size, int64_t at, int64_t step, size_t count,
                        size_t room, float* to) {
  if constexpr (kStep == 0) {
    for (size_t i = 0; i < count; ++i, at += step) to[i] = at >= 0 && at < size ? row[at] : 0;
    return;
  }
  const F32Tag d;
  constexpr auto kSpan = static_cast<int64_t>(kStep * kLanes);
  for (size_t i = 0; i < count; i += kLanes, at += kSpan) {
    const VF32 v = at >= 0 && at + kSpan <= size ? LoadApartBy<kStep, true>(row, size, at)
                                                 : LoadApartBy<kStep, false>(row, size, at);
    if (i + kLanes <= room) {
      hn::StoreU(v, d, to + i);
    } else {
      StoreFirst(v, room - i, to + i);
    }
  }
}

// Taps [first_kx, end_kx) of row ky of a channel, the first of them tap `tap` of the block.
template <int kStep>
void PackTaps(const ConvGrid& grid, const float* channel, uint64_t ky, uint64_t first_kx,
              uint64_t end_kx, std::span<const Piece> pieces, size_t tap, float* packed) {
  const AxisPass& cols = grid.cols;
  const int64_t size = cols.in, step = cols.in_step;
  for (const Piece& piece : pieces) {
    float* to = packed + piece.offset + tap * piece.width;
    const int64_t y = grid.rows.Input(piece.row, ky);
    // Outside, every element is beyond the end of a row of none.
    const bool inside = y >= 0 && y < grid.rows.in;
    const float* row = channel + (y - static_cast<int64_t>(grid.x.first_row)) * size;
    int64_t at = cols.Input(piece.col, first_kx);
    for (uint64_t kx = first_kx; kx < end_kx; ++kx, to += piece.width, at += cols.tap_in) {
      PackRow<kStep>(row, inside ? size : 0, at, step, piece.count, piece.room, to);
    }
  }
}

// Taps [first, first + depth) of a block's pixels, panel by panel: tap k of pixel i of a panel at
// offset + k * Width() + i. Row of taps by row over the whole block, since a channel's rows lie
// together. What lies beside a panel's last pixel is anything: no output takes it.
inline void PackBlock(const ConvGrid& grid, uint64_t first, uint64_t depth, const Panels& panels,
                      uint64_t block_pixel, float* packed) {
  Piece pieces[kBlockPixels];
  const size_t count = CutIntoPieces(panels, block_pixel, grid.cols.grid, pieces);
  const bool pairs = grid.cols.in_step == 2 && HWY_TARGET != HWY_SCALAR;
  const auto pack = grid.cols.in_step == 1 ? PackTaps<1> : pairs ? PackTaps<2> : PackTaps<0>;
  uint64_t kx = first % grid.cols.taps, ky = first / grid.cols.taps % grid.rows.taps;
  const float* channel = grid.x.data + first / grid.Taps() * grid.x.channel_stride;
  for (uint64_t k = 0; k < depth;) {
    const uint64_t end_kx = std::min(grid.cols.taps, kx + depth - k);
    pack(grid, channel, ky, kx, end_kx, {pieces, count}, k, packed);
    k += end_kx - kx;
    kx = 0;
    if (++ky < grid.rows.taps) continue;
    ky = 0;
    channel += grid.x.channel_stride;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_PACK_INL_H_
