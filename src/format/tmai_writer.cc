#include "format/tmai_writer.h"

#include <algorithm>

#include "base/checked.h"
#include "base/checksum.h"
#include "fmt/format.h"
#include "format/limits.h"
#include "format/put_bytes.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

constexpr uint64_t kBufferBytes = uint64_t{2} << 20;
constexpr uint64_t kMostPiece = uint64_t{1} << 20;
constexpr size_t kTableBytes = size_t{64} << 10;  // of checksums held until they are written

uint64_t DataEnd(const TmaiContents& contents) {
  if (contents.tensors.empty()) return kTmaiPage;
  const TensorInfo& last = contents.tensors.back();
  return RoundUp(last.offset + last.bytes, kTmaiPage);
}

// Writes the data in order, page by page, and the checksum of each page.
class DataWriter {
 public:
  DataWriter(ByteSink& sink, uint64_t table_offset)
      : sink_(sink), buffer_(kBufferBytes), table_offset_(table_offset) {
    table_.reserve(kTableBytes / sizeof(uint64_t));
  }

  uint64_t position() const { return begin_ + filled_; }

  // Zeros until byte `end`, less than a page from here.
  Status FillTo(uint64_t end) {
    TRY(MakeRoom(end - position()));
    std::fill_n(buffer_.begin() + static_cast<ptrdiff_t>(filled_), end - position(), std::byte{0});
    filled_ = end - begin_;
    return {};
  }
  // Room for the next `size` bytes, at most kMostPiece; they count once Take is called.
  Result<std::span<std::byte>> Room(uint64_t size) {
    TRY(MakeRoom(size));
    return std::span(buffer_).subspan(filled_, size);
  }
  void Take(uint64_t size) { filled_ += size; }

  // `position()` is a whole number of pages.
  Status Finish() {
    TRY(WritePages());
    return WriteTable();
  }

 private:
  Status MakeRoom(uint64_t size) {
    return size <= buffer_.size() - filled_ ? Status() : WritePages();
  }

  // Those that are complete.
  Status WritePages() {
    const uint64_t whole = RoundDown(filled_, kTmaiPage);
    for (uint64_t at = 0; at < whole; at += kTmaiPage) {
      if (table_.size() == kTableBytes / sizeof(uint64_t)) TRY(WriteTable());
      table_.push_back(Checksum(std::span(buffer_).subspan(at, kTmaiPage), pages_++));
    }
    TRY(sink_.WriteAt(begin_, std::span(buffer_).first(whole)));
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(whole),
              buffer_.begin() + static_cast<ptrdiff_t>(filled_), buffer_.begin());
    begin_ += whole;
    filled_ -= whole;
    return {};
  }

  Status WriteTable() {
    TRY(sink_.WriteAt(table_offset_, std::as_bytes(std::span(table_))));
    table_offset_ += table_.size() * sizeof(uint64_t);
    table_.clear();
    return {};
  }

  ByteSink& sink_;
  std::vector<std::byte> buffer_;
  uint64_t begin_ = kTmaiPage;  // of the buffer in the file
  uint64_t filled_ = 0;
  std::vector<uint64_t> table_;
  uint64_t table_offset_;
  uint64_t pages_ = 0;
};

uint64_t PieceBytes(const TensorInfo& tensor) {
  const DTypeInfo& type = Info(tensor.type);
  const uint64_t row = tensor.bytes / (tensor.dims[1] * tensor.dims[2] * tensor.dims[3]);
  const uint64_t unit = row <= kMostPiece ? row : type.block_bytes;
  return kMostPiece / unit * unit;
}

Status WriteData(const TmaiContents& contents, const TensorSource& source, DataWriter& out,
                 const std::function<bool(const WriteProgress&)>& heard) {
  WriteProgress progress;
  for (const TensorInfo& tensor : contents.tensors) progress.bytes += tensor.bytes;
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const TensorInfo& tensor = contents.tensors[i];
    TRY(out.FillTo(tensor.offset));
    const uint64_t most = PieceBytes(tensor);
    for (uint64_t done = 0; done < tensor.bytes;) {
      progress.tensor = i;
      if (heard && !heard(progress)) {
        return Fail(ErrorCode::kCancelled, "CANCELLED", "the writing of the model was stopped");
      }
      const uint64_t size = std::min(most, tensor.bytes - done);
      TRY_ASSIGN(const std::span<std::byte> room, out.Room(size));
      TRY(source(i, done, room));
      out.Take(size);
      done += size;
      progress.bytes_done += size;
    }
  }
  TRY(out.FillTo(DataEnd(contents)));
  return out.Finish();
}

struct Tables {
  TmaiHeader header;
  std::vector<std::byte> directory, metadata;
};

TmaiSection Place(std::span<const std::byte> bytes, uint64_t& at) {
  const TmaiSection section = {at, bytes.size(), Checksum(bytes)};
  at = RoundUp(at + bytes.size(), 8);
  return section;
}

Tables MakeTables(const TmaiContents& contents) {
  Tables out;
  out.directory = EncodeTmaiDirectory(contents.tensors, contents.graph);
  PutField(out.metadata, contents.metadata.key_count());
  PutBytes(out.metadata, contents.metadata.key_bytes());
  TmaiHeader& header = out.header;
  for (const TensorInfo& tensor : contents.tensors) {
    if (!IsGguf(tensor.type)) header.required_features |= kTmaiOwnTypes;
    if (IsSparse(tensor)) header.required_features |= kTmaiSparseRows;
  }
  header.data_offset = kTmaiPage;
  header.data_bytes = DataEnd(contents) - kTmaiPage;
  header.checksums_offset = header.data_offset + header.data_bytes;
  uint64_t at = header.checksums_offset + header.data_bytes / kTmaiPage * sizeof(uint64_t);
  header.directory = Place(out.directory, at);
  header.metadata = Place(out.metadata, at);
  header.file_bytes = RoundUp(at, kTmaiPage);
  return out;
}

}  // namespace

Result<uint64_t> LayOutTmai(TmaiContents& contents) {
  std::vector<bool> on_page(contents.tensors.size(), false);
  if (contents.graph) {
    if (contents.graph->layers.size() > kMaxLayers) {
      return Fail(
          ErrorCode::kBadFile, "TMAI_TABLE",
          fmt::format("{} layers, the most is {}", contents.graph->layers.size(), kMaxLayers));
    }
    TRY(CheckGraphRecords(PackedGraph(*contents.graph), contents.tensors.size()));
    for (const GraphRecords::Layer& layer : contents.graph->layers) {
      if (layer.tensor_count > 0) on_page[layer.first_tensor] = true;
      const uint64_t next = layer.first_tensor + layer.tensor_count;
      if (next < on_page.size()) on_page[next] = true;
    }
  }
  uint64_t at = kTmaiPage;
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    TensorInfo& tensor = contents.tensors[i];
    const std::optional<uint64_t> bytes = DenseBytes(tensor.type, tensor.n_dims, tensor.dims);
    if (!bytes || *bytes > uint64_t{INT64_MAX} - at - kTmaiPage) {
      return Fail(
          ErrorCode::kBadFile, "TMAI_TABLE",
          fmt::format("{}: a tensor of {} cannot have this shape", tensor.name, Name(tensor.type)));
    }
    tensor.part = 0;
    if (tensor.bytes == 0 || tensor.bytes > *bytes) tensor.bytes = *bytes;
    tensor.offset = RoundUp(
        at, on_page[i] || tensor.bytes >= kTmaiLargeTensor ? kTmaiPage : kTmaiTensorAlignment);
    at = tensor.offset + tensor.bytes;
  }
  TRY(CheckTmaiTensors(contents.tensors, kTmaiPage, DataEnd(contents)));
  return MakeTables(contents).header.file_bytes;
}

Status WriteTmai(const TmaiContents& contents, const TensorSource& source, ByteSink& sink,
                 const std::function<bool(const WriteProgress&)>& progress) {
  const Tables tables = MakeTables(contents);
  {
    DataWriter data(sink, tables.header.checksums_offset);
    TRY(WriteData(contents, source, data, progress));
  }
  TRY(sink.WriteAt(tables.header.directory.offset, tables.directory));
  TRY(sink.WriteAt(tables.header.metadata.offset, tables.metadata));
  // The end of the file is a whole page, whatever the last table leaves of it.
  const uint64_t end = tables.header.metadata.offset + tables.metadata.size();
  const std::vector<std::byte> zeros(tables.header.file_bytes - end);
  TRY(sink.WriteAt(end, zeros));
  return sink.WriteAt(0, EncodeTmaiHeader(tables.header));
}

}  // namespace tinyai
