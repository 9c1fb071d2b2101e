#include <cstdlib>

#include "engine/forward_reference.h"
#include "engine/forward_test_support.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// Graphs of any of the ops that maps have, then of those that rows have, with skips between them.
class RandomNet {
 public:
  explicit RandomNet(uint64_t seed) : random_(seed) {}

  std::unique_ptr<TestNet> Make() {
    const uint64_t channels = Pick(1, 6);
    const ValueId image = *builder_.Input("image", {channels, Pick(6, 20), Pick(6, 20)});
    input_size_ = builder_.graph().value(image).width;
    seen_ = {image};
    ValueId x = image;
    const uint64_t maps = Pick(1, 9), rows = Pick(0, 5);
    for (uint64_t i = 0; i < maps; ++i) x = See(MapOp(x));
    const Shape shape = ShapeOf(x);
    x = Add(op::Reshape{{shape[0], shape[1] * shape[2]}}, {x});
    seen_ = {x};
    for (uint64_t i = 0; i < rows; ++i) x = See(RowOp(x));
    Result<Graph> graph = builder_.Finish();
    EXPECT_TRUE(graph) << Describe(graph.error());
    return MakeNet(std::move(*graph), random_());
  }
  uint64_t input_size() const { return input_size_; }
  uint64_t Pick(uint64_t least, uint64_t most) {
    return std::uniform_int_distribution<uint64_t>(least, most)(random_);
  }

 private:
  const Shape& ShapeOf(ValueId id) const { return builder_.graph().value(id).shape; }
  ValueId See(ValueId id) { return seen_.emplace_back(id); }
  ValueId Add(OpKind kind, std::vector<ValueId> ins, std::vector<WeightId> weights = {}) {
    const std::string name = fmt::format("op{}", builder_.graph().ops.size());
    const auto made = builder_.Layer(name, LayerRole::kOther, std::move(kind), std::move(ins),
                                     std::move(weights));
    EXPECT_TRUE(made) << Describe(made.error());
    return *made;
  }
  WeightId Weight(uint64_t rows, uint64_t cols) {
    const std::string name = fmt::format("w{}", builder_.graph().weights.size());
    return *builder_.Weight(name, DType::kF32, rows, cols);
  }
  std::vector<WeightId> Vectors(size_t count, uint64_t size) {
    std::vector<WeightId> out;
    for (size_t i = 0; i < count; ++i) out.push_back(Weight(1, size));
    return out;
  }
  // Something seen before that has the same shape, or this itself.
  ValueId Like(ValueId x) {
    for (int i = 0; i < 4; ++i) {
      const ValueId other = seen_[Pick(0, seen_.size() - 1)];
      if (ShapeOf(other) == ShapeOf(x)) return other;
    }
    return x;
  }

  ValueId MapOp(ValueId x) {
    const Shape shape = ShapeOf(x);
    switch (Pick(0, 12)) {
      case 0:
      case 1:
      case 2: {
        const bool grouped = shape[0] % 2 == 0 && Pick(0, 2) == 0;
        const uint32_t groups = grouped ? 2 : 1, size = static_cast<uint32_t>(Pick(1, 3));
        const uint32_t stride = static_cast<uint32_t>(Pick(1, 2)), pad = size / 2;
        const uint64_t out = groups * Pick(1, 6);
        return Add(
            op::Conv{{{size, size}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}}, groups}, {x},
            {Weight(out, shape[0] / groups * size * size), Weight(1, out)});
      }
      case 3: {
        if (shape[1] > 24) return x;
        const uint64_t out = Pick(1, 4);
        return Add(op::ConvTranspose{{{2, 2}, {2, 2}}}, {x}, {Weight(out, shape[0] * 4)});
      }
      case 4:
        if (shape[1] < 4 || shape[2] < 4) return x;
        return Add(op::Pool{Pick(0, 1) == 0 ? op::PoolKind::kMax : op::PoolKind::kAverage,
                            {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}},
                   {x});
      case 5:
        return Add(op::Activation{static_cast<op::Function>(Pick(0, 8)), 0.1F}, {x});
      case 6:
        return Add(op::BatchNorm{1e-3F}, {x}, Vectors(4, shape[0]));
      case 7:
        return Add(op::GroupNorm{1, 1e-3F}, {x}, Vectors(2, shape[0]));
      case 8:
        return Add(op::Add{}, {x, Like(x)});
      case 9:
        return Add(op::Concat{0}, {x, Like(x)});
      case 10:
        if (shape[1] > 24) return x;
        return Add(op::Resize{{shape[1] * 2, shape[2] * 2},
                              Pick(0, 1) == 0 ? op::ResizeMode::kNearest : op::ResizeMode::kLinear},
                   {x});
      case 11: {  // x lies about while something wide is there
        const uint64_t wide = shape[0] * Pick(1, 4);
        const ValueId y = Add(op::Conv{}, {x}, {Weight(wide, shape[0])});
        return Add(op::Add{}, {Add(op::Conv{}, {y}, {Weight(shape[0], wide)}), x});
      }
      default:
        return Add(op::Mul{}, {x, Add(op::GlobalPool{op::PoolKind::kAverage}, {x})});
    }
  }
  ValueId RowOp(ValueId x) {
    const Shape shape = ShapeOf(x);
    switch (Pick(0, 5)) {
      case 0: {
        const uint64_t out = Pick(4, 40);
        return Add(op::MatMul{}, {x}, {Weight(out, shape[1]), Weight(1, out)});
      }
      case 1:
        return Add(op::LayerNorm{1e-3F}, {x}, Vectors(2, shape[1]));
      case 2:
        return Add(op::Softmax{1}, {x});
      case 3:
        return Add(op::Attend{1, 1, Pick(0, 1) == 0}, {x, Like(x), x});
      case 4:
        return Add(op::Transpose{{1, 0}}, {x});
      default: {
        const uint64_t units = Pick(2, 12);
        const ValueId gates = Add(op::MatMul{}, {x}, {Weight(4 * units, shape[1])});
        return Add(op::Recurrent{op::Cell::kLstm, Pick(0, 1) == 0}, {gates},
                   {Weight(4 * units, units)});
      }
    }
  }

  std::mt19937_64 random_;
  LayerBuilder builder_{"random"};
  std::vector<ValueId> seen_;
  uint64_t input_size_ = 0;
};

// TINYAI_RANDOM_GRAPHS=1000 takes a minute.
int RandomGraphs() {
  const char* const wanted = std::getenv("TINYAI_RANDOM_GRAPHS");
  return wanted != nullptr ? std::atoi(wanted) : 60;
}

TEST(ForwardPass, RandomGraphsStayWithinRandomLimitsWithTheSameBits) {
  int spilling = 0;
  for (int seed = 1; seed <= RandomGraphs(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomNet random(static_cast<uint64_t>(seed));
    const auto net = random.Make();
    const std::vector<std::vector<float>> inputs = {RandomInput(random.input_size())};
    const NetRun normal = RunNet(*net, {.mode = PlanMode::kNormal, .threads = 1}, inputs);
    ASSERT_FALSE(normal.error) << Describe(*normal.error);
    EXPECT_LT(Deviation(normal.outputs, ReferenceNet(*net, inputs).Outputs()), 2e-4);
    const NetRun least = RunNet(*net, {.mode = PlanMode::kStreaming, .threads = 2}, inputs);
    ASSERT_FALSE(least.error) << Describe(*least.error);
    EXPECT_EQ(least.outputs, normal.outputs);
    EXPECT_LE(least.peak_bytes, normal.peak_bytes + 2 * 1024 * 1024);  // another worker's scratch
    for (int i = 0; i < 2; ++i) {
      const uint64_t limit = random.Pick(least.peak_bytes / 2, 2 * normal.peak_bytes);
      const auto layers = static_cast<uint32_t>(net->graph.layers.size());
      std::vector<uint32_t> spilled;
      while (random.Pick(0, 3) != 0) {
        spilled.push_back(static_cast<uint32_t>(random.Pick(0, layers - 1)));
      }
      const ForwardOptions options{.mode = static_cast<PlanMode>(random.Pick(0, 3)),
                                   .memory_bytes = limit,
                                   .recompute = random.Pick(0, 1) == 0,
                                   .spill = random.Pick(0, 1) == 0,
                                   .spilled = spilled,
                                   .threads = static_cast<uint32_t>(random.Pick(1, 3))};
      const NetRun run = RunNet(*net, options, inputs, random.Pick(0, 1) == 0);
      if (run.error) {
        EXPECT_EQ(run.error->key, "BUDGET_INFEASIBLE") << Describe(*run.error);
        continue;
      }
      EXPECT_LE(run.peak_bytes, limit);
      EXPECT_EQ(run.peak_bytes, run.planned_bytes);
      EXPECT_EQ(run.outputs, normal.outputs) << Name(options.mode);
      spilling += run.spilled_bytes != 0 ? 1 : 0;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(spilling, 0);
}

}  // namespace
}  // namespace tinyai
