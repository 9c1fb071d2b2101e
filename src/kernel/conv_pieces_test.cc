#include "kernel/conv_pieces.h"

#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

WindowAxis Axis(uint64_t size, uint64_t taps) { return {size, size, taps, 1, 1, taps / 2}; }

ConvShape Square(uint64_t in, uint64_t out, uint64_t size, uint64_t taps, uint64_t groups = 1) {
  return {in, out, groups, Axis(size, taps), Axis(size, taps), false};
}

TEST(ConvPieces, CoverEveryOutputOnce) {
  for (const ConvShape& shape :
       {Square(64, 64, 56, 3), Square(512, 2048, 7, 1), Square(3, 19, 5, 3), Square(1, 1, 1, 1),
        Square(96, 96, 14, 3, 96), Square(16, 24, 200, 1), Square(40, 100, 14, 3)}) {
    for (const uint64_t workers : {1u, 2u, 3u, 8u}) {
      for (const uint64_t wanted : {1u, 4u, 32u}) {
        const IndexRange channels{shape.out_channels / 3, shape.out_channels};
        const ConvPieces pieces = DivideConv(shape, channels, workers, wanted);
        std::vector<int> seen(shape.out_channels * shape.rows.out);
        for (uint64_t i = 0; i < pieces.count(); ++i) {
          const MapPart part = pieces.Piece(i);
          EXPECT_GT(part.channels.size() * part.rows.size(), 0u);
          for (uint64_t c = part.channels.first; c < part.channels.end; ++c) {
            for (uint64_t r = part.rows.first; r < part.rows.end; ++r) {
              ++seen[c * shape.rows.out + r];
            }
          }
        }
        for (size_t i = 0; i < seen.size(); ++i) {
          EXPECT_EQ(seen[i], i >= channels.first * shape.rows.out ? 1 : 0);
        }
      }
    }
  }
}

TEST(ConvPieces, RepeatTheSmallerOfWeightsAndInputs) {
  const auto cut = [](const ConvShape& shape) {
    const ConvPieces pieces = DivideConv(shape, {0, shape.out_channels}, 2, 8);
    return std::vector<uint64_t>{pieces.channel_cuts, pieces.row_cuts};
  };
  EXPECT_EQ(cut(Square(64, 64, 56, 3)), (std::vector<uint64_t>{1, 8}));
  EXPECT_EQ(cut(Square(256, 256, 14, 3)), (std::vector<uint64_t>{8, 1}));
  EXPECT_EQ(cut(Square(512, 2048, 7, 1)), (std::vector<uint64_t>{8, 1}));
  EXPECT_EQ(cut(Square(256, 64, 56, 1)), (std::vector<uint64_t>{1, 8}));
  EXPECT_EQ(cut(Square(576, 96, 14, 1)), (std::vector<uint64_t>{2, 1}));  // two vectors each
  EXPECT_EQ(cut(Square(96, 96, 112, 3, 96)), (std::vector<uint64_t>{4, 1}));
}

TEST(ConvPieces, AreFewWhereThereIsLittleWork) {
  EXPECT_EQ(DivideConv(Square(32, 32, 56, 3, 32), {0, 32}, 2, 8).count(), 2u);
  EXPECT_EQ(DivideConv(Square(32, 32, 112, 3), {0, 32}, 2, 8).count(), 8u);
}

TEST(ConvPieces, GiveEveryWorkerOneAsFarAsVectorsGo) {
  const ConvShape shape = Square(8, 64, 4, 3);
  EXPECT_EQ(DivideConv(shape, {0, 64}, 4, 4).count(), 4u);
  EXPECT_EQ(DivideConv(shape, {0, 64}, 8, 8).count(), 4u);
  EXPECT_EQ(DivideConv(shape, {0, 64}, 1, 8).count(), 1u);
}

}  // namespace
}  // namespace tinyai
