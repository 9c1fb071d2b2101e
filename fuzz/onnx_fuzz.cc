// Feeds any bytes to the reader of ONNX models, and what it accepts to the importer; every piece of
// every weight of what that makes can be read.

#include <cstdlib>

#include "format/onnx_test_support.h"
#include "onnx/import_onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  const OnnxFiles beside = {{"w", std::string(256, 'w')}};
  const OpenOnnx read =
      ReadOnnxBytes(std::string_view(reinterpret_cast<const char*>(data), size), beside);
  const auto check = [](const Error& error) {
    if (error.key.empty() || error.message.empty()) std::abort();
  };
  if (!read.model) {
    check(read.model.error());
    return 0;
  }
  const std::vector<const ByteSource*> parts = read.parts();
  const Result<ImportedOnnx> net = ImportOnnx(*read.model, parts, {{{"seq", 3}}});
  if (!net) {
    check(net.error());
    return 0;
  }
  if (net->recipes.size() != net->graph.weights.size()) std::abort();
  WeightMaker maker(net->recipes, parts);
  for (size_t i = 0; i < net->recipes.size(); ++i) {
    const Weight& weight = net->graph.weights[i];
    std::vector<std::byte> bytes(std::min<uint64_t>(weight.bytes, 4096));
    if (!maker.Make(i, 0, bytes)) std::abort();
    if (!maker.Make(i, weight.bytes - bytes.size(), bytes)) std::abort();
  }
  return 0;
}
