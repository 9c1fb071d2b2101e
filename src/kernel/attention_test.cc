#include "kernel/attention.h"

#include <limits>

#include "kernel/testing.h"

namespace tinyai {
namespace {

struct Cache {
  Cache(DType key, DType value, size_t head_dim, size_t positions, uint32_t seed)
      : keys(Fill(key, head_dim, positions, seed)),
        values(Fill(value, head_dim, positions, seed + 1)) {
    head = {key, value, keys.data(), values.data()};
    key_floats = Decode(key, keys, head_dim, positions);
    value_floats = Decode(value, values, head_dim, positions);
  }
  static std::vector<std::byte> Fill(DType type, size_t head_dim, size_t positions, uint32_t seed) {
    const size_t row = RowBytes(type, head_dim);
    std::vector<std::byte> bytes(row * positions);
    const std::vector<float> x = RandomFloats(head_dim * positions, seed);
    for (size_t p = 0; p < positions; ++p) {
      EncodeRow(x.data() + p * head_dim, head_dim, type, bytes.data() + p * row);
    }
    return bytes;
  }
  static std::vector<float> Decode(DType type, const std::vector<std::byte>& bytes, size_t head_dim,
                                   size_t positions) {
    std::vector<float> floats(head_dim * positions);
    for (size_t p = 0; p < positions; ++p) {
      DecodeRow(type, bytes.data() + p * RowBytes(type, head_dim),
                std::span(floats).subspan(p * head_dim, head_dim));
    }
    return floats;
  }

  std::vector<std::byte> keys, values;
  std::vector<float> key_floats, value_floats;
  KvHead head;
};

// One head in double.
std::vector<double> Reference(const float* q, size_t head_dim, const Cache& cache, size_t first,
                              size_t end, double scale) {
  std::vector<double> scores, out(head_dim);
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t p = first; p < end; ++p) {
    double dot = 0;
    for (size_t i = 0; i < head_dim; ++i) {
      dot += static_cast<double>(q[i]) * cache.key_floats[p * head_dim + i];
    }
    scores.push_back(dot * scale);
    largest = std::max(largest, scores.back());
  }
  for (double& s : scores) sum += s = std::exp(s - largest);
  for (size_t p = first; p < end; ++p) {
    for (size_t i = 0; i < head_dim; ++i) {
      out[i] += scores[p - first] / sum * cache.value_floats[p * head_dim + i];
    }
  }
  return out;
}

TEST(Attend, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kQ8_0};
    for (const DType key : kTypes) {
      for (const DType value : kTypes) {
        for (const size_t head_dim : {1, 6, 20, 32, 64, 80, 96, 100, 128}) {
          const bool q8 = key == DType::kQ8_0 || value == DType::kQ8_0;
          if (q8 && head_dim % 32 != 0) continue;
          const Cache cache(key, value, head_dim, 90, 1);
          for (const size_t group : {1, 2, 3, 4, 5, 8}) {
            const size_t first = 10 * (group % 2), end = first + (group == 3 ? 1 : 40 + group);
            const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
            const std::vector<float> q = RandomFloats(group * head_dim, 3);
            std::vector<float> scores(group * (end - first)), out(group * head_dim);
            Attend(q.data(), group, head_dim, cache.head, first, end, scale, scores.data(),
                   out.data());
            for (size_t h = 0; h < group; ++h) {
              const std::vector<double> expected =
                  Reference(q.data() + h * head_dim, head_dim, cache, first, end, scale);
              for (size_t i = 0; i < head_dim; ++i) {
                // Scores up to 5 are wrong by some 10 roundings of their parts, each weight by as
                // much relatively; values are below 5.
                EXPECT_NEAR(out[h * head_dim + i], expected[i], 5 * 100 * 0x1p-24)
                    << Name(key) << "/" << Name(value) << " head_dim " << head_dim << " head " << h;
              }
            }
          }
        }
      }
    }
  });
}

TEST(Attend, GivesAHeadTheSameBitsInAnyGroup) {
  ForEachInstructionSet([] {
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      constexpr size_t kDim = 96, kGroup = 7, kEnd = 131;
      const Cache cache(type, type, kDim, kEnd, 4);
      const std::vector<float> q = RandomFloats(kGroup * kDim, 5);
      std::vector<float> scores(kGroup * kEnd), whole(kGroup * kDim), one(kDim);
      Attend(q.data(), kGroup, kDim, cache.head, 0, kEnd, 0.1f, scores.data(), whole.data());
      for (size_t h = 0; h < kGroup; ++h) {
        Attend(q.data() + h * kDim, 1, kDim, cache.head, 0, kEnd, 0.1f, scores.data(), one.data());
        for (size_t i = 0; i < kDim; ++i) EXPECT_TRUE(SameBits(one[i], whole[h * kDim + i])) << h;
      }
    }
  });
}

TEST(Attend, SurvivesScoresThatWouldOverflow) {
  ForEachInstructionSet([] {
    constexpr size_t kDim = 32, kEnd = 40;
    const Cache cache(DType::kF32, DType::kF32, kDim, kEnd, 6);
    const std::vector<float> q = RandomFloats(kDim, 7, 1e6f);
    std::vector<float> scores(kEnd), out(kDim);
    Attend(q.data(), 1, kDim, cache.head, 0, kEnd, 1.0f, scores.data(), out.data());
    const std::vector<double> expected = Reference(q.data(), kDim, cache, 0, kEnd, 1.0);
    for (size_t i = 0; i < kDim; ++i) EXPECT_NEAR(out[i], expected[i], 1e-5);
  });
}

TEST(Attend, CarriesNaNAndMakesZerosOfNoPositions) {
  ForEachInstructionSet([] {
    const Cache cache(DType::kF16, DType::kF16, 64, 20, 8);
    std::vector<float> q = RandomFloats(64, 9), scores(20), out(64, 1.0f);
    Attend(q.data(), 1, 64, cache.head, 5, 5, 1.0f, scores.data(), out.data());
    EXPECT_EQ(out, std::vector<float>(64, 0.0f));
    q[3] = std::numeric_limits<float>::quiet_NaN();
    Attend(q.data(), 1, 64, cache.head, 0, 20, 1.0f, scores.data(), out.data());
    for (const float v : out) EXPECT_TRUE(std::isnan(v));
  });
}

}  // namespace
}  // namespace tinyai
