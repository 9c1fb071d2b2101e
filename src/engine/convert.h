#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "engine/open_model_file.h"
#include "format/tmai_writer.h"

namespace tinyai {

struct ConvertReport {
  uint64_t tensors = 0;
  uint64_t bytes = 0;  // of the file
};

// Writes a model as a .tmai file: the same weights, bit by bit, with what else the model holds.
// Needs memory for the tables of the model, not for its weights. A file at `target` is left as it
// is until the new one is whole, and is only replaced if `replace` says so. `progress` hears of
// every MiB; false ends it with CANCELLED. Errors: ALREADY_CONVERTED; those of AtomicFile and of
// reading.
Result<ConvertReport> ConvertModel(const OpenedModelFile& model, const std::string& target,
                                   bool replace,
                                   const std::function<bool(const WriteProgress&)>& progress = {});

// Writes what `contents` say, the weights from `source`. The files of `inputs` are what it is made
// of; they may not change meanwhile. Otherwise as ConvertModel.
Result<ConvertReport> WriteModel(TmaiContents& contents, const TensorSource& source,
                                 std::span<const File* const> inputs, const std::string& target,
                                 bool replace,
                                 const std::function<bool(const WriteProgress&)>& progress);

}  // namespace tinyai
