#include "kernel/conv.h"

#include <algorithm>

#include "kernel/testing.h"

namespace tinyai {
namespace {

struct Case {
  const char* name;
  ConvShape shape;
};

WindowAxis Axis(uint64_t in, uint64_t size, uint64_t stride, uint64_t dilation, uint64_t pad) {
  const uint64_t reach = (size - 1) * dilation + 1;
  return {in, (in + 2 * pad - reach) / stride + 1, size, stride, dilation, pad};
}
WindowAxis TransposedAxis(uint64_t in, uint64_t size, uint64_t stride, uint64_t dilation,
                          uint64_t pad, uint64_t more = 0) {
  const uint64_t out = (in - 1) * stride + (size - 1) * dilation + 1 + more - 2 * pad;
  return {in, out, size, stride, dilation, pad};
}

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"3x3", {5, 19, 1, Axis(9, 3, 1, 1, 1), Axis(21, 3, 1, 1, 1)}},
      {"3x3 stride 2", {4, 9, 1, Axis(9, 3, 2, 1, 1), Axis(70, 3, 2, 1, 1)}},
      {"3x3 stride 3", {2, 3, 1, Axis(11, 3, 3, 1, 1), Axis(50, 3, 3, 1, 0)}},
      {"1x1", {37, 21, 1, Axis(5, 1, 1, 1, 0), Axis(19, 1, 1, 1, 0)}},
      {"1x1 stride 2", {9, 8, 1, Axis(6, 1, 2, 1, 0), Axis(35, 1, 2, 1, 0)}},
      {"1x1 one pixel", {300, 70, 1, Axis(1, 1, 1, 1, 0), Axis(1, 1, 1, 1, 0)}},
      {"7x7 stride 2", {3, 8, 1, Axis(17, 7, 2, 1, 3), Axis(33, 7, 2, 1, 3)}},
      {"dilated", {3, 4, 1, Axis(15, 3, 1, 2, 2), Axis(23, 3, 1, 4, 4)}},
      {"many channels", {70, 5, 1, Axis(4, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1)}},
      {"small map", {40, 31, 1, Axis(7, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1)}},
      {"small map, in bands", {200, 18, 1, Axis(21, 3, 1, 1, 1), Axis(21, 3, 1, 1, 1)}},
      {"small map, stride 2", {30, 33, 1, Axis(13, 3, 2, 1, 1), Axis(13, 3, 2, 1, 1)}},
      {"small map, 1x1 stride 2", {31, 34, 1, Axis(13, 1, 2, 1, 0), Axis(13, 1, 2, 1, 0)}},
      {"small map, more taps than a chunk",
       {3, 35, 1, Axis(20, 18, 1, 1, 1), Axis(20, 18, 1, 1, 1)}},
      {"more taps than a chunk", {2, 3, 1, Axis(20, 18, 1, 1, 4), Axis(21, 18, 1, 1, 3)}},
      {"dilated, padded as wide", {2, 9, 1, Axis(9, 3, 1, 2, 2), Axis(9, 3, 1, 2, 2)}},
      {"wide", {3, 5, 1, Axis(2, 3, 1, 1, 1), Axis(700, 3, 1, 1, 1)}},
      {"even kernel", {3, 5, 1, {6, 6, 4, 1, 1, 1}, {11, 11, 2, 1, 1, 1}}},
      {"groups", {12, 18, 3, Axis(7, 3, 1, 1, 1), Axis(20, 3, 1, 1, 1)}},
      {"depthwise", {11, 11, 11, Axis(9, 3, 1, 1, 1), Axis(37, 3, 1, 1, 1)}},
      {"depthwise stride 2", {5, 5, 5, Axis(10, 3, 2, 1, 1), Axis(41, 3, 2, 1, 1)}},
      {"depthwise dilated", {3, 3, 3, Axis(20, 5, 1, 3, 6), Axis(33, 5, 3, 2, 4)}},
      {"depthwise, small map", {19, 19, 19, Axis(7, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1)}},
      {"depthwise, flat", {5, 5, 5, Axis(28, 3, 2, 1, 1), Axis(28, 3, 2, 1, 1)}},
      {"depthwise, two each", {4, 8, 4, Axis(6, 3, 1, 1, 1), Axis(18, 3, 1, 1, 1)}},
      {"depthwise 5x5", {3, 3, 3, Axis(12, 5, 1, 1, 2), Axis(150, 5, 1, 1, 2)}},
      {"depthwise stride 3", {2, 2, 2, Axis(20, 2, 3, 1, 0), Axis(95, 4, 3, 1, 1)}},
      {"depthwise, planes that do not fit",
       {2, 2, 2, Axis(181, 3, 90, 1, 1), Axis(180, 3, 90, 1, 1)}},
      {"depthwise, many taps", {2, 2, 2, Axis(14, 12, 1, 1, 2), Axis(15, 12, 1, 1, 0)}},
      {"depthwise, tall", {1, 2, 1, Axis(130, 3, 1, 1, 1), Axis(150, 3, 1, 1, 1)}},
      {"padding alone in a window", {2, 3, 1, Axis(2, 2, 1, 1, 4), Axis(3, 2, 2, 1, 5)}},
      {"1-D", {6, 7, 1, {}, Axis(45, 5, 1, 1, 2)}},
      {"1-D stride 2", {80, 6, 1, {}, Axis(45, 3, 2, 1, 1)}},
      {"1-D down the rows", {3, 6, 1, Axis(45, 5, 3, 1, 2), {}}},
      {"transposed 2x2 stride 2",
       {5, 9, 1, TransposedAxis(6, 2, 2, 1, 0), TransposedAxis(21, 2, 2, 1, 0), true}},
      {"transposed 4x4 stride 2",
       {7, 3, 1, TransposedAxis(6, 4, 2, 1, 1), TransposedAxis(19, 4, 2, 1, 1), true}},
      {"transposed 3x3 stride 2, one more",
       {3, 5, 1, TransposedAxis(5, 3, 2, 1, 1, 1), TransposedAxis(9, 3, 2, 1, 1, 1), true}},
      {"transposed, gaps",
       {3, 4, 1, TransposedAxis(4, 2, 3, 1, 0), TransposedAxis(7, 1, 4, 1, 0), true}},
      {"transposed, dilated, groups",
       {6, 4, 2, TransposedAxis(5, 3, 2, 2, 1), TransposedAxis(8, 3, 1, 3, 2), true}},
      {"transposed depthwise",
       {4, 4, 4, TransposedAxis(5, 4, 2, 1, 1), TransposedAxis(8, 4, 2, 1, 1), true}},
      {"transposed 1-D", {9, 4, 1, {}, TransposedAxis(33, 8, 4, 1, 2), true}},
      {"transposed stride 1",
       {3, 4, 1, TransposedAxis(5, 3, 1, 1, 1), TransposedAxis(40, 3, 1, 1, 1), true}},
  };
  return cases;
}

struct Data {
  std::vector<float> x, bias;
  std::vector<std::byte> weights;

  Data(const ConvShape& s, DType type)
      : x(RandomFloats(s.in_channels * s.rows.in * s.cols.in, 1)),
        bias(RandomFloats(s.out_channels, 2)),
        weights(RandomRows(type, s.WeightCols(), s.out_channels, 3)) {}
};

uint64_t PlaneOf(const ConvShape& s) { return s.rows.out * s.cols.out; }

// Runs one part. The input has just the rows that the part reads, so that reading others is seen
// by the sanitizers and by wrong results.
std::vector<float> RunPart(const ConvShape& s, const Data& data, DType type, const MapPart& part) {
  const IndexRange read = ConvRowsRead(s, part.rows);
  std::vector<float> some;
  for (uint64_t c = 0; c < s.in_channels; ++c) {
    const float* channel = data.x.data() + c * s.rows.in * s.cols.in;
    some.insert(some.end(), channel + read.first * s.cols.in, channel + read.end * s.cols.in);
  }
  const uint64_t row_bytes = RowBytes(type, s.WeightCols());
  // Exactly as large as needed, and anywhere.
  std::vector<std::byte> weights(data.weights.begin() + part.channels.first * row_bytes,
                                 data.weights.begin() + part.channels.end * row_bytes);
  const uint64_t workspace_bytes = ConvWorkspaceBytes(s, type);
  EXPECT_LT(workspace_bytes, 2u << 20);
  EXPECT_EQ(workspace_bytes % 64, 0u);
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> workspace(workspace_bytes / 64);
  const uint64_t plane = part.rows.size() * s.cols.out;
  std::vector<float> out(part.channels.size() * plane, std::nanf(""));
  Conv(s, {some.data(), read.size() * s.cols.in, read.first},
       {type, weights.data(), s.WeightCols(), part.channels.size()},
       data.bias.data() + part.channels.first, part,
       {reinterpret_cast<std::byte*>(workspace.data()), workspace_bytes}, {out.data(), plane});
  return out;
}

std::vector<float> RunWhole(const ConvShape& s, const Data& data, DType type) {
  return RunPart(s, data, type, {{0, s.out_channels}, {0, s.rows.out}});
}

struct Reference {
  std::vector<double> sum, magnitude;
};

// By the definition: every input times every tap goes to the output it meets.
Reference Compute(const ConvShape& s, const Data& data, DType type) {
  const uint64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
  Reference result{std::vector<double>(s.out_channels * PlaneOf(s)),
                   std::vector<double>(s.out_channels * PlaneOf(s))};
  std::vector<float> weights(s.WeightCols());
  // Whether input i and output o meet at tap k.
  const auto meet = [&](const WindowAxis& a, uint64_t i, uint64_t o, uint64_t k) {
    if (s.transposed) return o + a.pad == i * a.stride + k * a.dilation;
    return i + a.pad == o * a.stride + k * a.dilation;
  };
  for (uint64_t o = 0; o < s.out_channels; ++o) {
    DecodeRow(type, data.weights.data() + o * RowBytes(type, weights.size()), weights);
    for (uint64_t y = 0; y < s.rows.out; ++y) {
      for (uint64_t col = 0; col < s.cols.out; ++col) {
        double sum = data.bias[o], magnitude = std::fabs(data.bias[o]);
        for (uint64_t ky = 0; ky < s.rows.size; ++ky) {
          for (uint64_t in_y = 0; in_y < s.rows.in; ++in_y) {
            if (!meet(s.rows, in_y, y, ky)) continue;
            for (uint64_t kx = 0; kx < s.cols.size; ++kx) {
              for (uint64_t in_x = 0; in_x < s.cols.in; ++in_x) {
                if (!meet(s.cols, in_x, col, kx)) continue;
                for (uint64_t c = 0; c < in_group; ++c) {
                  const uint64_t from = o / out_group * in_group + c;
                  const double product =
                      static_cast<double>(weights[(c * s.rows.size + ky) * s.cols.size + kx]) *
                      data.x[(from * s.rows.in + in_y) * s.cols.in + in_x];
                  sum += product;
                  magnitude += std::fabs(product);
                }
              }
            }
          }
        }
        const uint64_t at = (o * s.rows.out + y) * s.cols.out + col;
        result.sum[at] = sum;
        result.magnitude[at] = magnitude;
      }
    }
  }
  return result;
}

void ExpectAgreement(const ConvShape& s, DType type) {
  const Data data(s, type);
  const Reference expected = Compute(s, data, type);
  const std::vector<float> out = RunWhole(s, data, type);
  // A product and a sum are rounded for every tap, then the bias.
  const double roundings = 2.0 * static_cast<double>(s.WeightCols()) + 2;
  for (size_t i = 0; i < out.size(); ++i) {
    ASSERT_NEAR(out[i], expected.sum[i], roundings * 0x1p-24 * expected.magnitude[i]) << i;
  }
}

TEST(Conv, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const Case& c : Cases()) {
      SCOPED_TRACE(c.name);
      ExpectAgreement(c.shape, DType::kF32);
    }
  });
}

// Eight channels of 4 x 8 taps: rows of 256, whole blocks of every type.
TEST(Conv, TakesWeightsOfEveryType) {
  ForEachInstructionSet([] {
    for (const DType type : AllTypes()) {
      SCOPED_TRACE(Name(type));
      ExpectAgreement({8, 19, 1, Axis(7, 4, 1, 1, 2), Axis(14, 8, 1, 1, 3)}, type);
      ExpectAgreement({512, 4, 2, Axis(3, 1, 1, 1, 0), Axis(2, 1, 1, 1, 0)}, type);
      ExpectAgreement({8, 3, 1, TransposedAxis(3, 4, 2, 1, 1), TransposedAxis(5, 8, 4, 1, 2), true},
                      type);
    }
  });
}

TEST(Conv, GivesTheSameBitsHoweverTheMapIsDivided) {
  ForEachInstructionSet([] {
    std::mt19937 random(7);
    for (const Case& c : Cases()) {
      SCOPED_TRACE(c.name);
      const ConvShape& s = c.shape;
      const Data data(s, DType::kF32);
      const std::vector<float> whole = RunWhole(s, data, DType::kF32);
      for (int round = 0; round < 8; ++round) {
        const uint64_t channel = random() % s.out_channels, row = random() % s.rows.out;
        const MapPart part = {{channel, channel + 1 + random() % (s.out_channels - channel)},
                              {row, row + 1 + random() % (s.rows.out - row)}};
        const std::vector<float> some = RunPart(s, data, DType::kF32, part);
        size_t at = 0;
        for (uint64_t o = part.channels.first; o < part.channels.end; ++o) {
          const float* expected = whole.data() + o * PlaneOf(s) + part.rows.first * s.cols.out;
          for (uint64_t i = 0; i < part.rows.size() * s.cols.out; ++i, ++at) {
            ASSERT_TRUE(SameBits(some[at], expected[i])) << "channel " << o << " element " << i;
          }
        }
      }
    }
  });
}

TEST(Conv, ReadsNoRowBeyondThoseItNames) {
  for (const Case& c : Cases()) {
    const ConvShape& s = c.shape;
    for (uint64_t first = 0; first < s.rows.out; ++first) {
      for (uint64_t end = first; end <= s.rows.out; ++end) {
        uint64_t lowest = s.rows.in, highest = 0;
        for (uint64_t o = first; o < end; ++o) {
          for (uint64_t k = 0; k < s.rows.size; ++k) {
            for (uint64_t i = 0; i < s.rows.in; ++i) {
              const bool meet = s.transposed
                                    ? o + s.rows.pad == i * s.rows.stride + k * s.rows.dilation
                                    : i + s.rows.pad == o * s.rows.stride + k * s.rows.dilation;
              if (!meet) continue;
              lowest = std::min(lowest, i);
              highest = std::max(highest, i + 1);
            }
          }
        }
        const IndexRange read = ConvRowsRead(s, {first, end});
        EXPECT_LE(read.first, lowest < highest ? lowest : read.end) << c.name;
        EXPECT_GE(read.end, highest) << c.name;
        EXPECT_LE(read.end, s.rows.in) << c.name;
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
