#include "kernel/reduce.h"

#include <algorithm>

#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr ReduceKind kKinds[] = {ReduceKind::kSum, ReduceKind::kMean, ReduceKind::kMax,
                                 ReduceKind::kMin};

double Expected(ReduceKind kind, const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  switch (kind) {
    case ReduceKind::kSum:
      return sum;
    case ReduceKind::kMean:
      return sum / static_cast<double>(x.size());
    case ReduceKind::kMax:
      return *std::max_element(x.begin(), x.end());
    case ReduceKind::kMin:
      return *std::min_element(x.begin(), x.end());
  }
  return 0;
}

TEST(Reduce, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 2, 5, 16, 31, 49, 1000}) {
      for (const size_t inner : {1, 2, 16, 70}) {
        const std::vector<float> x = RandomFloats(size * inner, 1);
        for (const ReduceKind kind : kKinds) {
          std::vector<float> out(inner);
          Reduce(kind, x.data(), size, inner, {0, inner}, out.data());
          for (size_t c = 0; c < inner; ++c) {
            std::vector<double> column(size);
            for (size_t i = 0; i < size; ++i) column[i] = x[i * inner + c];
            const double expected = Expected(kind, column);
            // Rounded once, from a sum in double.
            ASSERT_NEAR(out[c], expected, 0x1p-24 * std::fabs(expected) + 1e-10)
                << "kind " << static_cast<int>(kind) << " size " << size << " column " << c;
          }
        }
      }
    }
  });
}

TEST(Reduce, GivesAColumnTheSameBitsAlone) {
  ForEachInstructionSet([] {
    constexpr size_t kSize = 9, kInner = 150;
    const std::vector<float> x = RandomFloats(kSize * kInner, 1);
    for (const ReduceKind kind : kKinds) {
      std::vector<float> whole(kInner);
      Reduce(kind, x.data(), kSize, kInner, {0, kInner}, whole.data());
      for (size_t first = 0; first < kInner; first += 7) {
        for (size_t end = first + 1; end <= kInner; end += 11) {
          std::vector<float> part(end - first);
          Reduce(kind, x.data(), kSize, kInner, {first, end}, part.data());
          for (size_t i = first; i < end; ++i) ASSERT_TRUE(SameBits(part[i - first], whole[i]));
        }
      }
    }
  });
}

TEST(Reduce, KeepsANaNAtEveryPlace) {
  ForEachInstructionSet([] {
    for (const ReduceKind kind : kKinds) {
      for (size_t place = 0; place < 40; ++place) {
        std::vector<float> x = RandomFloats(40, 1);
        x[place] = std::nanf("");
        float out[2];
        Reduce(kind, x.data(), 40, 1, {0, 1}, out);
        EXPECT_TRUE(std::isnan(out[0])) << place;
        Reduce(kind, x.data(), 20, 2, {0, 2}, out);
        EXPECT_TRUE(std::isnan(out[place % 2])) << place;
        EXPECT_FALSE(std::isnan(out[1 - place % 2])) << place;
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
