#include "engine/save_model.h"

#include <unordered_map>
#include <vector>

#include "engine/open_model_file.h"
#include "fmt/format.h"
#include "kernel/sparse_rows.h"
#include "os/atomic_file.h"

namespace tinyai {
namespace {

// Gives the rows of a weight as they lie, or unpacked where they are sparse.
class RowSource {
 public:
  explicit RowSource(const Overlay& overlay) : overlay_(overlay) {
    const size_t part = overlay.base->sources().size();
    for (const Weight& weight : overlay.graph.weights) {
      if (weight.part == part) by_name_.emplace(weight.name, &weight);
    }
  }

  // Null: it is as in the model's own files.
  const Weight* Find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  // Bytes from `offset` of the dense rows on.
  Status Read(const Weight& weight, uint64_t offset, std::span<std::byte> out) {
    const uint64_t dense = RowBytes(weight.type, weight.cols);
    if (weight.row_bytes() == dense) return overlay_.file->ReadAt(weight.offset + offset, out);
    while (!out.empty()) {
      TRY(Unpack(weight, offset / dense));
      const std::span<const std::byte> row = std::span(row_).subspan(offset % dense);
      const size_t size = std::min(row.size(), out.size());
      std::copy_n(row.begin(), size, out.begin());
      out = out.subspan(size);
      offset += size;
    }
    return {};
  }

 private:
  Status Unpack(const Weight& weight, uint64_t row) {
    packed_.resize(weight.row_bytes());
    row_.resize(RowBytes(weight.type, weight.cols));
    TRY(overlay_.file->ReadAt(weight.offset + row * packed_.size(), packed_));
    for (uint64_t col = 0; col < weight.cols; col += kSparseRun) {
      UnpackSparseRun(weight.type, weight.cols, packed_.data(), col,
                      row_.data() + RowBytes(weight.type, col));
    }
    return {};
  }

  const Overlay& overlay_;
  std::unordered_map<std::string_view, const Weight*> by_name_;
  std::vector<std::byte> packed_, row_;
};

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
  std::optional<RowSource> made;
  if (overlay != nullptr) made.emplace(*overlay);
  std::vector<size_t> order;
  TmaiContents contents = ContentsOf(again.file, order);
  std::vector<const Weight*> weights(contents.tensors.size());
  for (size_t i = 0; i < weights.size() && made; ++i) {
    weights[i] = made->Find(contents.tensors[i].name);
    if (weights[i] != nullptr) contents.tensors[i].type = weights[i]->type;
  }
  const auto write = [&](size_t index, uint64_t offset, std::span<std::byte> to) -> Status {
    if (weights[index] != nullptr) return made->Read(*weights[index], offset, to);
    const TensorInfo& tensor = again.file.tensors[order[index]];
    return again.sources[tensor.part]->ReadAt(tensor.offset + offset, to);
  };
  return WriteModel(contents, write, again.sources, target, replace, progress);
}

}  // namespace tinyai
