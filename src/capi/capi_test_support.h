#pragma once

// Models on disk and handles that close themselves, for the tests of this folder.

#include <tinyai/error.h>
#include <tinyai/utils/mmap_loader.h>

#include <fstream>
#include <memory>
#include <string>
#include <string_view>

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

inline std::string_view LastKey() { return tinyaiGetLastErrorKey(); }

}  // namespace tinyai::capi
