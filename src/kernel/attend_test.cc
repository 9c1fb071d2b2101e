#include "kernel/attend.h"

#include <algorithm>
#include <limits>

#include "kernel/testing.h"

namespace tinyai {
namespace {

struct Case {
  uint64_t queries, keys, heads, kv_heads, head_dim, value_dim;
  bool causal, masked;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {1, 1, 1, 1, 1, 1, false, false},   {9, 9, 2, 2, 16, 16, false, false},
      {9, 9, 2, 2, 16, 16, true, false},  {5, 33, 4, 2, 20, 12, false, false},
      {6, 40, 4, 1, 32, 70, true, false}, {7, 19, 3, 3, 5, 33, false, true},
      {11, 11, 2, 1, 64, 64, true, true}, {13, 100, 1, 1, 64, 64, false, false},
  };
  return cases;
}

// Operands that lie in one matrix of rows q | k | v, as one product gives them.
struct Data {
  AttendShape shape;
  std::vector<float> matrix, mask;
  AttendOperands operands;

  explicit Data(const Case& c) {
    const uint64_t q = c.heads * c.head_dim, k = c.kv_heads * c.head_dim;
    const uint64_t v = c.kv_heads * c.value_dim, row = q + k + v;
    const uint64_t out = c.heads * c.value_dim + 3;
    shape = {c.queries,
             c.keys,
             c.heads,
             c.kv_heads,
             c.head_dim,
             c.value_dim,
             row,
             row,
             row,
             out,
             1 / std::sqrt(static_cast<float>(c.head_dim)),
             c.causal};
    matrix = RandomFloats(row * std::max(c.queries, c.keys), 1);
    operands = {matrix.data(), matrix.data() + q, matrix.data() + q + k};
    if (c.masked) {
      mask = RandomFloats(c.queries * c.keys, 2);
      for (size_t i = 0; i < mask.size(); i += 3) {
        mask[i] = -std::numeric_limits<float>::infinity();
      }
      std::fill_n(mask.begin() + static_cast<ptrdiff_t>(c.keys), c.keys,
                  -std::numeric_limits<float>::infinity());  // query 1 sees nothing
      shape.mask = mask.data();
    }
  }
  std::vector<float> Run(IndexRange queries, IndexRange heads) const {
    struct alignas(64) Line {
      std::byte bytes[64];
    };
    const uint64_t bytes = AttendWorkspaceBytes(shape);
    std::vector<Line> workspace(bytes / 64);
    std::vector<float> out(shape.queries * shape.out_stride, -7.0f);
    AttendRows(shape, operands, queries, heads,
               {reinterpret_cast<std::byte*>(workspace.data()), bytes}, out.data());
    return out;
  }
  std::vector<float> RunAll() const { return Run({0, shape.queries}, {0, shape.heads}); }
};

TEST(AttendRows, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const Case& c : Cases()) {
      const Data data(c);
      const AttendShape& s = data.shape;
      const std::vector<float> out = data.RunAll();
      for (uint64_t i = 0; i < c.queries; ++i) {
        for (uint64_t h = 0; h < c.heads; ++h) {
          const uint64_t kv = h / (c.heads / c.kv_heads);
          const uint64_t count = c.causal ? i + c.keys - c.queries + 1 : c.keys;
          std::vector<double> weight(count);
          double total = 0;
          for (uint64_t p = 0; p < count; ++p) {
            double score = 0;
            for (uint64_t e = 0; e < c.head_dim; ++e) {
              score += static_cast<double>(data.operands.q[i * s.q_stride + h * c.head_dim + e]) *
                       data.operands.k[p * s.k_stride + kv * c.head_dim + e];
            }
            score *= s.scale;
            if (c.masked) score += data.mask[i * c.keys + p];
            weight[p] = std::exp(score);
            total += weight[p];
          }
          for (uint64_t e = 0; e < c.value_dim; ++e) {
            double sum = 0;
            for (uint64_t p = 0; p < count; ++p) {
              sum += weight[p] * data.operands.v[p * s.v_stride + kv * c.value_dim + e];
            }
            // Values below 5 with weights that add up to one, each within the score's error
            // (sums of up to 64 products of scores below 10) and 4e-7.
            ASSERT_NEAR(out[i * s.out_stride + h * c.value_dim + e], total == 0 ? 0 : sum / total,
                        5 * (64 * 10 * 0x1p-24 + 1e-6))
                << "query " << i << " head " << h << " element " << e;
          }
        }
      }
    }
  });
}

TEST(AttendRows, GivesTheSameBitsHoweverQueriesAndHeadsAreDivided) {
  ForEachInstructionSet([] {
    for (const Case& c : Cases()) {
      const Data data(c);
      const AttendShape& s = data.shape;
      const std::vector<float> whole = data.RunAll();
      for (uint64_t first = 0; first < c.queries; ++first) {
        for (uint64_t end = first + 1; end <= c.queries; ++end) {
          const IndexRange heads = {first % c.heads, c.heads};
          const std::vector<float> part = data.Run({first, end}, heads);
          for (size_t k = 0; k < whole.size(); ++k) {
            const uint64_t query = k / s.out_stride, col = k % s.out_stride;
            const bool inside = query >= first && query < end && col >= heads.first * c.value_dim &&
                                col < heads.end * c.value_dim;
            ASSERT_TRUE(SameBits(part[k], inside ? whole[k] : -7.0f));
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
