#include "kernel/norms.h"

#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr float kEpsilon = 1e-5f;

struct Moments {
  double mean = 0, variance = 0;
};

Moments MomentsOf(std::span<const float> x) {
  Moments m;
  for (const float v : x) m.mean += v;
  m.mean /= static_cast<double>(x.size());
  for (const float v : x) m.variance += (v - m.mean) * (v - m.mean);
  m.variance /= static_cast<double>(x.size());
  return m;
}

double Normal(float x, const Moments& m) { return (x - m.mean) / std::sqrt(m.variance + kEpsilon); }

// Rounded are: the mean, the difference (both relative to |x| + |mean|, which the factor scales),
// the factor, two products and a sum.
double Tolerance(float x, const Moments& m, double weight, double bias) {
  const double scale = std::fabs(weight) / std::sqrt(m.variance + kEpsilon);
  return 6 * 0x1p-24 * ((std::fabs(x) + std::fabs(m.mean)) * scale + std::fabs(bias));
}

TEST(LayerNorm, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 2, 5, 16, 17, 64, 100, 768}) {
      std::vector<float> x = RandomFloats(size, 1, 3.0f);
      for (float& v : x) v += 2.0f;
      const std::vector<float> weight = RandomFloats(size, 2), bias = RandomFloats(size, 3);
      const Moments m = MomentsOf(x);
      std::vector<float> out(size), plain(size), in_place = x;
      LayerNorm(x, weight, bias, kEpsilon, out);
      LayerNorm(x, {}, {}, kEpsilon, plain);
      for (size_t i = 0; i < size; ++i) {
        EXPECT_NEAR(out[i], Normal(x[i], m) * weight[i] + bias[i],
                    Tolerance(x[i], m, weight[i], bias[i]));
        EXPECT_NEAR(plain[i], Normal(x[i], m), Tolerance(x[i], m, 1, 0));
      }
      LayerNorm(in_place, weight, bias, kEpsilon, in_place);
      EXPECT_EQ(in_place, out);
    }
  });
}

TEST(GroupNorm, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t channels : {1, 2, 5}) {
      for (const size_t spatial : {1, 7, 16, 49}) {
        const std::vector<float> x = RandomFloats(channels * spatial, 1, 3.0f);
        const std::vector<float> weight = RandomFloats(channels, 2),
                                 bias = RandomFloats(channels, 3);
        const Moments m = MomentsOf(x);
        std::vector<float> out(x.size()), plain(x.size()), in_place = x;
        GroupNorm(x, spatial, weight, bias, kEpsilon, out);
        GroupNorm(x, spatial, {}, {}, kEpsilon, plain);
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t c = i / spatial;
          EXPECT_NEAR(out[i], Normal(x[i], m) * weight[c] + bias[c],
                      Tolerance(x[i], m, weight[c], bias[c]));
          EXPECT_NEAR(plain[i], Normal(x[i], m), Tolerance(x[i], m, 1, 0));
        }
        GroupNorm(in_place, spatial, weight, bias, kEpsilon, in_place);
        EXPECT_EQ(in_place, out);
      }
    }
  });
}

TEST(BatchNorm, AgreesWithTheDoubleReferenceChannelByChannel) {
  ForEachInstructionSet([] {
    constexpr size_t kChannels = 7;
    for (const size_t spatial : {1, 15, 16, 50}) {
      const std::vector<float> x = RandomFloats(kChannels * spatial, 1);
      const std::vector<float> mean = RandomFloats(kChannels, 2),
                               weight = RandomFloats(kChannels, 3),
                               bias = RandomFloats(kChannels, 4);
      std::vector<float> variance = RandomFloats(kChannels, 5);
      for (float& v : variance) v = v * v + 0.1f;
      std::vector<float> out(x.size()), part(spatial);
      const ChannelStatistics all = {mean, variance, weight, bias};
      BatchNorm(x, spatial, all, kEpsilon, out);
      for (size_t c = 0; c < kChannels; ++c) {
        const Moments m = {mean[c], variance[c]};
        for (size_t i = c * spatial; i < (c + 1) * spatial; ++i) {
          EXPECT_NEAR(out[i], Normal(x[i], m) * weight[c] + bias[c],
                      Tolerance(x[i], m, weight[c], bias[c]));
        }
        const ChannelStatistics one = {all.mean.subspan(c, 1), all.variance.subspan(c, 1),
                                       all.weight.subspan(c, 1), all.bias.subspan(c, 1)};
        BatchNorm(std::span(x).subspan(c * spatial, spatial), spatial, one, kEpsilon, part);
        for (size_t i = 0; i < spatial; ++i) EXPECT_TRUE(SameBits(part[i], out[c * spatial + i]));
      }
      BatchNorm(x, spatial, {mean, variance, {}, {}}, kEpsilon, out);
      EXPECT_NEAR(out[0], Normal(x[0], {mean[0], variance[0]}),
                  Tolerance(x[0], {mean[0], variance[0]}, 1, 0));
    }
  });
}

}  // namespace
}  // namespace tinyai
