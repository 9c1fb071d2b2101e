#include "kernel/reshape.h"

#include <algorithm>
#include <numeric>

#include "kernel/testing.h"

namespace tinyai {
namespace {

using Shape = std::vector<uint64_t>;

uint64_t Product(std::span<const uint64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>());
}
Shape IndexesOf(uint64_t flat, const Shape& shape) {
  Shape index(shape.size());
  for (size_t a = shape.size(); a-- > 0; flat /= shape[a]) index[a] = flat % shape[a];
  return index;
}
uint64_t FlatOf(const Shape& index, const Shape& shape) {
  uint64_t flat = 0;
  for (size_t a = 0; a < shape.size(); ++a) flat = flat * shape[a] + index[a];
  return flat;
}
std::vector<float> Counted(uint64_t size) {
  std::vector<float> x(size);
  std::iota(x.begin(), x.end(), 1.0f);
  return x;
}

TEST(Transpose, MovesEveryElementForEveryOrder) {
  for (const Shape& shape : {Shape{5}, Shape{3, 40}, Shape{17, 33}, Shape{4, 3, 5},
                             Shape{2, 3, 18, 4}, Shape{2, 1, 3, 2, 3, 2}}) {
    const std::vector<float> x = Counted(Product(shape));
    std::vector<uint32_t> order(shape.size());
    std::iota(order.begin(), order.end(), 0u);
    do {
      Shape out_shape;
      for (const uint32_t a : order) out_shape.push_back(shape[a]);
      std::vector<float> out(x.size());
      const uint64_t half = out_shape[0] / 2, plane = x.size() / out_shape[0];
      Transpose(x.data(), shape, order, {0, half}, out.data());
      Transpose(x.data(), shape, order, {half, out_shape[0]}, out.data() + half * plane);
      for (uint64_t o = 0; o < out.size(); ++o) {
        const Shape to = IndexesOf(o, out_shape);
        Shape from(shape.size());
        for (size_t a = 0; a < order.size(); ++a) from[order[a]] = to[a];
        ASSERT_EQ(out[o], x[FlatOf(from, shape)]);
      }
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

struct PadCase {
  Shape in, before, after;
};

TEST(Pad, FillsEveryElement) {
  for (const PadCase& c :
       {PadCase{{5}, {2}, {4}}, PadCase{{3, 7}, {0, 3}, {2, 0}},
        PadCase{{2, 4, 3}, {0, 3, 2}, {0, 1, 2}}, PadCase{{1, 3}, {0, 2}, {0, 2}}}) {
    Shape out_shape(c.in.size());
    for (size_t a = 0; a < c.in.size(); ++a) out_shape[a] = c.before[a] + c.in[a] + c.after[a];
    const std::vector<float> x = Counted(Product(c.in));
    for (const PadKind kind : {PadKind::kConstant, PadKind::kEdge, PadKind::kReflect}) {
      std::vector<float> out(Product(out_shape));
      const PadShape shape = {c.in, c.before, out_shape, kind, -1.0f};
      const uint64_t half = out_shape[0] / 2, plane = out.size() / out_shape[0];
      Pad(shape, x.data(), {0, half}, out.data());
      Pad(shape, x.data(), {half, out_shape[0]}, out.data() + half * plane);
      for (uint64_t o = 0; o < out.size(); ++o) {
        const Shape to = IndexesOf(o, out_shape);
        Shape from(to.size());
        bool inside = true;
        for (size_t a = 0; a < to.size(); ++a) {
          auto i = static_cast<int64_t>(to[a]) - static_cast<int64_t>(c.before[a]);
          const auto last = static_cast<int64_t>(c.in[a]) - 1;
          inside = inside && i >= 0 && i <= last;
          if (kind == PadKind::kReflect) i = i < 0 ? -i : i > last ? 2 * last - i : i;
          from[a] = static_cast<uint64_t>(std::clamp<int64_t>(i, 0, last));
        }
        const float expected = inside || kind != PadKind::kConstant ? x[FlatOf(from, c.in)] : -1.0f;
        ASSERT_EQ(out[o], expected) << "kind " << static_cast<int>(kind) << " element " << o;
      }
    }
  }
}

TEST(CopyRows, CutsAndJoins) {
  const std::vector<float> x = Counted(4 * 10);
  std::vector<float> left(4 * 3), right(4 * 7), joined(4 * 10);
  CopyRows(x.data(), 10, 4, 3, left.data(), 3);
  CopyRows(x.data() + 3, 10, 4, 7, right.data(), 7);
  EXPECT_EQ(left[3], x[10]);
  CopyRows(left.data(), 3, 4, 3, joined.data(), 10);
  CopyRows(right.data(), 7, 4, 7, joined.data() + 3, 10);
  EXPECT_EQ(joined, x);
}

}  // namespace
}  // namespace tinyai
