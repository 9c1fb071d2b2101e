#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "engine/convert.h"
#include "engine/mapped_model.h"

namespace tinyai {

// Writes a model as a .tmai file, with what was made of its weights: opened, it computes the same
// bits, and needs nothing of the files that it was made of. Otherwise as ConvertModel, but a .tmai
// model is written again. Reads the files that the model holds open, which may have been moved or
// deleted; of a folder, the tables are read at its path: error MODEL_CHANGED, where that is another
// model by now.
Result<ConvertReport> SaveModel(const MappedModel& model, const std::string& target, bool replace,
                                const std::function<bool(const WriteProgress&)>& progress = {});

}  // namespace tinyai
