#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "engine/convert.h"
#include "engine/mapped_model.h"

namespace tinyai {

// Writes a model as a .tmai file, with what was made of its weights: opened, it computes the same
// bits. Otherwise as ConvertModel, but a .tmai model is
// written again. Errors besides: MODEL_CHANGED, where the model's files are no longer at the path
// that a text model was opened by, since its tokenizer is read again.
Result<ConvertReport> SaveModel(const MappedModel& model, const std::string& target, bool replace,
                                const std::function<bool(const WriteProgress&)>& progress = {});

}  // namespace tinyai
