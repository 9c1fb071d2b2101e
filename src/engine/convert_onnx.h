#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "engine/convert.h"
#include "onnx/import_onnx.h"

namespace tinyai {

// Whether the file at a path is an ONNX model; false where it cannot be opened.
bool IsOnnxFile(const std::string& path);

// Writes an ONNX model as a .tmai layer graph. Files of external data are opened by their names,
// beside the model. Memory and what becomes of `target` as in ConvertModel. Errors ONNX_*, GRAPH_*.
Result<ConvertReport> ConvertOnnx(const std::string& path, const OnnxOptions& options,
                                  const std::string& target, bool replace,
                                  const std::function<bool(const WriteProgress&)>& progress = {});

// An ONNX model opened as the .tmai file that ConvertOnnx would write, which is temporary
// (os/scratch_file.h) and goes with what is returned. Errors: the same, and those of ScratchFile.
Result<OpenedModelFile> OpenOnnx(const std::string& path, const OnnxOptions& options,
                                 const std::function<bool(const WriteProgress&)>& progress = {});

}  // namespace tinyai
