#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "format/model_file.h"

namespace tinyai {

// A tensor with weights that are no finite numbers, or not those that were written.
struct TensorDefect {
  std::string tensor;
  uint64_t nans = 0;
  uint64_t infinities = 0;
  uint64_t first_element = 0;  // in the order of the file
  uint32_t part = 0;
  uint64_t first_offset = 0;  // in that part, of the block that holds the first element
  uint64_t bad_blocks = 0;    // whose checksum is another; their elements are not looked at
  uint64_t first_bad_block = 0, first_bad_offset = 0;

  bool found() const { return nans + infinities + bad_blocks != 0; }
};

struct VerifyProgress {
  uint64_t bytes_done = 0, bytes = 0;  // of tensors
  std::string_view tensor;             // under way
};

struct VerifyReport {
  uint64_t tensors = 0;
  uint64_t bytes = 0;  // read and decoded
  std::vector<TensorDefect> defects;
};

// Reads and decodes every tensor, piece by piece, looks for NaN and infinity, and compares blocks
// with their checksums where the file keeps some. `sources` are the parts of `file`. Holds less
// than 4 MiB, charged to `budget`. `progress` hears of every piece; false ends it with CANCELLED.
// Errors of the reads; BUDGET_EXCEEDED.
Result<VerifyReport> VerifyTensors(const ModelFile& file,
                                   std::span<const ByteSource* const> sources, Budget& budget,
                                   const std::function<bool(const VerifyProgress&)>& progress = {});

}  // namespace tinyai
