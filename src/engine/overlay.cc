#include "engine/overlay.h"

#include <algorithm>

#include "base/checked.h"
#include "compress/weight_codec.h"
#include "engine/checked_read_queue.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kPieceBytes = uint64_t{256} << 10;

// The form that a weight gets where its layer's matrices become `type`.
DType FormOf(const Weight& weight, DType type) {
  if (weight.rows == 1) return weight.type;
  return weight.cols % Info(type).block_elements == 0 ? type : DType::kF16;
}

// Rewrites one weight, a few rows at a time.
class Rewriter {
 public:
  Rewriter(const Model& base, ScratchFile& out) : base_(base), out_(out) {
    for (uint32_t part = 0; part < base.sources().size(); ++part) {
      checkers_.push_back(base.MakeChecker(part));
    }
  }

  Status Rewrite(const Weight& from, const Weight& to) {
    const uint64_t rows = std::max<uint64_t>(1, kPieceBytes / from.row_bytes());
    row_.resize(from.cols);
    for (uint64_t begin = 0; begin < from.rows; begin += rows) {
      const uint64_t count = std::min(rows, from.rows - begin);
      in_.resize(count * from.row_bytes());
      TRY(Read(from.part, from.offset + begin * from.row_bytes()));
      if (from.type == to.type) {
        TRY(out_.WriteAt(to.offset + begin * from.row_bytes(), in_));
        continue;
      }
      encoded_.resize(count * to.row_bytes());
      for (uint64_t i = 0; i < count; ++i) {
        DecodeRow(from.type, in_.data() + i * from.row_bytes(), row_);
        TRY(EncodeWeights(to.type, row_,
                          std::span(encoded_).subspan(i * to.row_bytes(), to.row_bytes())));
      }
      TRY(out_.WriteAt(to.offset + begin * to.row_bytes(), encoded_));
    }
    return {};
  }

 private:
  Status Read(uint32_t part, uint64_t offset) {
    if (checkers_[part] != nullptr) return checkers_[part]->ReadAt(offset, in_);
    return base_.sources()[part]->ReadAt(offset, in_);
  }

  const Model& base_;
  ScratchFile& out_;
  std::vector<std::unique_ptr<BlockChecker>> checkers_;
  std::vector<std::byte> in_, encoded_;
  std::vector<float> row_;
};

}  // namespace

ForwardModel Overlay::Of(std::shared_ptr<const Overlay> overlay) {
  struct Files {
    std::vector<const File*> sources;
    std::vector<std::unique_ptr<BlockChecker>> checkers;
  };
  auto files = std::make_shared<Files>();
  files->sources = overlay->base->sources();
  for (uint32_t part = 0; part < files->sources.size(); ++part) {
    files->checkers.push_back(overlay->base->MakeChecker(part));
  }
  files->sources.push_back(overlay->file.get());
  files->checkers.push_back(nullptr);
  const auto open = [overlay, files](uint32_t depth) -> Result<std::unique_ptr<ReadQueue>> {
    TRY_ASSIGN(std::unique_ptr<ReadQueue> queue, OpenReadQueue(files->sources, {.depth = depth}));
    std::vector<BlockChecker*> borrowed;
    for (const auto& checker : files->checkers) borrowed.push_back(checker.get());
    return std::make_unique<CheckedReadQueue>(std::move(queue), std::move(borrowed));
  };
  return {overlay, &overlay->graph, &overlay->base->rope(), open};
}

Result<std::shared_ptr<const Overlay>> MakeOverlay(std::shared_ptr<const Model> base,
                                                   std::span<const std::vector<WeightId>> weights,
                                                   std::span<const std::optional<DType>> types) {
  auto overlay = std::make_shared<Overlay>();
  overlay->base = base;
  overlay->graph = base->graph();
  overlay->layers.resize(weights.size());
  const auto part = static_cast<uint32_t>(base->sources().size());
  uint64_t end = 0;
  for (size_t layer = 0; layer < weights.size(); ++layer) {
    if (!types[layer]) continue;
    const bool changes = std::ranges::any_of(weights[layer], [&](WeightId id) {
      return FormOf(base->graph().weight(id), *types[layer]) != base->graph().weight(id).type;
    });
    if (!changes) continue;
    const uint64_t begin = end;
    for (const WeightId id : weights[layer]) {
      Weight& weight = overlay->graph.weights[Index(id)];
      weight.type = FormOf(weight, *types[layer]);
      weight.bytes = weight.rows * RowBytes(weight.type, weight.cols);
      weight.part = part;
      weight.offset = end;
      end += RoundUp(weight.bytes, kAlignment);
    }
    overlay->layers[layer] = {begin, end - begin};
    end = RoundUp(end, kPage);
  }
  TRY_ASSIGN(overlay->scratch, ScratchFile::Create(std::max(end, kPage)));
  Rewriter rewriter(*base, *overlay->scratch);
  for (size_t layer = 0; layer < weights.size(); ++layer) {
    if (overlay->layers[layer].bytes == 0) continue;
    for (const WeightId id : weights[layer]) {
      TRY(rewriter.Rewrite(base->graph().weight(id), overlay->graph.weight(id)));
    }
  }
  TRY(overlay->scratch->Sync());
  TRY_ASSIGN(overlay->file, overlay->scratch->Open(base->sources()[0]->path()));
  return std::shared_ptr<const Overlay>(std::move(overlay));
}

}  // namespace tinyai
