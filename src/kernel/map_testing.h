#pragma once

#include <functional>
#include <vector>

#include "kernel/testing.h"
#include "kernel/window.h"

// What the tests of ops on maps share.
namespace tinyai {

struct TestMap {
  uint64_t channels, rows, cols;
  std::vector<float> data;

  TestMap(uint64_t c, uint64_t r, uint64_t w)
      : channels(c), rows(r), cols(w), data(RandomFloats(c * r * w, 1)) {}
  float At(uint64_t c, uint64_t r, uint64_t w) const { return data[(c * rows + r) * cols + w]; }
  // Just the rows `read` of every channel.
  std::vector<float> Rows(IndexRange read) const {
    std::vector<float> some;
    for (uint64_t c = 0; c < channels; ++c) {
      const float* channel = data.data() + c * rows * cols;
      some.insert(some.end(), channel + read.first * cols, channel + read.end * cols);
    }
    return some;
  }
};

// An op bound to a shape: reads rows `rows_read(part.rows)` and writes the part.
struct MapOp {
  uint64_t out_rows, out_cols;
  std::function<IndexRange(IndexRange)> rows_read;
  std::function<void(const InputMap&, const MapPart&, const OutputMap&)> run;

  std::vector<float> Run(const TestMap& x, const MapPart& part) const {
    const IndexRange read = rows_read(part.rows);
    const std::vector<float> some = x.Rows(read);
    const uint64_t plane = part.rows.size() * out_cols;
    std::vector<float> out(part.channels.size() * plane, std::nanf(""));
    run({some.data(), read.size() * x.cols, read.first}, part, {out.data(), plane});
    return out;
  }
  std::vector<float> RunWhole(const TestMap& x) const {
    return Run(x, {{0, x.channels}, {0, out_rows}});
  }
};

// Random parts have the bits of the whole, from no more rows than the op says it reads.
inline void ExpectSameBitsInParts(const MapOp& op, const TestMap& x, uint32_t seed) {
  const std::vector<float> whole = op.RunWhole(x);
  std::mt19937 random(seed);
  for (int round = 0; round < 10; ++round) {
    const uint64_t channel = random() % x.channels, row = random() % op.out_rows;
    const MapPart part = {{channel, channel + 1 + random() % (x.channels - channel)},
                          {row, row + 1 + random() % (op.out_rows - row)}};
    const std::vector<float> some = op.Run(x, part);
    size_t at = 0;
    for (uint64_t c = part.channels.first; c < part.channels.end; ++c) {
      const uint64_t first = (c * op.out_rows + part.rows.first) * op.out_cols;
      for (uint64_t i = 0; i < part.rows.size() * op.out_cols; ++i, ++at) {
        ASSERT_TRUE(SameBits(some[at], whole[first + i])) << "channel " << c << " element " << i;
      }
    }
  }
}

}  // namespace tinyai
