#include "kernel/softmax.h"

#include <algorithm>

#include "kernel/testing.h"

namespace tinyai {
namespace {

TEST(Softmax, AgreesWithTheDoubleReferenceOverAnyAxis) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 2, 7, 16, 33, 1000}) {
      for (const size_t inner : {1, 3, 16, 35}) {
        const std::vector<float> x = RandomFloats(size * inner, 1, 4.0f);
        std::vector<float> out(x.size()), in_place = x;
        Softmax(x.data(), size, inner, {0, inner}, out.data());
        for (size_t c = 0; c < inner; ++c) {
          double sum = 0;
          for (size_t i = 0; i < size; ++i) sum += std::exp(static_cast<double>(x[i * inner + c]));
          for (size_t i = 0; i < size; ++i) {
            const double expected = std::exp(static_cast<double>(x[i * inner + c])) / sum;
            // Two exponentials within 2e-7 plus their arguments' rounding (below 2^-19), a sum of
            // `size` terms, a quotient and a product.
            const double relative = 4e-7 + 2 * 0x1p-19 + (static_cast<double>(size) + 3) * 0x1p-24;
            ASSERT_NEAR(out[i * inner + c], expected, relative * expected + 2e-38);
          }
        }
        Softmax(in_place.data(), size, inner, {0, inner}, in_place.data());
        EXPECT_EQ(in_place, out);
      }
    }
  });
}

TEST(Softmax, GivesAColumnTheSameBitsAlone) {
  ForEachInstructionSet([] {
    constexpr size_t kSize = 9, kInner = 40;
    const std::vector<float> x = RandomFloats(kSize * kInner, 1, 4.0f);
    std::vector<float> whole(x.size());
    Softmax(x.data(), kSize, kInner, {0, kInner}, whole.data());
    for (size_t first = 0; first < kInner; first += 3) {
      for (size_t end = first + 1; end <= kInner; end += 7) {
        std::vector<float> part(x.size(), -1.0f);
        Softmax(x.data(), kSize, kInner, {first, end}, part.data());
        for (size_t i = 0; i < x.size(); ++i) {
          const bool inside = i % kInner >= first && i % kInner < end;
          ASSERT_TRUE(SameBits(part[i], inside ? whole[i] : -1.0f));
        }
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
