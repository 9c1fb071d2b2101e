#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/model_file.h"
#include "os/file.h"

namespace tinyai {

// A model's header with the files that it came from.
struct OpenedModelFile {
  ModelFile file;
  std::vector<std::unique_ptr<ByteSource>> owned;
  std::vector<const File*> sources;              // the same, by part
  std::shared_ptr<const void> holder = nullptr;  // what the files are there through, if it is more
};

// Opens a model of any format, or the folder of a Hugging Face model. Errors: those of opening, of
// ReadModelFile and ReadHfDirectory.
Result<OpenedModelFile> OpenModelFile(const std::string& path);
Result<OpenedModelFile> OpenModelFile(std::unique_ptr<File> first);

}  // namespace tinyai
