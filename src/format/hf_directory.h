#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "format/model_file.h"

namespace tinyai {

// The folder of a Hugging Face model as its reader sees it: files by name, never a list of them.
struct ModelDirectory {
  enum class Entry { kMissing, kFile, kOutside };  // kOutside: a link that leads out of the folder
  std::string path;
  std::function<Entry(const std::string& name)> look;
  std::function<Result<std::unique_ptr<ByteSource>>(const std::string& name)> open;
  // A file that is not on the disk.
  std::function<Result<std::unique_ptr<ByteSource>>(std::string label,
                                                    std::span<const std::byte> bytes)>
      in_memory;
};

// Reads config.json, the headers of the safetensors files, and the tokenizer, into what a GGUF file
// of the same model would say; the rows of q and k stay as they are (`rope.adjacent` false).
// Vectors become F32, as everywhere: they are a part of their own, which is in memory. Nothing else
// in the folder is opened. Errors: ST_*, CONFIG, MODEL_FORMAT (weights only in a form that holds
// programs), those of ReadHfConfig and ReadHfTokenizer.
Result<ModelFile> ReadHfDirectory(const ModelDirectory& directory,
                                  std::vector<std::unique_ptr<ByteSource>>& parts_out);

}  // namespace tinyai
