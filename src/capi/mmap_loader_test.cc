#include <tinyai/utils/mmap_loader.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "capi/capi_test_support.h"
#include "os/thread.h"

namespace tinyai::capi {
namespace {

std::string BytesOf(const std::string& path, size_t offset, size_t size) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  return bytes;
}

TEST(MappedModel, TheDefaultsAreThoseOfTheApi) {
  const TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  EXPECT_EQ(config.maxCacheSize, size_t{256} << 20);
  EXPECT_TRUE(config.prefetchEnabled);
  EXPECT_EQ(config.prefetchThreads, 1);
  EXPECT_TRUE(config.adaptiveCaching);
  EXPECT_EQ(config.minLayerCacheSize, size_t{4} << 10);
}

TEST(MappedModel, OpeningWhatIsNoModelIsASpecificError) {
  EXPECT_EQ(tinyaiOpenMappedModel("/no/such/file", nullptr), nullptr);
  EXPECT_EQ(LastKey(), "OPEN");
  EXPECT_EQ(tinyaiGetLastError(), TINYAI_ERROR_IO);
  EXPECT_NE(std::string_view(tinyaiGetErrorMessage()).find("/no/such/file"), std::string::npos);
  EXPECT_EQ(tinyaiOpenMappedModel(nullptr, nullptr), nullptr);
  EXPECT_EQ(LastKey(), "ARG_NULL");
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  EXPECT_EQ(LastKey(), "") << "a call that succeeds clears the error";
  config.prefetchThreads = -1;
  EXPECT_EQ(tinyaiOpenMappedModel(MakeTextModel().c_str(), &config), nullptr);
  EXPECT_EQ(LastKey(), "CONFIG");
}

TEST(MappedModel, LayersAreEmbeddingBlocksAndOutput) {
  const ModelHandle model = OpenModel(MakeTextModel(2));
  ASSERT_EQ(tinyaiGetMappedLayerCount(model.get()), 6);
  const TinyAILayerRole roles[] = {TINYAI_LAYER_ROLE_EMBEDDING, TINYAI_LAYER_ROLE_ATTENTION,
                                   TINYAI_LAYER_ROLE_FFN,       TINYAI_LAYER_ROLE_ATTENTION,
                                   TINYAI_LAYER_ROLE_FFN,       TINYAI_LAYER_ROLE_OUTPUT};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(tinyaiGetLayerRole(model.get(), i), roles[i]) << i;
    const TinyAILayerDescriptor* row = tinyaiGetLayerDescriptor(model.get(), i);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->layerIndex, i);
    EXPECT_EQ(row->precision, 32);
    EXPECT_EQ(row->priority, 1);
    EXPECT_GT(row->size, 0u);
    EXPECT_STREQ(tinyaiGetLayerFormat(model.get(), i), "F32");
    EXPECT_EQ(row, tinyaiGetLayerDescriptor(model.get(), i)) << "the address never changes";
  }
  EXPECT_EQ(tinyaiGetMappedLayerCount(nullptr), -1);
}

TEST(MappedModel, WeightsAreThoseOfTheFileAndStayWhereTheyAre) {
  const std::string path = MakeTextModel(3);
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = 100'000;  // less than the layers together
  const ModelHandle model = OpenModel(path, &config);
  const int count = tinyaiGetMappedLayerCount(model.get());
  std::vector<const void*> addresses;
  for (int i = 0; i < count; ++i) {
    void* weights = tinyaiGetLayerWeights(model.get(), i);
    ASSERT_NE(weights, nullptr) << tinyaiGetErrorMessage();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(weights) % 64, 0u);
    addresses.push_back(weights);
    EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), config.maxCacheSize);
    if (i % 2 == 0) tinyaiReleaseLayerWeights(model.get(), i);
  }
  for (int i = 0; i < count; ++i) {
    const TinyAILayerDescriptor* row = tinyaiGetLayerDescriptor(model.get(), i);
    EXPECT_EQ(tinyaiGetLayerWeights(model.get(), i), addresses[static_cast<size_t>(i)]);
    EXPECT_EQ(row->accessCount, 2u);
    EXPECT_GT(row->lastAccessed, 0u);
    // The first 256 bytes belong to the first tensor, wherever the rest lies.
    EXPECT_EQ(
        std::memcmp(addresses[static_cast<size_t>(i)], BytesOf(path, row->offset, 256).data(), 256),
        0)
        << i;
  }
}

TEST(MappedModel, TheDescriptorTellsWhatIsCached) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const TinyAILayerDescriptor* row = tinyaiGetLayerDescriptor(model.get(), 1);
  EXPECT_FALSE(row->isActive);
  EXPECT_EQ(row->cachedWeights, nullptr);
  void* weights = tinyaiGetLayerWeights(model.get(), 1);
  EXPECT_TRUE(row->isActive);
  EXPECT_EQ(row->cachedWeights, weights);
  TinyAILayerDescriptor copy;
  ASSERT_TRUE(tinyaiGetLayerSnapshot(model.get(), 1, &copy));
  EXPECT_EQ(copy.cachedWeights, weights);
  EXPECT_EQ(copy.size, row->size);
  tinyaiReleaseLayerWeights(model.get(), 1);
  EXPECT_FALSE(row->isActive);
  EXPECT_EQ(row->cachedWeights, nullptr);
}

TEST(MappedModel, ALayerLargerThanTheCacheIsServedFromTheFile) {
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = 0;
  const ModelHandle model = OpenModel(MakeTextModel(), &config);
  ASSERT_NE(tinyaiGetLayerWeights(model.get(), 1), nullptr);
  const TinyAILayerDescriptor* row = tinyaiGetLayerDescriptor(model.get(), 1);
  EXPECT_TRUE(row->isActive);
  EXPECT_EQ(row->cachedWeights, nullptr);
  EXPECT_EQ(tinyaiGetMappedModelMemoryUsage(model.get()), 0u);
  EXPECT_FALSE(tinyaiPrefetchLayerWeights(model.get(), 2));
  EXPECT_EQ(LastKey(), "CACHE_FULL");
}

TEST(MappedModel, BadArgumentsChangeNothing) {
  const ModelHandle model = OpenModel(MakeTextModel());
  TinyAIMappedModel* const m = model.get();
  for (const int bad : {-1, 6, 1 << 30, INT32_MIN}) {
    EXPECT_EQ(tinyaiGetLayerWeights(m, bad), nullptr);
    EXPECT_EQ(LastKey(), "ARG_INDEX");
    EXPECT_EQ(tinyaiGetLayerDescriptor(m, bad), nullptr);
    EXPECT_FALSE(tinyaiPrefetchLayerWeights(m, bad));
    tinyaiReleaseLayerWeights(m, bad);
    EXPECT_EQ(LastKey(), "ARG_INDEX");
    tinyaiSetLayerPriority(m, bad, 1.0f);
    EXPECT_EQ(LastKey(), "ARG_INDEX");
  }
  tinyaiSetLayerPriority(m, 0, std::nanf(""));
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(tinyaiGetLayerDescriptor(m, 0)->priority, 1);
  tinyaiSetLayerPriority(m, 0, 2.5f);
  EXPECT_EQ(tinyaiGetLayerDescriptor(m, 0)->priority, 2.5f);
  tinyaiResetLayerPriorities(m);
  EXPECT_EQ(tinyaiGetLayerDescriptor(m, 0)->priority, 1);
}

TEST(MappedModel, AFileThatIsCutWhileOpenIsAnErrorAndNoSignal) {
  const std::string path = MakeTextModel();
  const ModelHandle model = OpenModel(path);
  const TinyAILayerDescriptor* last = tinyaiGetLayerDescriptor(model.get(), 5);
  std::filesystem::resize_file(path, last->offset + last->size / 2);
  EXPECT_EQ(tinyaiGetLayerWeights(model.get(), 5), nullptr);
  EXPECT_EQ(LastKey(), "MODEL_CHANGED");
  EXPECT_NE(tinyaiGetLayerWeights(model.get(), 0), nullptr) << "the next call works";
}

TEST(MappedModel, ADamagedLayerIsFoundWhenItIsFirstRead) {
  DenseModel dense(64);
  dense.Dense(dense.Dense(dense.Dense(dense.input())));
  const std::string path = dense.Save();
  const TinyAILayerDescriptor whole = *tinyaiGetLayerDescriptor(OpenModel(path).get(), 1);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(whole.offset + whole.size - 1));
  file.put('\x7f');
  file.close();
  for (const size_t limit : {size_t{1} << 20, size_t{0}}) {  // kept, and served from the file
    TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
    config.maxCacheSize = limit;
    config.prefetchEnabled = false;
    const ModelHandle model = OpenModel(path, &config);
    EXPECT_NE(tinyaiGetLayerWeights(model.get(), 0), nullptr);
    for (int attempt = 0; attempt < 2; ++attempt) {
      EXPECT_EQ(tinyaiGetLayerWeights(model.get(), 1), nullptr);
      EXPECT_EQ(LastKey(), "TMAI_CHECKSUM");
    }
    EXPECT_FALSE(tinyaiGetLayerDescriptor(model.get(), 1)->isActive);
    EXPECT_NE(tinyaiGetLayerWeights(model.get(), 2), nullptr) << "the next call works";
  }
}

TEST(MappedModel, AFileMayBeDeletedOrOpenedTwice) {
  const std::string path = MakeTextModel();
  const ModelHandle first = OpenModel(path), second = OpenModel(path);
  std::filesystem::remove(path);
  const size_t size = tinyaiGetLayerDescriptor(first.get(), 2)->size;
  EXPECT_EQ(std::memcmp(tinyaiGetLayerWeights(first.get(), 2),
                        tinyaiGetLayerWeights(second.get(), 2), size),
            0);
}

TEST(MappedModel, FunctionsMayBeCalledFromAnyThread) {
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = 200'000;
  config.prefetchThreads = 2;
  const ModelHandle model = OpenModel(MakeTextModel(3), &config);
  std::vector<Thread> threads;
  for (int t = 0; t < 3; ++t) {
    auto thread = Thread::Start({}, [&, t] {
      for (int i = 0; i < 60; ++i) {
        const int layer = (i * (t + 2) + t) % 8;
        EXPECT_NE(tinyaiGetLayerWeights(model.get(), layer), nullptr);
        if (i % 3 == 0) tinyaiReleaseLayerWeights(model.get(), layer);
        if (i % 4 == 0) (void)tinyaiPrefetchLayerWeights(model.get(), (layer + 3) % 8);
        TinyAILayerDescriptor copy;
        EXPECT_TRUE(tinyaiGetLayerSnapshot(model.get(), layer, &copy));
        EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), config.maxCacheSize);
      }
    });
    ASSERT_TRUE(thread);
    threads.push_back(std::move(*thread));
  }
}

}  // namespace
}  // namespace tinyai::capi
