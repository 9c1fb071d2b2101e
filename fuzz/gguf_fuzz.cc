// Feeds any bytes to the GGUF reader. What it accepts must hold together; what it refuses must have
// a key and the path of the file.

#include <cstdio>
#include <cstdlib>

#include "format/gguf_test_support.h"

namespace {

using namespace tinyai;

constexpr const char* kPath = "m-00001-of-00002.gguf";  // so that split files open their sibling

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what.c_str());
  std::abort();
}

// Asks for every key in every way; no answer matters, only that there is one.
void AskForEverything(const ModelFile& file) {
  for (const Metadata::Entry& entry : file.metadata.entries()) {
    (void)file.metadata.OptionalUint(entry.key);
    (void)file.metadata.OptionalFloat(entry.key);
    (void)file.metadata.OptionalBool(entry.key);
    (void)file.metadata.OptionalString(entry.key);
    (void)file.metadata.OptionalInts(entry.key);
    (void)file.metadata.OptionalFloats(entry.key);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  const OpenSource open = [bytes](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    return std::make_unique<MemorySource>(path, bytes);
  };
  std::vector<std::unique_ptr<ByteSource>> parts;
  const Result<ModelFile> file =
      ReadGguf(std::make_unique<MemorySource>(kPath, bytes), open, parts);
  if (file) {
    const std::string contradiction = FindContradiction(*file);
    Require(contradiction.empty(), contradiction);
    AskForEverything(*file);
  } else {
    Require(!file.error().key.empty() && !file.error().file.empty(), "errors say what and where");
  }
  PartialModelFile partial =
      ReadGgufPartial(std::make_unique<MemorySource>(kPath, bytes), open, parts);
  Require(partial.error.has_value() != file.has_value(), "both readers agree");
  AskForEverything(partial.file);
  partial.file.metadata.DropTokenizerArrays();
  AskForEverything(partial.file);
  return 0;
}
