#pragma once

// Layer graphs of shapes that several tests need.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/forward_test_support.h"
#include "fmt/format.h"

namespace tinyai {

inline op::Window Square(uint32_t size, uint32_t stride, uint32_t pad) {
  return {{size, size}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

// Adds ops with weights of their own.
struct NetWriter {
  LayerBuilder builder{"net"};

  ValueId Conv(const std::string& name, ValueId in, uint64_t channels, op::Window window,
               uint32_t groups = 1, bool bias = true) {
    const uint64_t cols =
        builder.graph().value(in).shape[0] / groups * window.size[0] * window.size[1];
    std::vector<WeightId> weights = {
        *builder.Weight(name + ".weight", DType::kF32, channels, cols)};
    if (bias) weights.push_back(*builder.Vector(name + ".bias", channels));
    return Take(builder.Layer(name, LayerRole::kConv, op::Conv{window, groups}, {in}, weights));
  }
  ValueId Dense(const std::string& name, ValueId in, uint64_t rows) {
    const uint64_t cols = builder.graph().value(in).shape.back();
    return Take(builder.Layer(name, LayerRole::kFeedForward, op::MatMul{}, {in},
                              {*builder.Weight(name + ".weight", DType::kF32, rows, cols),
                               *builder.Vector(name + ".bias", rows)}));
  }
  ValueId Op(const std::string& name, OpKind kind, std::vector<ValueId> ins,
             std::vector<WeightId> weights = {}) {
    return Take(builder.Layer(name, LayerRole::kOther, std::move(kind), std::move(ins),
                              std::move(weights)));
  }
  static ValueId Take(Result<ValueId> made) {
    EXPECT_TRUE(made) << Describe(made.error());
    return *made;
  }
  std::unique_ptr<TestNet> Finish() {
    Result<Graph> graph = builder.Finish();
    EXPECT_TRUE(graph) << Describe(graph.error());
    return MakeNet(std::move(*graph));
  }
};

inline std::unique_ptr<TestNet> UShapedNet(uint64_t size = 32) {
  NetWriter net;
  ValueId x = *net.builder.Input("image", {2, size, size});
  std::vector<ValueId> skips;
  for (uint64_t level = 0; level < 3; ++level) {
    const std::string name = fmt::format("down{}", level);
    x = net.Conv(name, x, 8 << level, Square(3, 1, 1));
    x = net.Op(name + ".act", op::Activation{op::Function::kRelu}, {x});
    skips.push_back(x);
    x = net.Op(name + ".pool", op::Pool{op::PoolKind::kMax, Square(2, 2, 0)}, {x});
  }
  x = net.Conv("middle", x, 32, Square(3, 1, 1));
  for (uint64_t level = 3; level-- > 0;) {
    const std::string name = fmt::format("up{}", level);
    const uint64_t in = net.builder.graph().value(x).shape[0], channels = 8 << level;
    x = net.Op(name, op::ConvTranspose{Square(2, 2, 0)}, {x},
               {*net.builder.Weight(name + ".weight", DType::kF32, channels, in * 4)});
    x = net.Op(name + ".concat", op::Concat{0}, {x, skips[level]});
    x = net.Conv(name + ".conv", x, channels, Square(3, 1, 1));
    x = net.Op(name + ".act", op::Activation{op::Function::kRelu}, {x});
  }
  net.Conv("last", x, 2, Square(1, 1, 0));
  return net.Finish();
}

// `first` lies unused where the most is needed; each of its elements costs `depth` multiplications.
inline std::unique_ptr<TestNet> LateReaderNet(uint64_t depth = 2) {
  NetWriter writer;
  const ValueId image = *writer.builder.Input("image", {depth, 32, 32});
  const ValueId first = writer.Conv("first", image, 16, Square(3, 1, 1));
  ValueId x = writer.Conv("second", first, 16, Square(3, 1, 1));
  x = writer.Conv("wide", x, 64, Square(1, 1, 0));
  x = writer.Conv("narrow", x, 16, Square(1, 1, 0));
  writer.Op("sum", op::Add{}, {x, first});
  return writer.Finish();
}
inline constexpr uint64_t kLateBytes = 16 * 32 * 32 * sizeof(float);

}  // namespace tinyai
