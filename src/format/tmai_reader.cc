#include <algorithm>
#include <vector>

#include "base/checksum.h"
#include "fmt/format.h"
#include "format/front_source.h"
#include "format/gguf_sections.h"
#include "format/limits.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

constexpr uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;  // one letter, u8
constexpr uint64_t kPieceBytes = uint64_t{64} << 10;

Status CheckSection(const ByteSource& source, const TmaiSection& section, std::string_view name) {
  RunningChecksum checksum;
  std::vector<std::byte> piece(std::min(section.bytes, kPieceBytes));
  for (uint64_t done = 0; done < section.bytes; done += piece.size()) {
    piece.resize(std::min(section.bytes - done, kPieceBytes));
    TRY(source.ReadAt(section.offset + done, piece));
    checksum.Add(piece);
  }
  if (checksum.value() == section.checksum) return {};
  return FailAt(
      ErrorCode::kBadFile, "TMAI_TABLE",
      fmt::format("the {} is damaged: its checksum is another; fetch the file again", name),
      source.path(), section.offset);
}

Result<Metadata> ReadMetadata(const ByteSource& source, const TmaiSection& section) {
  const FrontSource front(source, section.offset + section.bytes);
  GgufInput in(front, section.offset);
  const auto read = [&](GgufPart& part) -> Status {
    TRY_ASSIGN(const uint64_t count, in.Number<uint64_t>("key count"));
    if (count > kMaxGgufKeys || count * kLeastKeyBytes > in.left()) {
      return in.Bad("TMAI_TABLE", section.offset, fmt::format("{} keys are too many", count));
    }
    TRY(ReadGgufKeys(in, count, part));
    if (in.left() == 0) return {};
    return in.Bad("TMAI_TABLE", in.offset(), "the metadata are longer than their keys");
  };
  GgufPart part;
  if (Status status = read(part); !status) {
    Error error = std::move(status).error();
    if (error.code == ErrorCode::kBadFile) error.key = "TMAI_TABLE";
    return tl::unexpected<Error>(std::move(error));
  }
  return Metadata(std::move(part.blocks), std::move(part.entries));
}

// Layers begin on pages, so that one may be read without its neighbours.
Status CheckLayersPlaced(const ModelFile& file) {
  if (!file.graph) return {};
  for (size_t i = 0; i < file.graph->layer_count(); ++i) {
    const GraphRecords::Layer layer = file.graph->layer(i);
    if (layer.tensor_count == 0) continue;
    const TensorInfo& first = file.tensors[layer.first_tensor];
    if (first.offset % kTmaiPage == 0) continue;
    return Fail(ErrorCode::kBadFile, "TMAI_TABLE",
                fmt::format("the layer '{}' begins at byte {}, which is no multiple of {}",
                            layer.name, first.offset, kTmaiPage));
  }
  return {};
}

Status CheckContents(const ModelFile& file, const TmaiHeader& header) {
  const auto sparse = std::ranges::find_if(file.tensors, IsSparse);
  if (sparse != file.tensors.end() && (header.required_features & kTmaiSparseRows) == 0) {
    return Fail(ErrorCode::kBadFile, "TMAI_TABLE",
                fmt::format("{}: {} bytes are not what its shape and type take, and the file says "
                            "that it has no sparse rows",
                            sparse->name, sparse->bytes));
  }
  const auto own = std::ranges::find_if_not(file.tensors, IsGguf, &TensorInfo::type);
  if (own != file.tensors.end() && (header.required_features & kTmaiOwnTypes) == 0) {
    return Fail(ErrorCode::kBadFile, "TMAI_TABLE",
                fmt::format("{}: is of type {}, and the file says that it has no type of its own",
                            own->name, Name(own->type)));
  }
  TRY(CheckTmaiTensors(file.tensors, file.checksums->begin, file.checksums->end));
  if (!file.graph) return {};
  TRY(CheckGraphRecords(*file.graph, file.tensors.size()));
  return CheckLayersPlaced(file);
}

}  // namespace

Result<ModelFile> ReadTmai(std::unique_ptr<ByteSource> source,
                           std::vector<std::unique_ptr<ByteSource>>& parts_out) {
  parts_out.clear();
  TRY_ASSIGN(const TmaiHeader header, ReadTmaiHeader(*source));
  TRY(CheckSection(*source, header.directory, "directory"));
  TRY(CheckSection(*source, header.metadata, "metadata section"));
  ModelFile file;
  file.format = fmt::format("TMAI v{}", header.version);
  file.parts = {source->path()};
  file.part_sizes = {source->size()};
  file.checksums = {.begin = header.data_offset,
                    .end = header.data_offset + header.data_bytes,
                    .table_offset = header.checksums_offset};
  TRY(ReadTmaiDirectory(*source, header.directory.offset,
                        header.directory.offset + header.directory.bytes, file));
  if (Status checked = CheckContents(file, header); !checked) {
    Error error = std::move(checked).error();
    error.file = source->path();
    error.offset = header.directory.offset;
    return tl::unexpected<Error>(std::move(error));
  }
  TRY_ASSIGN(file.metadata, ReadMetadata(*source, header.metadata));
  file.IndexTensors();
  parts_out.push_back(std::move(source));
  return file;
}

}  // namespace tinyai
