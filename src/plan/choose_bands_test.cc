#include "plan/choose_bands.h"

#include "fmt/format.h"
#include "graph/layer_builder.h"
#include "gtest/gtest.h"
#include "plan/activation_peak.h"

namespace tinyai {
namespace {

constexpr uint64_t kSize = 128;

// A narrow map, `layers` convolutions on wide ones, a narrow map.
BandedGraph WideBetweenNarrow(int layers) {
  LayerBuilder builder("wide");
  ValueId x = *builder.Input("image", {1, kSize, kSize});
  const auto conv = [&](std::string name, uint64_t ins, uint64_t outs) {
    const WeightId weight = *builder.Weight(name + ".w", DType::kF32, outs, 9 * ins);
    op::Conv kind;
    kind.window = {.size = {3, 3}, .pad_begin = {1, 1}, .pad_end = {1, 1}};
    x = *builder.Layer(std::move(name), LayerRole::kConv, kind, {x}, {weight});
  };
  conv("first", 1, 16);
  for (int i = 0; i < layers; ++i) conv(fmt::format("wide{}", i), 16, 16);
  conv("last", 16, 1);
  return WithoutBands(*builder.Finish());
}

uint64_t PeakOf(const BandedGraph& graph) { return FindActivationPeak(graph.graph, 1).bytes; }

TEST(ChooseBands, ReachesNarrowMapsThatAreFarAway) {
  const BandedGraph whole = WideBetweenNarrow(14);
  const BandedGraph cut = ChooseBands(whole, 1);
  ASSERT_EQ(cut.changes.size(), 1u);
  EXPECT_EQ(cut.changes[0].name, "first..last");
  EXPECT_LT(PeakOf(cut), PeakOf(whole) / 2);
}

TEST(ChooseBands, ComputesNoMoreAgainThanIsAskedFor) {
  const BandedGraph whole = WideBetweenNarrow(6);
  const uint64_t most = PeakOf(whole), least = PeakOf(ChooseBands(whole, 1));
  double work = Multiplications(whole.graph);
  for (uint64_t enough = most; enough >= least; enough -= most / 20) {
    const BandedGraph cut = ChooseBands(whole, 1, enough);
    EXPECT_LE(PeakOf(cut), enough);
    EXPECT_GE(Multiplications(cut.graph), work) << enough;
    work = Multiplications(cut.graph);
  }
  EXPECT_GT(work, Multiplications(whole.graph));
}

TEST(ChooseBands, LeavesWhatTakesNoMoreAlready) {
  const BandedGraph whole = WideBetweenNarrow(2);
  EXPECT_TRUE(ChooseBands(whole, 1, PeakOf(whole)).changes.empty());
}

}  // namespace
}  // namespace tinyai
