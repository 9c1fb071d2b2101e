#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace tinyai {

enum class PruneMethod : uint8_t {
  kMagnitude,   // the smallest blocks go; of equal ones the first
  kThreshold,   // the same, and all that equal the largest that goes
  kStructured,  // whole rows, the smallest
  kRandom,      // blocks by chance, the same for the same seed
};

// Which of a matrix's weights become zero: blocks of `block` rows and columns (of kStructured
// `block` rows) by their root mean square, until `sparsity` of all weights are zero.
struct Pruning {
  PruneMethod method = PruneMethod::kMagnitude;
  double sparsity = 0;  // from 0 to 1
  uint64_t block = 1;
  uint64_t seed = 0;
};

// Whether single weights of a stored row can be made zero.
bool HasZero(DType type);
// Makes the weights zero whose block, of `block_cols` columns, has `gone` set. HasZero(type).
void ZeroWeights(DType type, const std::vector<bool>& gone, uint64_t block_cols,
                 std::span<std::byte> row);

// Chooses the blocks of one matrix, holding counts and one row of blocks rather than the matrix.
class PruneChoice {
 public:
  // Gives a row of the matrix.
  using RowSource = std::function<Status(uint64_t row, std::span<float> out)>;

  PruneChoice(const Pruning& pruning, uint64_t rows, uint64_t cols, RowSource source);
  // Reads the matrix, twice. Errors of the source.
  Status Choose();
  uint64_t block_rows() const { return block_rows_; }
  uint64_t block_cols() const { return block_cols_; }
  // Which blocks of the next row of blocks go; from the first on, after Choose(). Errors of the
  // source.
  Result<std::vector<bool>> NextRowOfBlocks();

 private:
  // One block: what it is ordered by, and how many weights it has.
  struct Block {
    uint32_t key;
    uint64_t weights;
  };
  template <typename Visitor>
  Status VisitAll(const Visitor& visit);
  Result<std::vector<Block>> RowOfBlocks(uint64_t first_row);

  Pruning pruning_;
  uint64_t rows_, cols_, block_rows_, block_cols_;
  RowSource source_;
  uint64_t next_row_ = 0;
  bool any_ = false;      // whether any block goes
  uint32_t largest_ = 0;  // key of the largest that goes
  uint64_t ties_ = 0;     // weights that go yet from blocks with that key
  std::vector<float> row_;
};

}  // namespace tinyai
