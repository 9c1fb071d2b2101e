#include "engine/overlay.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/mix.h"
#include "compress/weight_codec.h"
#include "engine/checked_read_queue.h"
#include "fmt/format.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kPieceBytes = uint64_t{256} << 10;

// The type that a weight gets in its layer's form.
DType TypeOf(const Weight& weight, const LayerForm& form) {
  if (weight.rows == 1 || !form.type) return weight.type;
  return weight.cols % Info(*form.type).block_elements == 0 ? *form.type : DType::kF16;
}

bool IsPruned(const Weight& weight, const LayerForm& form) {
  return form.pruning.sparsity > 0 && (weight.rows > 1 || form.prune_vectors);
}

// Rewrites one weight, a few rows at a time.
class Rewriter {
 public:
  Rewriter(const Model& base, ScratchFile& out) : base_(base), out_(out) {
    for (uint32_t part = 0; part < base.sources().size(); ++part) {
      checkers_.push_back(base.MakeChecker(part));
    }
  }

  // `pruning`: nothing goes without one.
  Status Rewrite(const Weight& from, const Weight& to, const Pruning* pruning) {
    in_.clear();
    std::optional<PruneChoice> choice;
    if (pruning != nullptr) {
      choice.emplace(*pruning, from.rows, from.cols,
                     [&](uint64_t row, std::span<float> out) { return DecodeOwn(from, row, out); });
      TRY(choice->Choose());
    }
    row_.resize(from.cols);
    const uint64_t piece = std::max<uint64_t>(1, kPieceBytes / to.row_bytes());
    for (uint64_t begin = 0; begin < from.rows; begin += piece) {
      encoded_.resize(std::min(piece, from.rows - begin) * to.row_bytes());
      for (uint64_t i = 0; i < encoded_.size() / to.row_bytes(); ++i) {
        const auto row = std::span(encoded_).subspan(i * to.row_bytes(), to.row_bytes());
        TRY(RewriteRow(from, to, begin + i, choice, row));
      }
      TRY(out_.WriteAt(to.offset + begin * to.row_bytes(), encoded_));
    }
    return {};
  }

 private:
  Status RewriteRow(const Weight& from, const Weight& to, uint64_t row,
                    std::optional<PruneChoice>& choice, std::span<std::byte> out) {
    if (choice && row % choice->block_rows() == 0) {
      TRY_ASSIGN(gone_, choice->NextRowOfBlocks());
    }
    if (from.type == to.type) {
      TRY_ASSIGN(const std::byte* own, OwnRow(from, row));
      std::memcpy(out.data(), own, out.size());
      if (choice) ZeroWeights(to.type, gone_, choice->block_cols(), out);
      return {};
    }
    TRY(DecodeOwn(from, row, row_));
    for (uint64_t col = 0; choice && col < from.cols; ++col) {
      if (gone_[col / choice->block_cols()]) row_[col] = 0;
    }
    return EncodeWeights(to.type, row_, out);
  }

  Status DecodeOwn(const Weight& from, uint64_t row, std::span<float> out) {
    TRY_ASSIGN(const std::byte* own, OwnRow(from, row));
    DecodeRow(from.type, own, out);
    return {};
  }

  // A row of the weight that is being rewritten, until the next call.
  Result<const std::byte*> OwnRow(const Weight& from, uint64_t row) {
    const uint64_t bytes = from.row_bytes();
    if (row < first_row_ || (row - first_row_ + 1) * bytes > in_.size()) {
      const uint64_t rows = std::max<uint64_t>(1, kPieceBytes / bytes);
      in_.resize(std::min(rows, from.rows - row) * bytes);
      first_row_ = row;
      TRY(Read(from.part, from.offset + row * bytes));
    }
    return in_.data() + (row - first_row_) * bytes;
  }

  Status Read(uint32_t part, uint64_t offset) {
    if (checkers_[part] != nullptr) return checkers_[part]->ReadAt(offset, in_);
    return base_.sources()[part]->ReadAt(offset, in_);
  }

  const Model& base_;
  ScratchFile& out_;
  std::vector<std::unique_ptr<BlockChecker>> checkers_;
  std::vector<std::byte> in_, encoded_;
  uint64_t first_row_ = 0;  // of those in in_
  std::vector<float> row_;
  std::vector<bool> gone_;
};

// Finds what changes, and gives it its place in the overlay's file. Returns the file's size.
Result<uint64_t> PlaceLayers(std::span<const std::vector<WeightId>> weights,
                             std::span<const LayerForm> forms, Overlay& overlay) {
  const Graph& own = overlay.base->graph();
  uint64_t end = 0;
  for (size_t layer = 0; layer < weights.size(); ++layer) {
    const LayerForm& form = forms[layer];
    const bool changes = std::ranges::any_of(weights[layer], [&](WeightId id) {
      return TypeOf(own.weight(id), form) != own.weight(id).type || IsPruned(own.weight(id), form);
    });
    if (!changes) continue;
    const uint64_t begin = end;
    for (const WeightId id : weights[layer]) {
      Weight& weight = overlay.graph.weights[Index(id)];
      weight.type = TypeOf(weight, form);
      if (IsPruned(weight, form) && !HasZero(weight.type)) {
        return Fail(ErrorCode::kUnsupported, "PRECISION_UNSUPPORTED",
                    fmt::format("{}: single weights of {} cannot be zero; give the layer another "
                                "precision first",
                                weight.name, Name(weight.type)));
      }
      weight.bytes = weight.rows * RowBytes(weight.type, weight.cols);
      weight.part = static_cast<uint32_t>(overlay.base->sources().size());
      weight.offset = end;
      end += RoundUp(weight.bytes, kAlignment);
    }
    overlay.layers[layer] = {begin, end - begin};
    end = RoundUp(end, kPage);
  }
  return end;
}

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
                                                   std::span<const LayerForm> forms) {
  auto overlay = std::make_shared<Overlay>();
  overlay->base = base;
  overlay->graph = base->graph();
  overlay->layers.resize(weights.size());
  TRY_ASSIGN(const uint64_t bytes, PlaceLayers(weights, forms, *overlay));
  TRY_ASSIGN(overlay->scratch, ScratchFile::Create(std::max(bytes, kPage)));
  Rewriter rewriter(*base, *overlay->scratch);
  for (size_t layer = 0; layer < weights.size(); ++layer) {
    if (overlay->layers[layer].bytes == 0) continue;
    for (const WeightId id : weights[layer]) {
      const Weight& own = base->graph().weight(id);
      Pruning pruning = forms[layer].pruning;
      pruning.seed = Mix64(pruning.seed + Mix64(Index(id) + 1));
      TRY(rewriter.Rewrite(own, overlay->graph.weight(id),
                           IsPruned(own, forms[layer]) ? &pruning : nullptr));
    }
  }
  TRY(overlay->scratch->Sync());
  TRY_ASSIGN(overlay->file, overlay->scratch->Open(base->sources()[0]->path()));
  return std::shared_ptr<const Overlay>(std::move(overlay));
}

}  // namespace tinyai
