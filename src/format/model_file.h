#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/dtype.h"
#include "base/result.h"
#include "format/packed_graph.h"

namespace tinyai {

// The types of metadata values, with GGUF's ids.
enum class MetaType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view Name(MetaType type);

// One metadata value as it lies in the file, already checked: for an array `type` is the type of
// the items and `count` their number, for a scalar `count` is 1. `bytes` are the raw items
// (strings: u64 length, then bytes, one after the other).
struct MetaValue {
  MetaType type;
  bool is_array;
  uint64_t count;
  std::span<const std::byte> bytes;
  uint64_t offset;  // of the value in its file
};

// The metadata of a model. Values live in blocks of bytes owned here, so a vocabulary of 150k
// strings costs no more than it takes in the file. Moves, but does not copy.
class Metadata {
 public:
  struct Entry {
    std::string key;
    MetaValue value;
  };
  std::span<const Entry> entries() const { return entries_; }
  const MetaValue* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // Typed access. A missing key is nullopt; a present value of another type or out of range is the
  // error MODEL_HPARAM naming the key, what was found and what was expected; an array whose items
  // have another type is GGUF_ARRAY_TYPE. Any integer type is accepted for integers if the value
  // fits; f32 and f64 for floats. Strings may hold any bytes.
  Result<std::optional<uint64_t>> OptionalUint(std::string_view key) const;
  Result<std::optional<double>> OptionalFloat(std::string_view key) const;
  Result<std::optional<bool>> OptionalBool(std::string_view key) const;
  Result<std::optional<std::string_view>> OptionalString(std::string_view key) const;
  // Arrays of integers of any width (a scalar counts as an array of one); floats likewise.
  Result<std::optional<std::vector<int64_t>>> OptionalInts(std::string_view key) const;
  Result<std::optional<std::vector<float>>> OptionalFloats(std::string_view key) const;
  // Calls `visit(index, bytes)` for each string of an array of strings, in order, without copying.
  // Error GGUF_ARRAY_TYPE if it is no array of strings.
  Status VisitStrings(std::string_view key,
                      const std::function<Status(uint64_t, std::string_view)>& visit) const;

  // Frees the bytes of the large arrays that only a tokenizer needs (`tokenizer.*` arrays); their
  // keys stay, with a count of 0 and no bytes. Spans into them end here.
  void DropTokenizerArrays();

  uint64_t memory_bytes() const;  // held by the values

  // For readers: the values of `entries` are spans into `blocks`, and an array of `tokenizer.*` is
  // alone in its block. Of two equal keys the first is found.
  Metadata() = default;
  Metadata(std::vector<std::vector<std::byte>> blocks, std::vector<Entry> entries);
  Metadata(Metadata&&) = default;
  Metadata& operator=(Metadata&&) = default;

 private:
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<Entry> entries_;
  // A tree and no hash table: a file cannot choose keys that make it slow.
  std::map<std::string_view, size_t> index_;
};

// A tensor of a model file. Dimensions are innermost first, as in GGUF: a matrix that maps
// `dims[0]` inputs to `dims[1]` outputs is stored as dims[1] rows of dims[0] elements. Unused dims
// are 1.
struct TensorInfo {
  std::string name;
  DType type;
  uint32_t n_dims;
  std::array<uint64_t, 4> dims;
  uint32_t part;    // which file of a split model
  uint64_t offset;  // of the data in that file, absolute
  uint64_t bytes;
};

// Where a file keeps a checksum of each block of its weights.
struct BlockChecksums {
  static constexpr uint64_t kBlockBytes = 4096;
  uint64_t begin = 0, end = 0;  // of the weights, whole blocks
  uint64_t table_offset = 0;    // u64 for each block: Checksum(block, number of the block)

  uint64_t blocks() const { return (end - begin) / kBlockBytes; }
};

// What a reader found in a model's header. Every tensor lies inside its file and none overlaps.
struct ModelFile {
  std::string format;                // "GGUF v3"
  std::vector<std::string> parts;    // path of each file
  std::vector<uint64_t> part_sizes;  // bytes
  Metadata metadata;
  std::vector<TensorInfo> tensors;
  std::optional<BlockChecksums> checksums;  // of a .tmai file
  std::optional<PackedGraph> graph;  // of a .tmai file: layers, and ops unless it is a text model
  std::vector<std::string>
      warnings;  // what `verify` tells: gaps, unordered offsets, trailing bytes

  const TensorInfo* FindTensor(std::string_view name) const;  // O(log tensors)
  uint64_t TensorBytes() const;

  std::vector<uint32_t> by_name;  // indexes of `tensors`, of equal names the first one first
  void IndexTensors();  // fills it; a reader does this, as must whoever fills `tensors` by hand
};

// Opens the file of a split model that has this path; only called with siblings of the first part.
using OpenSource = std::function<Result<std::unique_ptr<ByteSource>>(const std::string& path)>;

// Reads the header of a GGUF file (version 2 or 3), and of the other parts if it is split. Costs
// O(header) time and memory, never O(file). Errors: the GGUF_* and MODEL_SPLIT keys of
// docs/errors.md. `parts_out` receives the sources in the order of ModelFile::parts; part 0 is
// `first`.
Result<ModelFile> ReadGguf(std::unique_ptr<ByteSource> first, const OpenSource& open,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out);

// Reads the header, directory and metadata of a .tmai file, which has one part. Costs what they
// take and a window, never O(file). Errors: the TMAI_* keys of docs/errors.md.
Result<ModelFile> ReadTmai(std::unique_ptr<ByteSource> source,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out);

// What could be read of a GGUF model before `error`, for showing where a file is damaged.
struct PartialModelFile {
  ModelFile file;              // part files up to the damaged one; tensors may lie anywhere
  std::optional<Error> error;  // empty if nothing is wrong: then `file` is what ReadGguf returns
};
// As ReadGguf, but never fails. Where the list of tensors itself is damaged, the offsets of that
// part's tensors count from the end of its header, which is then unknown.
PartialModelFile ReadGgufPartial(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                 std::vector<std::unique_ptr<ByteSource>>& parts_out);

// Reads a model file of any format that its first bytes tell; where they tell none, the error is
// ReadGguf's. `open` is for the parts of a split model.
Result<ModelFile> ReadModelFile(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                std::vector<std::unique_ptr<ByteSource>>& parts_out);
// The same, never failing: of formats other than GGUF all is read or nothing.
PartialModelFile ReadModelFilePartial(std::unique_ptr<ByteSource> first, const OpenSource& open,
                                      std::vector<std::unique_ptr<ByteSource>>& parts_out);

}  // namespace tinyai
