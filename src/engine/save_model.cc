#include "engine/save_model.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/open_model_file.h"
#include "os/folder.h"

namespace tinyai {
namespace {

// A file that the model holds open.
class HeldFile : public ByteSource {
 public:
  explicit HeldFile(const File& file) : file_(file) {}
  const std::string& path() const override { return file_.path(); }
  uint64_t size() const override { return file_.size(); }
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const override {
    return file_.ReadAt(offset, out);
  }

 private:
  const File& file_;
};

// The header again, of an open model that has dropped its vocabulary and maybe more: from the files
// that it holds, wherever they are by now. The tables of a folder are only at its path.
Result<ModelFile> ReadAgain(const MappedModel& model) {
  const std::vector<const File*>& own = model.model()->sources();
  if (IsFolder(model.path())) {
    TRY_ASSIGN(OpenedModelFile again, OpenModelFile(model.path()));
    const auto same = [](const File* a, const File* b) {
      return a->size() == b->size() && (a->disk_path().empty() || a->identity() == b->identity());
    };
    if (std::ranges::equal(again.sources, own, same)) return std::move(again.file);
    return FailAt(ErrorCode::kIo, "MODEL_CHANGED", "there is another model by now; open it again",
                  model.path());
  }
  const OpenSource open = [&](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    for (const File* const part : own) {
      if (part->path() == path) return std::make_unique<HeldFile>(*part);
    }
    return FailAt(ErrorCode::kIo, "OPEN", "it is no part of the open model", path);
  };
  std::vector<std::unique_ptr<ByteSource>> parts;
  return ReadModelFile(std::make_unique<HeldFile>(*own[0]), open, parts);
}

}  // namespace

Result<ConvertReport> SaveModel(const MappedModel& model, const std::string& target, bool replace,
                                const std::function<bool(const WriteProgress&)>& progress) {
  const std::shared_ptr<const Overlay> overlay = model.overlay();
  TRY_ASSIGN(const ModelFile file, ReadAgain(model));
  const std::vector<const File*>& sources = model.model()->sources();
  std::vector<size_t> order;
  TmaiContents contents = ContentsOf(file, order);
  std::unordered_map<std::string_view, const Weight*> made;  // by name
  for (size_t i = 0; overlay != nullptr && i < overlay->graph.weights.size(); ++i) {
    const Weight& weight = overlay->graph.weights[i];
    if (weight.part == sources.size()) made.emplace(weight.name, &weight);
  }
  std::vector<const Weight*> weights(contents.tensors.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    TensorInfo& tensor = contents.tensors[i];
    const auto found = made.find(tensor.name);
    if (found == made.end()) continue;
    weights[i] = found->second;
    tensor.type = weights[i]->type;
    tensor.bytes = weights[i]->bytes;
  }
  const auto write = [&](size_t index, uint64_t offset, std::span<std::byte> to) -> Status {
    if (weights[index] != nullptr)
      return overlay->file->ReadAt(weights[index]->offset + offset, to);
    const TensorInfo& tensor = file.tensors[order[index]];
    return sources[tensor.part]->ReadAt(tensor.offset + offset, to);
  };
  return WriteModel(contents, write, sources, target, replace, progress);
}

}  // namespace tinyai
