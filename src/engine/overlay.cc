#include "engine/overlay.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/mix.h"
#include "compress/weight_codec.h"
#include "engine/checked_read_queue.h"
#include "fmt/format.h"
#include "kernel/matmul.h"
#include "kernel/sparse_rows.h"

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

bool IsSparse(const Weight& weight) {
  return weight.row_bytes() < RowBytes(weight.type, weight.cols);
}

bool IsPruned(const Weight& weight, const LayerForm& form) {
  return form.pruning.sparsity > 0 && (weight.rows > 1 || form.prune_vectors);
}

// Makes the rows of one weight in its layer's form, a few rows at a time.
class Rewriter {
 public:
  explicit Rewriter(const Model& base) : base_(base) {
    for (uint32_t part = 0; part < base.sources().size(); ++part) {
      checkers_.push_back(base.MakeChecker(part));
    }
  }

  // Gives all rows of the weight to `use`, one after the other, as rows of `type`; nothing goes
  // without `pruning`.
  template <typename Use>
  Status ForRows(const Weight& from, DType type, const Pruning* pruning, const Use& use) {
    in_.clear();
    std::optional<PruneChoice> choice;
    if (pruning != nullptr) {
      choice.emplace(*pruning, from.rows, from.cols,
                     [&](uint64_t row, std::span<float> out) { return DecodeOwn(from, row, out); });
      TRY(choice->Choose());
    }
    row_.resize(from.cols);
    encoded_.resize(RowBytes(type, from.cols));
    for (uint64_t row = 0; row < from.rows; ++row) {
      TRY(MakeRow(from, type, row, choice));
      TRY(use(encoded_));
    }
    return {};
  }

 private:
  Status MakeRow(const Weight& from, DType type, uint64_t row, std::optional<PruneChoice>& choice) {
    if (choice && row % choice->block_rows() == 0) {
      TRY_ASSIGN(gone_, choice->NextRowOfBlocks());
    }
    if (from.type == type) {
      TRY_ASSIGN(const std::byte* own, OwnRow(from, row));
      std::memcpy(encoded_.data(), own, encoded_.size());
      if (choice) ZeroWeights(type, gone_, choice->block_cols(), encoded_);
      return {};
    }
    TRY(DecodeOwn(from, row, row_));
    for (uint64_t col = 0; choice && col < from.cols; ++col) {
      if (gone_[col / choice->block_cols()]) row_[col] = 0;
    }
    return EncodeWeights(type, row_, encoded_);
  }

  Status DecodeOwn(const Weight& from, uint64_t row, std::span<float> out) {
    TRY_ASSIGN(const std::byte* own, OwnRow(from, row));
    DecodeRow(from.type, own, out);
    return {};
  }

  // A row of the weight that is being rewritten, zeros and all, until the next call.
  Result<const std::byte*> OwnRow(const Weight& from, uint64_t row) {
    const uint64_t bytes = from.row_bytes();
    if (row < first_row_ || (row - first_row_ + 1) * bytes > in_.size()) {
      const uint64_t rows = std::max<uint64_t>(1, kPieceBytes / bytes);
      in_.resize(std::min(rows, from.rows - row) * bytes);
      first_row_ = row;
      TRY(Read(from.part, from.offset + row * bytes));
    }
    const std::byte* const stored = in_.data() + (row - first_row_) * bytes;
    if (!IsSparse(from)) return stored;
    unpacked_.resize(RowBytes(from.type, from.cols));
    for (uint64_t col = 0; col < from.cols; col += kSparseRun) {
      UnpackSparseRun(from.type, from.cols, {stored, bytes}, col,
                      unpacked_.data() + RowBytes(from.type, col));
    }
    return unpacked_.data();
  }

  Status Read(uint32_t part, uint64_t offset) {
    if (checkers_[part] != nullptr) return checkers_[part]->ReadAt(offset, in_);
    return base_.sources()[part]->ReadAt(offset, in_);
  }

  const Model& base_;
  std::vector<std::unique_ptr<BlockChecker>> checkers_;
  std::vector<std::byte> in_, encoded_, unpacked_;
  uint64_t first_row_ = 0;  // of those in in_
  std::vector<float> row_;
  std::vector<bool> gone_;
};

class OverlayMaker {
 public:
  OverlayMaker(std::span<const std::vector<WeightId>> weights, std::span<const LayerForm> forms,
               Overlay& overlay)
      : weights_(weights),
        forms_(forms),
        overlay_(overlay),
        own_(overlay.base->graph()),
        factors_(FindFactors(own_)),
        rewriter_(*overlay.base) {}

  // Finds what changes, and gives it its place in the overlay's file. Returns the file's size.
  Result<uint64_t> Place() {
    uint64_t end = 0;
    for (size_t layer = 0; layer < weights_.size(); ++layer) {
      const LayerForm& form = forms_[layer];
      const bool changes = std::ranges::any_of(weights_[layer], [&](WeightId id) {
        const Weight& weight = own_.weight(id);
        return TypeOf(weight, form) != weight.type || IsPruned(weight, form);
      });
      if (!changes) continue;
      const uint64_t begin = end;
      for (const WeightId id : weights_[layer]) {
        Weight& weight = overlay_.graph.weights[Index(id)];
        TRY(SetForm(id, form, weight));
        weight.part = static_cast<uint32_t>(overlay_.base->sources().size());
        weight.offset = end;
        end += RoundUp(weight.bytes, kAlignment);
      }
      overlay_.layers[layer] = {begin, end - begin};
      end = RoundUp(end, kPage);
    }
    return end;
  }

  Status Write() {
    for (size_t layer = 0; layer < weights_.size(); ++layer) {
      if (overlay_.layers[layer].bytes == 0) continue;
      for (const WeightId id : weights_[layer]) TRY(WriteWeight(id, forms_[layer]));
    }
    return {};
  }

 private:
  // Type and bytes.
  Status SetForm(WeightId id, const LayerForm& form, Weight& weight) {
    weight.type = TypeOf(weight, form);
    weight.bytes = weight.rows * RowBytes(weight.type, weight.cols);
    if (!IsPruned(weight, form)) return {};
    if (!HasZero(weight.type)) {
      return Fail(ErrorCode::kUnsupported, "PRECISION_UNSUPPORTED",
                  fmt::format("{}: single weights of {} cannot be zero; give the layer another "
                              "precision first",
                              weight.name, Name(weight.type)));
    }
    if (!factors_[Index(id)] || weight.rows == 1 || !HasSparseRows(weight.type)) return {};
    uint64_t longest = 0;
    TRY(ForRows(id, form, [&](std::span<const std::byte> row) -> Status {
      longest = std::max<uint64_t>(longest, Pack(weight, row).size());
      return {};
    }));
    if (longest * weight.rows >= weight.bytes) return {};
    overlay_.saved_bytes += weight.bytes - longest * weight.rows;
    weight.bytes = longest * weight.rows;
    return {};
  }

  Status WriteWeight(WeightId id, const LayerForm& form) {
    const Weight& weight = overlay_.graph.weight(id);
    const bool sparse = IsSparse(weight);
    uint64_t at = weight.offset;
    piece_.clear();
    const auto write = [&]() -> Status {
      TRY(overlay_.scratch->WriteAt(at, piece_));
      at += piece_.size();
      piece_.clear();
      return {};
    };
    TRY(ForRows(id, form, [&](std::span<const std::byte> row) -> Status {
      const std::span<const std::byte> stored = sparse ? Pack(weight, row) : row;
      const size_t end = piece_.size() + weight.row_bytes();
      piece_.insert(piece_.end(), stored.begin(), stored.end());
      piece_.resize(end);
      return piece_.size() < kPieceBytes ? Status() : write();
    }));
    return write();
  }

  template <typename Use>
  Status ForRows(WeightId id, const LayerForm& form, const Use& use) {
    Pruning pruning = form.pruning;
    pruning.seed = Mix64(pruning.seed + Mix64(Index(id) + 1));
    const Weight& own = own_.weight(id);
    return rewriter_.ForRows(own, TypeOf(own, form), IsPruned(own, form) ? &pruning : nullptr, use);
  }

  // The row as a sparse one, until the next call.
  std::span<const std::byte> Pack(const Weight& weight, std::span<const std::byte> row) {
    packed_.resize(MostSparseRowBytes(weight.type, weight.cols));
    const uint64_t bytes = PackSparseRow(weight.type, weight.cols, row.data(), packed_.data());
    return std::span(packed_).first(bytes);
  }

  std::span<const std::vector<WeightId>> weights_;
  std::span<const LayerForm> forms_;
  Overlay& overlay_;
  const Graph& own_;
  std::vector<bool> factors_;
  Rewriter rewriter_;
  std::vector<std::byte> packed_, piece_;
};

}  // namespace

std::vector<bool> FindFactors(const Graph& graph) {
  std::vector<bool> factors(graph.weights.size()), others(graph.weights.size());
  for (const Op& op : graph.ops) {
    for (size_t i = 0; i < op.weights.size(); ++i) {
      (i == 0 && IsProduct(op.kind) ? factors : others)[Index(op.weights[i])] = true;
    }
  }
  for (size_t i = 0; i < factors.size(); ++i) factors[i] = factors[i] && !others[i];
  return factors;
}

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
  OverlayMaker maker(weights, forms, *overlay);
  TRY_ASSIGN(const uint64_t bytes, maker.Place());
  TRY_ASSIGN(overlay->scratch, ScratchFile::Create(std::max(bytes, kPage)));
  TRY(maker.Write());
  TRY(overlay->scratch->Sync());
  TRY_ASSIGN(overlay->file, overlay->scratch->Open(base->sources()[0]->path()));
  return std::shared_ptr<const Overlay>(std::move(overlay));
}

}  // namespace tinyai
