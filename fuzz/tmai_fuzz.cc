// Feeds any bytes to the .tmai reader, as they are and with the checksums of its tables made right,
// so that what lies behind them is reached too. What it accepts must hold together, and its blocks
// can be read and checked.

#include <cstdio>
#include <cstdlib>

#include "format/block_checker.h"
#include "format/tmai_test_support.h"

namespace {

using namespace tinyai;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

void ReadWeights(const ModelFile& file, const ByteSource& source) {
  BlockChecker checker(file, source);
  std::vector<std::byte> bytes(5000);
  for (const TensorInfo& tensor : file.tensors) {
    Require(tensor.offset <= source.size() && tensor.bytes <= source.size() - tensor.offset,
            "every tensor lies in the file");
    const uint64_t size = std::min<uint64_t>(tensor.bytes, bytes.size());
    (void)checker.ReadAt(tensor.offset, std::span(bytes).first(size));
  }
}

void Read(std::span<const std::byte> bytes) {
  const Result<ModelFile> file = ReadTmaiBytes(bytes);
  if (!file) {
    Require(!file.error().key.empty() && !file.error().file.empty(), "errors say what and where");
    return;
  }
  Require(!file->graph || CheckGraphRecords(*file->graph, file->tensors.size()).has_value(),
          "an accepted graph is one");
  ReadWeights(*file, MemorySource("small.tmai", bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  Read(bytes);
  std::vector<std::byte> fixed(bytes.begin(), bytes.end());
  FixTmaiChecksums(fixed);
  Read(fixed);
  return 0;
}
