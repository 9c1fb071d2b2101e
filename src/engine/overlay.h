#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "engine/forward_plan.h"
#include "engine/model.h"
#include "os/file.h"
#include "os/scratch_file.h"

namespace tinyai {

// The weights of one layer in the overlay's file.
struct OverlaidLayer {
  uint64_t offset = 0, bytes = 0;  // bytes 0: the layer is as in the model's own files
};

// A model some of whose layers have their weights in another form, in a temporary file without a
// name. The model's own files are not touched.
struct Overlay {
  std::shared_ptr<const Model> base;
  Graph graph;  // whose changed weights lie in the part after the model's own
  std::unique_ptr<ScratchFile> scratch;  // whose descriptor is the path that `file` is opened by
  std::unique_ptr<File> file;
  std::vector<OverlaidLayer> layers;

  static ForwardModel Of(std::shared_ptr<const Overlay> overlay);
};

// The model with the matrices of each layer as `types` says (nothing: as they are), from its own
// weights, whatever was made of them before. `weights`: of each layer, all of them in order. A
// matrix whose rows are no whole blocks of the type becomes F16; vectors stay as they are. Holds a
// few rows at a time. Errors of reading, IO_WRITE, PRECISION_UNSUPPORTED.
Result<std::shared_ptr<const Overlay>> MakeOverlay(std::shared_ptr<const Model> base,
                                                   std::span<const std::vector<WeightId>> weights,
                                                   std::span<const std::optional<DType>> types);

}  // namespace tinyai
