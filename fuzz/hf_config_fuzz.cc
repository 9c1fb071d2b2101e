// Feeds any text as the config.json of a folder that is right otherwise.

#include <cstdlib>

#include "format/hf_test_support.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  HfFiles files = SmallHfFiles();
  files["config.json"] = std::string(reinterpret_cast<const char*>(data), size);
  const Result<ModelFile> file = ReadHfFiles(files);
  if (!file && (file.error().key.empty() || file.error().message.empty())) std::abort();
  return 0;
}
