#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "compress/prune.h"
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
  uint64_t saved_bytes = 0;  // by sparse rows

  static ForwardModel Of(std::shared_ptr<const Overlay> overlay);
};

// By weight: whether nothing but products is computed of it, which read sparse rows too.
std::vector<bool> FindFactors(const Graph& graph);

// What becomes of a layer's weights.
struct LayerForm {
  std::optional<DType> type;  // of its matrices; nothing: as they are
  Pruning pruning;            // of its matrices
  bool prune_vectors = false;
};

// The model with the weights of each layer as `forms` says, from its own weights, whatever was made
// of them before. `weights`: of each layer, all of them in order. A matrix whose rows are no whole
// blocks of the type becomes F16; vectors keep their type. What goes is chosen by the model's own
// weights; a pruned matrix of products has sparse rows (kernel/sparse_rows.h) where these are
// smaller. Holds a few rows at a time. Errors of reading, IO_WRITE, PRECISION_UNSUPPORTED (also:
// pruned weights of a type that has no zero).
Result<std::shared_ptr<const Overlay>> MakeOverlay(std::shared_ptr<const Model> base,
                                                   std::span<const std::vector<WeightId>> weights,
                                                   std::span<const LayerForm> forms);

}  // namespace tinyai
