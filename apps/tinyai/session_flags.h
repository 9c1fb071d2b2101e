#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/machine.h"
#include "base/result.h"
#include "console.h"
#include "engine/convert_onnx.h"
#include "engine/model.h"
#include "engine/session_plan.h"
#include "flags.h"

namespace tinyai {

// "seq=128,height=64": the sizes of axes of an ONNX model. Error BAD_OPTION.
Status ParseDims(std::string_view text, OnnxOptions& options);

// -m: the model that a command is about; the one inside the program if there is none.
struct ModelFlags {
  std::optional<std::string> path;
  OnnxOptions onnx;

  void AddTo(Flags& flags);
  // An ONNX model is converted into a temporary file, which is said on the console.
  Result<OpenedModelFile> Open(Console& console) const;
  // What to call it.
  std::string Title() const;
};

// What decides how a model is run.
struct SessionFlags {
  ModelFlags model;
  std::optional<int64_t> threads;
  std::vector<uint32_t> cpu_mask;
  bool quantize_activations = true;
  // Of the cache; without them f16, or f32 where activations are f32 too.
  std::optional<DType> key_type, value_type;
  SessionOptions options;

  void AddTo(Flags& flags);
};

// A model with what is needed to plan a session.
struct Prepared {
  std::shared_ptr<const Model> model;
  SessionOptions options;
  Machine machine;
};

// Opens the model and looks at the machine. Errors of Model::Open, BAD_CPU_MASK.
Result<Prepared> Prepare(const SessionFlags& flags, Console& console);

}  // namespace tinyai
