#include "format/onnx_tensor.h"

#include <cstring>

#include "base/checked.h"
#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/limits.h"

namespace tinyai {
namespace {

constexpr uint64_t kHeldAnyway = uint64_t{4} << 20;
constexpr uint64_t kMostElements = uint64_t{1} << 48;

// A name that can only mean a file in the same folder.
bool IsPlainName(std::string_view name) {
  constexpr size_t kMostNameBytes = 255;
  return !name.empty() && name.size() <= kMostNameBytes && name != "." && name != ".." &&
         name.find_first_of("/\\") == std::string_view::npos && IsPrintable(name);
}

// TensorProto: dims = 1, data_type = 2, segment = 3, float_data = 4, int32_data = 5,
// string_data = 6, int64_data = 7, name = 8, raw_data = 9, double_data = 10, uint64_data = 11,
// external_data = 13 {key = 1, value = 2}, data_location = 14.
class TensorReader {
 public:
  TensorReader(OnnxFile& file, const ProtoField& message) : file_(file), message_(message) {}

  Result<OnnxTensor> Read() {
    ProtoReader in(file_.window(), message_);
    uint64_t weights = 0;
    ProtoField field;
    while (true) {
      TRY_ASSIGN(const bool more, in.Next(field));
      if (!more) break;
      if (field.number == 4 || field.number == 9) weights += field.size;
      TRY(ReadField(field));
    }
    file_.Expect(message_.size - weights);
    TRY(file_.Keep(message_.offset, sizeof(OnnxTensor) + tensor_.name.size()));
    TRY(CountElements());
    TRY(is_external_ ? FindExternal() : FindData());
    return std::move(tensor_);
  }

 private:
  tl::unexpected<Error> Bad(std::string_view what) const {
    return file_.Bad(message_.offset, fmt::format("tensor '{}': {}", Shown(tensor_.name), what));
  }

  Status ReadField(const ProtoField& field) {
    using Type = ProtoField::Type;
    switch (field.number) {
      case 1:
        return Numbers(field, [this, &field](uint64_t size) -> Status {
          if (size > kMostElements || tensor_.dims.size() == kMaxValueDims) {
            return file_.Bad(field.offset, "the shape of a tensor is none");
          }
          tensor_.dims.push_back(size);
          return {};
        });
      case 2:
        if (field.type != Type::kVarint) return Bad("its type is no number");
        tensor_.type = static_cast<OnnxType>(std::min<uint64_t>(field.value, UINT32_MAX));
        return {};
      case 3:
        return Bad("it is a segment of a tensor");
      case 4:
      case 9:
      case 10:
        return AddPlain(field);
      case 5:
      case 7:
      case 11:
        return Numbers(field, [this](uint64_t value) { return AddNumber(value); });
      case 8: {
        TRY_ASSIGN(tensor_.name, file_.Name(field));
        return {};
      }
      case 13:
        return ReadEntry(field);
      case 14:
        is_external_ = field.value == 1;
        return {};
      default:
        return {};
    }
  }

  // A repeated number, packed or not.
  template <typename Take>
  Status Numbers(const ProtoField& field, Take&& take) {
    if (field.type == ProtoField::Type::kVarint) return take(field.value);
    if (field.type != ProtoField::Type::kBytes) return Bad("a number has the wrong type");
    file_.Expect(field.size);
    ProtoReader list(file_.window(), field);
    while (!list.AtEnd()) {
      TRY_ASSIGN(const uint64_t value, list.Varint("number"));
      TRY(take(value));
    }
    return {};
  }

  // Elements as they are in memory. In one piece they stay where they are.
  Status AddPlain(const ProtoField& field) {
    if (field.type == ProtoField::Type::kVarint) return Bad("its elements are of another type");
    if (field.size == 0) return {};
    const bool first = data_.size == 0 && loose_.empty();
    if (first && field.type == ProtoField::Type::kBytes) {
      data_ = field;
      return {};
    }
    if (data_.size != 0) return Bad("its elements are in several pieces");
    if (field.type == ProtoField::Type::kBytes) return Bad("its elements are partly packed");
    TRY(file_.Keep(field.offset, field.size, 2 * loose_.size()));
    const auto* const bytes = reinterpret_cast<const std::byte*>(&field.value);
    loose_.insert(loose_.end(), bytes, bytes + field.size);
    return {};
  }

  // An element that is a varint in the file, of as many bytes as the type has; so the type has to
  // come before, as every writer has it.
  Status AddNumber(uint64_t value) {
    const size_t size = ElementBytes(tensor_.type);
    if (size == 0) return {};  // refused later
    TRY(file_.Keep(message_.offset, size, 2 * loose_.size()));
    const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
    loose_.insert(loose_.end(), bytes, bytes + size);
    return {};
  }

  Status ReadEntry(const ProtoField& message) {
    ProtoReader in(file_.window(), message);
    ProtoField field;
    std::string key, value;
    while (true) {
      TRY_ASSIGN(const bool more, in.Next(field));
      if (!more) break;
      if (field.number != 1 && field.number != 2) continue;
      TRY_ASSIGN((field.number == 1 ? key : value), file_.Name(field));
    }
    if (key == "location") location_ = std::move(value);
    if (key == "offset") return ParseNumber(value, external_offset_);
    if (key == "length") return ParseNumber(value, external_length_.emplace());
    return {};
  }
  Status ParseNumber(const std::string& text, uint64_t& out) const {
    out = 0;
    for (const char c : text) {
      const auto next = CheckedMul(out, 10);
      if (c < '0' || c > '9' || !next) return Bad("its external data are at no place");
      out = *next + static_cast<uint64_t>(c - '0');
    }
    if (text.empty() || out > uint64_t{INT64_MAX}) {
      return Bad("its external data are at no place");
    }
    return {};
  }

  Status CountElements() {
    tensor_.elements = 1;
    for (const uint64_t size : tensor_.dims) {
      const std::optional<uint64_t> product = CheckedMul(tensor_.elements, size);
      if (!product || *product > kMostElements) return Bad("it has too many elements");
      tensor_.elements = *product;
    }
    if (ElementBytes(tensor_.type) != 0) return {};
    return FailAt(ErrorCode::kUnsupported, "ONNX_TYPE",
                  fmt::format("tensor '{}': elements of type {} are not supported",
                              Shown(tensor_.name), static_cast<uint32_t>(tensor_.type)),
                  file_.source().path(), message_.offset);
  }

  Status FindData() {
    const uint64_t have = data_.size + loose_.size();
    if (have != tensor_.bytes()) {
      return Bad(fmt::format("its shape takes {} bytes, {} are there", tensor_.bytes(), have));
    }
    tensor_.offset = data_.offset;
    loose_.shrink_to_fit();
    tensor_.here = std::move(loose_);
    return {};
  }

  Status FindExternal() {
    if (data_.size + loose_.size() != 0) return Bad("it has data here and elsewhere");
    TRY_ASSIGN(tensor_.part, file_.PartOf(location_, message_.offset));
    const ByteSource& part = file_.part(tensor_.part);
    const uint64_t size = external_length_.value_or(tensor_.bytes());
    if (size == tensor_.bytes() && external_offset_ <= part.size() &&
        size <= part.size() - external_offset_) {
      tensor_.offset = external_offset_;
      return {};
    }
    return FailAt(
        ErrorCode::kBadFile, "ONNX_DATA",
        fmt::format("tensor '{}' takes {} bytes; {} from byte {} on of a file of {} are "
                    "said to be it",
                    Shown(tensor_.name), tensor_.bytes(), size, external_offset_, part.size()),
        part.path(), external_offset_);
  }

  OnnxFile& file_;
  const ProtoField& message_;
  OnnxTensor tensor_;
  ProtoField data_;               // in one piece, or
  std::vector<std::byte> loose_;  // element by element
  bool is_external_ = false;
  std::string location_;
  uint64_t external_offset_ = 0;
  std::optional<uint64_t> external_length_;
};

}  // namespace

size_t ElementBytes(OnnxType type) {
  switch (type) {
    case OnnxType::kU8:
    case OnnxType::kI8:
    case OnnxType::kBool:
      return 1;
    case OnnxType::kU16:
    case OnnxType::kI16:
    case OnnxType::kF16:
    case OnnxType::kBF16:
      return 2;
    case OnnxType::kFloat:
    case OnnxType::kI32:
    case OnnxType::kU32:
      return 4;
    case OnnxType::kI64:
    case OnnxType::kU64:
    case OnnxType::kF64:
      return 8;
    default:
      return 0;
  }
}

OnnxFile::OnnxFile(std::unique_ptr<ByteSource> source, const OpenBeside& open,
                   std::vector<std::unique_ptr<ByteSource>>& parts)
    : parts_(parts), window_(*source, "ONNX_PARSE"), open_(open), allowed_(kHeldAnyway) {
  parts_.clear();
  parts_.push_back(std::move(source));
}

Status OnnxFile::Keep(uint64_t offset, uint64_t bytes, uint64_t more) {
  held_ += bytes;
  if (held_ + more <= allowed_) return {};
  return Bad(offset, "the file has more small pieces than any model needs");
}

Result<std::string> OnnxFile::Name(const ProtoField& field) {
  return Text(field, kMaxTensorNameBytes);
}

Result<std::string> OnnxFile::Text(const ProtoField& field, uint64_t most) {
  if (field.type != ProtoField::Type::kBytes) return Bad(field.offset, "a text is a number");
  if (field.size > most) {
    return Bad(field.offset, fmt::format("a text of {} bytes, at most {} are", field.size, most));
  }
  return window_.Text(field.offset, field.size);
}

Result<uint32_t> OnnxFile::PartOf(const std::string& name, uint64_t offset) {
  const auto found = part_of_.find(name);
  if (found != part_of_.end()) return found->second;
  const auto refuse = [&](std::string_view what) {
    return FailAt(ErrorCode::kBadFile, "ONNX_PATH",
                  fmt::format("external data in '{}', {}", Shown(name), what), source().path(),
                  offset);
  };
  if (!IsPlainName(name)) return refuse("which is no name of a file beside the model");
  if (part_of_.size() == kMaxSplitParts) return refuse("one file more than there may be");
  TRY_ASSIGN(std::unique_ptr<ByteSource> part, open_(name));
  const auto index = static_cast<uint32_t>(parts_.size());
  parts_.push_back(std::move(part));
  part_of_.emplace(name, index);
  return index;
}

Result<OnnxTensor> ReadOnnxTensor(OnnxFile& file, const ProtoField& message) {
  return TensorReader(file, message).Read();
}

}  // namespace tinyai
