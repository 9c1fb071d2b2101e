#include "engine/convert_onnx.h"

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/graph_contents.h"
#include "format/onnx_model.h"
#include "os/file.h"
#include "os/folder.h"

namespace tinyai {
namespace {

Result<std::unique_ptr<ByteSource>> OpenExternal(const std::string& folder,
                                                 const std::string& name) {
  const std::string path = folder + "/" + name;
  switch (LookInFolder(folder, name)) {
    case FolderEntry::kFile:
      return File::Open(path);
    case FolderEntry::kOutside:
      return FailAt(ErrorCode::kBadFile, "ONNX_PATH",
                    "this is a link that leads out of the model's folder", path);
    case FolderEntry::kMissing:
      break;
  }
  return FailAt(ErrorCode::kBadFile, "ONNX_DATA",
                "the model has external data in this file, but it is not there", path);
}

}  // namespace

bool IsOnnxFile(const std::string& path) {
  if (IsFolder(path)) return false;
  const auto file = File::Open(path);
  return file && LooksLikeOnnx(**file);
}

Result<ConvertReport> ConvertOnnx(const std::string& path, const OnnxOptions& options,
                                  const std::string& target, bool replace,
                                  const std::function<bool(const WriteProgress&)>& progress) {
  TRY_ASSIGN(std::unique_ptr<File> first, File::Open(path));
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  std::vector<std::unique_ptr<ByteSource>> owned;
  TRY_ASSIGN(const OnnxModel model,
             ReadOnnx(
                 std::move(first),
                 [&](const std::string& name) { return OpenExternal(folder, name); }, owned));
  std::vector<const File*> files;
  for (const auto& part : owned) files.push_back(static_cast<const File*>(part.get()));
  const std::vector<const ByteSource*> parts(files.begin(), files.end());
  TRY_ASSIGN(const ImportedOnnx imported, ImportOnnx(model, parts, options));
  std::vector<uint32_t> order;
  TmaiContents contents = ContentsOf(imported.graph, model.name, order);
  WeightMaker weights(imported.recipes, parts);
  const TensorSource source = [&](size_t index, uint64_t offset, std::span<std::byte> out) {
    return weights.Make(order[index], offset, out);
  };
  return WriteModel(contents, source, files, target, replace, progress);
}

}  // namespace tinyai
