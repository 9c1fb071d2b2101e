#include "engine/open_model_file.h"

#include "format/hf_directory.h"
#include "os/folder.h"

namespace tinyai {
namespace {

// The folder of a Hugging Face model: a file is opened by its name, if it is a file of this folder.
ModelDirectory OpenDirectory(const std::string& path) {
  return {.path = path,
          .look =
              [path](const std::string& name) {
                switch (LookInFolder(path, name)) {
                  case FolderEntry::kFile:
                    return ModelDirectory::Entry::kFile;
                  case FolderEntry::kOutside:
                    return ModelDirectory::Entry::kOutside;
                  case FolderEntry::kMissing:
                    break;
                }
                return ModelDirectory::Entry::kMissing;
              },
          .open = [path](const std::string& name) { return File::Open(path + "/" + name); },
          .in_memory = File::InMemory};
}

Result<OpenedModelFile> OpenFolder(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  OpenedModelFile out;
  TRY_ASSIGN(out.file, ReadHfDirectory(OpenDirectory(path), out.owned));
  for (const std::unique_ptr<ByteSource>& part : out.owned) {
    out.sources.push_back(static_cast<const File*>(part.get()));  // OpenDirectory opens no others
  }
  return out;
}

}  // namespace

Result<OpenedModelFile> OpenModelFile(const std::string& path) {
  if (IsFolder(path)) return OpenFolder(path);
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
