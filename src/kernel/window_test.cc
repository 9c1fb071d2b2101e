#include "kernel/window.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(RowsRead, IsTheHullOfWhatTheWindowsRead) {
  for (const WindowAxis& axis :
       {WindowAxis{9, 9, 3, 1, 1, 1}, WindowAxis{9, 5, 3, 2, 1, 1}, WindowAxis{20, 9, 5, 1, 3, 0},
        WindowAxis{3, 9, 2, 1, 1, 4}, WindowAxis{1, 1, 1, 1, 1, 0}, WindowAxis{5, 7, 1, 3, 1, 2}}) {
    for (uint64_t first = 0; first < axis.out; ++first) {
      for (uint64_t end = first; end <= axis.out; ++end) {
        uint64_t lowest = axis.in, highest = 0;
        for (uint64_t o = first; o < end; ++o) {
          for (uint64_t k = 0; k < axis.size; ++k) {
            const uint64_t at = o * axis.stride + k * axis.dilation;
            if (at < axis.pad || at - axis.pad >= axis.in) continue;
            lowest = std::min(lowest, at - axis.pad);
            highest = std::max(highest, at - axis.pad + 1);
          }
        }
        const IndexRange read = RowsRead(axis, {first, end});
        EXPECT_LE(read.end, axis.in);
        if (lowest >= highest) continue;
        EXPECT_LE(read.first, lowest);
        EXPECT_GE(read.end, highest);
        // A dilated window may step over the map's edge, by no more than itself.
        EXPECT_GE(read.first + axis.size * axis.dilation, lowest);
        EXPECT_LE(read.end, highest + axis.size * axis.dilation);
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
