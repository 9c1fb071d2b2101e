#include <algorithm>
#include <array>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/checksum.h"
#include "fmt/format.h"
#include "format/file_kind.h"
#include "format/put_bytes.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

constexpr uint64_t kChecksumAt = kTmaiPage - 8;

void PutSection(std::vector<std::byte>& out, const TmaiSection& section) {
  PutField(out, section.offset);
  PutField(out, section.bytes);
  PutField(out, section.checksum);
}

Result<TmaiSection> ReadSection(ByteReader& in, std::string_view name) {
  TmaiSection section;
  TRY_ASSIGN(section.offset, in.Number<uint64_t>(name));
  TRY_ASSIGN(section.bytes, in.Number<uint64_t>(name));
  TRY_ASSIGN(section.checksum, in.Number<uint64_t>(name));
  return section;
}

tl::unexpected<Error> BadHeader(const ByteSource& source, std::string message,
                                uint64_t offset = 0) {
  return FailAt(ErrorCode::kBadFile, "TMAI_HEADER", std::move(message), source.path(), offset);
}

// What this program can read at all; before the checksum, since another version may have none.
Status CheckVersion(const ByteSource& source, std::span<const std::byte> page) {
  const std::string_view magic(reinterpret_cast<const char*>(page.data()), kTmaiMagic.size());
  if (magic != kTmaiMagic) {
    return FailAt(ErrorCode::kBadFile, "TMAI_MAGIC",
                  fmt::format("this is no .tmai file; {}", DescribeFileStart(page.first<64>())),
                  source.path(), 0);
  }
  uint32_t version;
  std::memcpy(&version, page.data() + kTmaiMagic.size(), sizeof(version));
  if (version == kTmaiVersion) return {};
  return FailAt(ErrorCode::kUnsupported, "TMAI_VERSION",
                fmt::format("version {} of .tmai is not supported ({} is); use a newer tinyai, or "
                            "convert the original model again",
                            version, kTmaiVersion),
                source.path(), kTmaiMagic.size());
}

Status CheckFeatures(const ByteSource& source, const TmaiHeader& header) {
  const uint64_t unknown = header.required_features & ~kTmaiKnownFeatures;
  if (unknown == 0) return {};
  return FailAt(ErrorCode::kUnsupported, "TMAI_VERSION",
                fmt::format("the file needs features that this program does not know (bits {:#x}); "
                            "use a newer tinyai",
                            unknown),
                source.path(), 16);
}

bool IsWithin(uint64_t offset, uint64_t bytes, uint64_t begin, uint64_t end) {
  return offset >= begin && offset <= end && bytes <= end - offset;
}

// The sections follow each other in the order of the layout, inside the file.
Status CheckPlaces(const ByteSource& source, const TmaiHeader& header) {
  const uint64_t size = source.size();
  if (header.file_bytes != size) {
    return BadHeader(source,
                     fmt::format("the file has {} bytes, its header says {}: is it cut short?",
                                 size, header.file_bytes),
                     32);
  }
  if (header.data_offset != kTmaiPage || header.data_bytes % kTmaiPage != 0 ||
      !IsWithin(header.data_offset, header.data_bytes, kTmaiPage, size)) {
    return BadHeader(source, "the data do not lie in the file on whole pages", 48);
  }
  const uint64_t data_end = header.data_offset + header.data_bytes;
  const uint64_t table_bytes = header.data_bytes / kTmaiPage * sizeof(uint64_t);
  if (header.checksums_offset % 8 != 0 ||
      !IsWithin(header.checksums_offset, table_bytes, data_end, size)) {
    return BadHeader(source, "the checksums do not lie in the file after the data", 64);
  }
  const uint64_t table_end = header.checksums_offset + table_bytes;
  if (!IsWithin(header.directory.offset, header.directory.bytes, table_end, size)) {
    return BadHeader(source, "the directory does not lie in the file after the checksums", 72);
  }
  const uint64_t directory_end = header.directory.offset + header.directory.bytes;
  if (!IsWithin(header.metadata.offset, header.metadata.bytes, directory_end, size)) {
    return BadHeader(source, "the metadata do not lie in the file after the directory", 96);
  }
  return {};
}

}  // namespace

std::vector<std::byte> EncodeTmaiHeader(const TmaiHeader& header) {
  std::vector<std::byte> out;
  out.reserve(kTmaiPage);
  PutBytes(out, std::as_bytes(std::span(kTmaiMagic)));
  PutField(out, header.version);
  PutField(out, static_cast<uint32_t>(kTmaiPage));
  PutField(out, header.required_features);
  PutField(out, header.optional_features);
  PutField(out, header.file_bytes);
  PutField(out, kTmaiPage);  // of a block that has a checksum
  PutField(out, header.data_offset);
  PutField(out, header.data_bytes);
  PutField(out, header.checksums_offset);
  PutSection(out, header.directory);
  PutSection(out, header.metadata);
  out.resize(kChecksumAt);
  PutField(out, Checksum(out));
  return out;
}

Result<TmaiHeader> ReadTmaiHeader(const ByteSource& source) {
  std::array<std::byte, kTmaiPage> page = {};
  if (source.size() < kTmaiPage) {
    TRY(source.ReadAt(0, std::span(page).first(source.size())));
    TRY(CheckVersion(source, page));
    return BadHeader(source,
                     fmt::format("the file has {} bytes, the header alone {}: is it cut short?",
                                 source.size(), kTmaiPage));
  }
  TRY(source.ReadAt(0, page));
  TRY(CheckVersion(source, page));
  uint64_t checksum;
  std::memcpy(&checksum, page.data() + kChecksumAt, sizeof(checksum));
  if (checksum != Checksum(std::span(page).first<kChecksumAt>())) {
    return BadHeader(source, "the header is damaged: its checksum is another; fetch the file again",
                     kChecksumAt);
  }
  ByteReader in(page, "TMAI_HEADER");
  TmaiHeader header;
  TRY(in.Bytes("magic", kTmaiMagic.size()));
  TRY_ASSIGN(header.version, in.Number<uint32_t>("version"));
  TRY_ASSIGN(const uint32_t header_bytes, in.Number<uint32_t>("header size"));
  TRY_ASSIGN(header.required_features, in.Number<uint64_t>("required features"));
  TRY_ASSIGN(header.optional_features, in.Number<uint64_t>("optional features"));
  TRY(CheckFeatures(source, header));
  TRY_ASSIGN(header.file_bytes, in.Number<uint64_t>("file size"));
  TRY_ASSIGN(const uint64_t block_bytes, in.Number<uint64_t>("block size"));
  if (header_bytes != kTmaiPage || block_bytes != kTmaiPage) {
    return BadHeader(source,
                     fmt::format("header of {} bytes and blocks of {}; version 1 has {} for both",
                                 header_bytes, block_bytes, kTmaiPage),
                     40);
  }
  TRY_ASSIGN(header.data_offset, in.Number<uint64_t>("data offset"));
  TRY_ASSIGN(header.data_bytes, in.Number<uint64_t>("data size"));
  TRY_ASSIGN(header.checksums_offset, in.Number<uint64_t>("checksums"));
  TRY_ASSIGN(header.directory, ReadSection(in, "directory"));
  TRY_ASSIGN(header.metadata, ReadSection(in, "metadata"));
  TRY(CheckPlaces(source, header));
  return header;
}

}  // namespace tinyai
