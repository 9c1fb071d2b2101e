#include "engine/save_model.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/open_model_file.h"

namespace tinyai {
namespace {

// The header again: of an open text model the vocabulary is no longer there.
Result<OpenedModelFile> OpenAgain(const MappedModel& model) {
  TRY_ASSIGN(OpenedModelFile again, OpenModelFile(model.path()));
  const std::vector<const File*>& own = model.model()->sources();
  const auto same = [](const File* a, const File* b) {
    return a->size() == b->size() && (a->disk_path().empty() || a->identity() == b->identity());
  };
  if (std::ranges::equal(again.sources, own, same)) return again;
  return FailAt(ErrorCode::kIo, "MODEL_CHANGED",
                "there is another file by now; open the model again", model.path());
}

}  // namespace

Result<ConvertReport> SaveModel(const MappedModel& model, const std::string& target, bool replace,
                                const std::function<bool(const WriteProgress&)>& progress) {
  const std::shared_ptr<const Overlay> overlay = model.overlay();
  TRY_ASSIGN(const OpenedModelFile again, OpenAgain(model));
  std::vector<size_t> order;
  TmaiContents contents = ContentsOf(again.file, order);
  std::unordered_map<std::string_view, const Weight*> made;  // by name
  for (size_t i = 0; overlay != nullptr && i < overlay->graph.weights.size(); ++i) {
    const Weight& weight = overlay->graph.weights[i];
    if (weight.part == model.model()->sources().size()) made.emplace(weight.name, &weight);
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
    const TensorInfo& tensor = again.file.tensors[order[index]];
    return again.sources[tensor.part]->ReadAt(tensor.offset + offset, to);
  };
  return WriteModel(contents, write, again.sources, target, replace, progress);
}

}  // namespace tinyai
