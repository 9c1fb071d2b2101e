#include "engine/open_model_file.h"

namespace tinyai {

Result<OpenedModelFile> OpenModelFile(const std::string& path) {
  TRY_ASSIGN(std::unique_ptr<File> file, File::Open(path));
  return OpenModelFile(std::move(file));
}

Result<OpenedModelFile> OpenModelFile(std::unique_ptr<File> first) {
  OpenedModelFile out;
  out.sources.push_back(first.get());
  const OpenSource open = [&](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    TRY_ASSIGN(std::unique_ptr<File> part, File::Open(path));
    out.sources.push_back(part.get());
    return part;
  };
  TRY_ASSIGN(out.file, ReadModelFile(std::move(first), open, out.owned));
  return out;
}

}  // namespace tinyai
