#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/byte_sink.h"
#include "base/result.h"
#include "format/metadata_writer.h"
#include "format/model_file.h"

namespace tinyai {

// What a .tmai file shall hold, but for the weights.
struct TmaiContents {
  MetadataWriter metadata;
  // In the order in which they shall lie in the file: those of the first layer, of the second, ..,
  // those of no layer. Name, type and shape count, and bytes where they are fewer than
  // these take, but not 0: those of sparse rows. The rest is filled in by LayOutTmai.
  std::vector<TensorInfo> tensors;
  std::optional<GraphRecords> graph;
};

// What a file would be as .tmai: its metadata, but for what only GGUF means, its tensors, and its
// graph; that of a text model is found by the names of the tensors. `order` becomes the indexes of
// the contents' tensors in the file.
TmaiContents ContentsOf(const ModelFile& file, std::vector<size_t>& order);

// Puts `out` full with the bytes of tensor `index` from `offset` on. Asked for each tensor in
// order, each from its beginning to its end, in pieces of whole rows (dims[0] elements), or where a
// row is larger than a piece, of whole blocks of its type.
using TensorSource = std::function<Status(size_t index, uint64_t offset, std::span<std::byte> out)>;

// Places the tensors. Returns the size of the file. Error TMAI_TABLE: what is to be written makes
// no sense (docs/tmai.md has the rules).
Result<uint64_t> LayOutTmai(TmaiContents& contents);

struct WriteProgress {
  uint64_t bytes_done = 0, bytes = 0;  // of weights
  size_t tensor = 0;                   // under way
};

// Writes the file, from its beginning to its end but for the header, which comes last. `contents`
// have been through LayOutTmai. Holds less than 4 MiB, and the tables once more. `progress` hears
// of every piece; false ends it with CANCELLED. Errors of `source` and `sink`.
Status WriteTmai(const TmaiContents& contents, const TensorSource& source, ByteSink& sink,
                 const std::function<bool(const WriteProgress&)>& progress = {});

}  // namespace tinyai
