#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "format/model_file.h"

namespace tinyai {

// The layout of a .tmai file, version 1, little-endian (docs/tmai.md):
//
//   header     one page: TmaiHeader, zeros, u64 checksum of all that comes before it
//   data       the tensors, layer by layer; the first of each layer on a page, the others on a
//              multiple of 64; between them zeros, to a whole number of pages
//   checksums  u64 for each page of the data: XXH3 with the number of the page as seed
//   directory  tensors and graph (tmai_directory.cc)
//   metadata   u64 count, then keys as in a GGUF file (gguf_part.cc)
//   zeros to a whole number of pages

inline constexpr std::string_view kTmaiMagic = "TMAI\r\n\x1A\n";
inline constexpr uint32_t kTmaiVersion = 1;
inline constexpr uint64_t kTmaiPage = BlockChecksums::kBlockBytes;
inline constexpr uint64_t kTmaiTensorAlignment = 64;
// Tensors from here on begin on a page too: what is read with them is not worth a page.
inline constexpr uint64_t kTmaiLargeTensor = uint64_t{64} << 10;

// Required features: a reader that does not know one cannot read the file. Bit 0: there are tensors
// of types that GGUF lacks; bit 1: there are tensors with sparse rows (kernel/sparse_rows.h), which
// have fewer bytes than shape and type take.
inline constexpr uint64_t kTmaiOwnTypes = 1, kTmaiSparseRows = 2;
inline constexpr uint64_t kTmaiKnownFeatures = kTmaiOwnTypes | kTmaiSparseRows;
// The id of our first own type in a file.
inline constexpr uint32_t kTmaiFirstOwnType = 4096;
// A row is a piece of what is written and checked at once.
inline constexpr uint64_t kTmaiLongestSparseRow = uint64_t{1} << 20;

struct TmaiSection {
  uint64_t offset = 0, bytes = 0, checksum = 0;
};

struct TmaiHeader {
  uint32_t version = kTmaiVersion;
  uint64_t required_features = 0, optional_features = 0;
  uint64_t file_bytes = 0;
  uint64_t data_offset = 0, data_bytes = 0;  // whole pages
  uint64_t checksums_offset = 0;
  TmaiSection directory, metadata;
};

// The header's page.
std::vector<std::byte> EncodeTmaiHeader(const TmaiHeader& header);
// Errors TMAI_MAGIC, TMAI_VERSION, TMAI_HEADER (damaged, or sections that do not lie in the file).
Result<TmaiHeader> ReadTmaiHeader(const ByteSource& source);

std::vector<std::byte> EncodeTmaiDirectory(std::span<const TensorInfo> tensors,
                                           const std::optional<GraphRecords>& graph);
// Fills tensors and graph of `out`. `end` is where the directory ends. Error TMAI_TABLE; the
// contents are not checked yet beyond what reading them needs.
Status ReadTmaiDirectory(const ByteSource& source, uint64_t begin, uint64_t end, ModelFile& out);

// Whether a tensor has fewer bytes than its shape and type take.
bool IsSparse(const TensorInfo& tensor);
// Whether the tensors lie in the data in order, with names of their own and bytes that suit their
// shapes, and whether the graph is one: every index in range, every value made before it is used,
// every tensor in at most one layer. Error TMAI_TABLE, or TMAI_TENSOR_TYPE.
Status CheckTmaiTensors(std::span<const TensorInfo> tensors, uint64_t data_begin,
                        uint64_t data_end);
Status CheckGraphRecords(const PackedGraph& graph, uint64_t tensor_count);

// Bytes of a tensor of this type and shape; nothing if a dimension is 0, a row no whole number of
// blocks, or the size no 63-bit number.
std::optional<uint64_t> DenseBytes(DType type, uint32_t n_dims,
                                   const std::array<uint64_t, 4>& dims);

}  // namespace tinyai
