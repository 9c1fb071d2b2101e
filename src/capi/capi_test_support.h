#pragma once

// Models on disk and handles that close themselves, for the tests of this folder.

#include <tinyai/builder.h>
#include <tinyai/error.h>
#include <tinyai/utils/forward_scheduler.h>
#include <tinyai/utils/mmap_loader.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "make_model/make_model.h"
#include "os/testing.h"

namespace tinyai::capi {

inline const ScratchDirectory& Scratch() {
  static const ScratchDirectory directory;
  return directory;
}

// A text model of 1 + 2 * blocks + 1 layers.
inline std::string MakeTextModel(uint32_t blocks = 2, uint64_t seed = 1) {
  static int count = 0;
  const std::string path = (Scratch().path() / fmt::format("text{}.gguf", count++)).string();
  const Status made = testing_models::MakeModel({.n_layer = blocks, .seed = seed}, path);
  EXPECT_TRUE(made) << tinyai::Describe(made.error());
  return path;
}

// A handle with the function that gives it back.
template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;
using ModelHandle = Handle<TinyAIMappedModel>;

inline ModelHandle OpenModel(const std::string& path, const TinyAIMmapConfig* config = nullptr) {
  TinyAIMappedModel* model = tinyaiOpenMappedModel(path.c_str(), config);
  EXPECT_NE(model, nullptr) << tinyaiGetErrorMessage();
  return {model, tinyaiCloseMappedModel};
}

// Numbers that keep activations of a sane size.
inline std::vector<float> SomeWeights(size_t rows, size_t cols, uint32_t seed) {
  std::vector<float> out(rows * cols);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto mixed = static_cast<uint32_t>(i * 2654435761u + seed * 40503u) >> 8;
    out[i] = (static_cast<float>(mixed % 2001) / 1000 - 1) / std::sqrt(static_cast<float>(cols));
  }
  return out;
}

// A model of dense layers, each of one op; makes them one by one.
class DenseModel {
 public:
  explicit DenseModel(size_t width = 64) : width_(width) {
    input_ = tinyaiBuilderAddInput(builder_.get(), "x", &width_, 1);
  }
  int input() const { return input_; }
  // The value that the layer makes.
  int Dense(int from) {
    const int layer = layers_++;
    weights_.push_back(SomeWeights(width_, width_, static_cast<uint32_t>(layer)));
    const std::string name = fmt::format("dense.{}", layer);
    const int weight = tinyaiBuilderAddWeight(builder_.get(), name.c_str(), "F32", width_, width_,
                                              weights_.back().data());
    const int value =
        tinyaiBuilderAddOp(builder_.get(), name.c_str(), "dense", nullptr, &from, 1, &weight, 1);
    EXPECT_EQ(tinyaiBuilderEndLayer(builder_.get(), name.c_str(), TINYAI_LAYER_ROLE_FFN), layer)
        << tinyaiGetErrorMessage();
    return value;
  }
  int Add(int a, int b) {
    const std::string name = fmt::format("add.{}", layers_);
    const int both[] = {a, b};
    const int value =
        tinyaiBuilderAddOp(builder_.get(), name.c_str(), "add", nullptr, both, 2, nullptr, 0);
    tinyaiBuilderEndLayer(builder_.get(), name.c_str(), TINYAI_LAYER_ROLE_OTHER);
    ++layers_;
    return value;
  }
  std::string Save() {
    static int count = 0;
    const std::string path = (Scratch().path() / fmt::format("dense{}.tmai", count++)).string();
    EXPECT_TRUE(tinyaiSaveBuiltModel(builder_.get(), path.c_str())) << tinyaiGetErrorMessage();
    return path;
  }
  // What the layers compute, in double precision.
  std::vector<double> Apply(int layer, const std::vector<double>& x) const {
    std::vector<double> y(width_);
    for (size_t r = 0; r < width_; ++r) {
      for (size_t c = 0; c < width_; ++c) {
        y[r] += static_cast<double>(weights_[static_cast<size_t>(layer)][r * width_ + c]) * x[c];
      }
    }
    return y;
  }

 private:
  size_t width_;
  Handle<TinyAIModelBuilder> builder_{tinyaiCreateModelBuilder("dense"), tinyaiFreeModelBuilder};
  int input_ = -1;
  int layers_ = 0;
  std::deque<std::vector<float>> weights_;  // the builder reads them when it saves
};

// A scheduler of all layers of the model, each reading the one before, that is prepared; the last
// one's output has `output_bytes`, 0: what the model says.
inline Handle<TinyAIForwardScheduler> PrepareChain(TinyAIMappedModel* model,
                                                   TinyAIExecutionMode mode, size_t memory,
                                                   size_t output_bytes = 0) {
  Handle<TinyAIForwardScheduler> scheduler(tinyaiCreateForwardScheduler(model, mode, memory),
                                           tinyaiDestroyForwardScheduler);
  const int layers = tinyaiGetMappedLayerCount(model);
  for (int i = 0; i < layers; ++i) {
    EXPECT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                         i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE,
                                         i + 1 == layers ? output_bytes : 0))
        << tinyaiGetErrorMessage();
  }
  EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  return scheduler;
}

// That a text model still has something to say for so many tokens.
inline void ExpectItWrites(TinyAIMappedModel* model, int tokens) {
  const auto scheduler = PrepareChain(model, TINYAI_EXEC_ADAPTIVE, 0, 32);
  char output[32];
  for (int i = 0; i < tokens * tinyaiGetMappedLayerCount(model); ++i) {
    EXPECT_TRUE(tinyaiExecuteNextLayer(scheduler.get(), "Hi", output, nullptr))
        << tinyaiGetErrorMessage();
  }
}

inline std::string_view LastKey() { return tinyaiGetLastErrorKey(); }

}  // namespace tinyai::capi
