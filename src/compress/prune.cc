#include "compress/prune.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/mix.h"
#include "kernel/packed_codes.h"

namespace tinyai {
namespace {

// Keys are found by their upper and then their lower half.
constexpr uint32_t kHalfBits = 16;
constexpr uint32_t kHalfMask = (1u << kHalfBits) - 1;
using Counts = std::vector<uint64_t>;

// Order of magnitudes; what is no number is never small.
uint32_t KeyOf(float magnitude) {
  return std::isnan(magnitude) ? UINT32_MAX : std::bit_cast<uint32_t>(magnitude);
}

// The first index at which the sum of `counts` up to and with it reaches `target`, which is taken
// from: what is left is the target among those at the index.
uint32_t FindSum(const Counts& counts, uint64_t& target) {
  uint32_t at = 0;
  while (counts[at] < target) target -= counts[at++];
  return at;
}

void ZeroWeight(DType type, size_t col, std::byte* row) {
  const DTypeInfo& info = Info(type);
  const size_t element = col % info.block_elements;
  std::byte* block = row + col / info.block_elements * info.block_bytes;
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      std::memset(block, 0, info.block_bytes);
      return;
    case DType::kQ8_0:
      block[2 + element] = std::byte(0);
      return;
    case DType::kQ4_0:
      return SetCode<4>(block + 2, element, kZeroCode<4>);
    case DType::kInt2:
      return SetCode<2>(block + 2, element, kZeroCode<2>);
    case DType::kQ5_0: {  // code 16: the fifth bit alone
      block[2 + element / 8] |= std::byte(1 << element % 8);
      return SetCode<4>(block + 6, element, 0);
    }
    default:
      std::abort();  // HasZero() says so
  }
}

}  // namespace

bool HasZero(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kInt2:
      return true;
    default:
      return false;
  }
}

void ZeroWeights(DType type, const std::vector<bool>& gone, uint64_t block_cols,
                 std::span<std::byte> row) {
  const DTypeInfo& info = Info(type);
  const uint64_t cols = row.size() / info.block_bytes * info.block_elements;
  for (uint64_t col = 0; col < cols; ++col) {
    if (gone[col / block_cols]) ZeroWeight(type, col, row.data());
  }
}

PruneChoice::PruneChoice(const Pruning& pruning, uint64_t rows, uint64_t cols, RowSource source)
    : pruning_(pruning),
      rows_(rows),
      cols_(cols),
      block_rows_(std::clamp<uint64_t>(pruning.block, 1, rows)),
      block_cols_(std::clamp<uint64_t>(pruning.block, 1, cols)),
      source_(std::move(source)),
      row_(cols) {
  // Each weight of a vector is a row of its own.
  if (pruning.method == PruneMethod::kStructured && rows > 1) block_cols_ = cols;
}

Status PruneChoice::Choose() {
  const uint64_t all = rows_ * cols_;
  uint64_t target = std::min(
      static_cast<uint64_t>(std::llround(pruning_.sparsity * static_cast<double>(all))), all);
  any_ = target > 0;
  if (!any_) return {};
  Counts counts(size_t{1} << kHalfBits);
  TRY(VisitAll([&](const Block& block) { counts[block.key >> kHalfBits] += block.weights; }));
  const uint32_t upper = FindSum(counts, target);
  std::ranges::fill(counts, 0);
  TRY(VisitAll([&](const Block& block) {
    if (block.key >> kHalfBits == upper) counts[block.key & kHalfMask] += block.weights;
  }));
  largest_ = upper << kHalfBits | FindSum(counts, target);
  ties_ = pruning_.method == PruneMethod::kThreshold ? all : target;
  return {};
}

Result<std::vector<bool>> PruneChoice::NextRowOfBlocks() {
  TRY_ASSIGN(const std::vector<Block> blocks, RowOfBlocks(next_row_));
  next_row_ += block_rows_;
  std::vector<bool> gone;
  for (const Block& block : blocks) {
    const bool tie = any_ && block.key == largest_ && ties_ > 0;
    if (tie) ties_ -= std::min(ties_, block.weights);
    gone.push_back(tie || (any_ && block.key < largest_));
  }
  return gone;
}

template <typename Visitor>
Status PruneChoice::VisitAll(const Visitor& visit) {
  for (uint64_t row = 0; row < rows_; row += block_rows_) {
    TRY_ASSIGN(const std::vector<Block> blocks, RowOfBlocks(row));
    std::ranges::for_each(blocks, visit);
  }
  return {};
}

Result<std::vector<PruneChoice::Block>> PruneChoice::RowOfBlocks(uint64_t first_row) {
  const uint64_t count = (cols_ + block_cols_ - 1) / block_cols_;
  const uint64_t rows = std::min(block_rows_, rows_ - first_row);
  const bool random = pruning_.method == PruneMethod::kRandom;
  std::vector<double> squares(count);
  for (uint64_t row = first_row; !random && row < first_row + rows; ++row) {
    TRY(source_(row, row_));
    for (uint64_t col = 0; col < cols_; ++col) {
      squares[col / block_cols_] += static_cast<double>(row_[col]) * static_cast<double>(row_[col]);
    }
  }
  std::vector<Block> blocks(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t weights = rows * std::min(block_cols_, cols_ - i * block_cols_);
    const uint64_t index = first_row / block_rows_ * count + i;
    const auto mean = static_cast<float>(std::sqrt(squares[i] / static_cast<double>(weights)));
    blocks[i] = {.key = random
                            ? static_cast<uint32_t>(Mix64(pruning_.seed + Mix64(index + 1)) >> 32)
                            : KeyOf(mean),
                 .weights = weights};
  }
  return blocks;
}

}  // namespace tinyai
