#include <algorithm>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/escape.h"
#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/json_events.h"
#include "format/limits.h"
#include "format/safetensors.h"

namespace tinyai {
namespace {

// A safetensors file: u64 length of the header, the header, the data. The header is an object:
//
//   {"__metadata__": {"key": "text", ..},
//    "NAME": {"dtype": "F16", "shape": [outermost, ..], "data_offsets": [begin, end]}, ..}
//
// Offsets count from the end of the header; the tensors fill the data without holes.

constexpr uint64_t kMostHeaderBytes = 100'000'000;
constexpr uint64_t kLengthBytes = 8;

struct KnownType {
  std::string_view name;
  uint32_t bits;
  std::optional<DType> type;
};
constexpr std::array kTypes = {
    KnownType{"F32", 32, DType::kF32},
    KnownType{"F16", 16, DType::kF16},
    KnownType{"BF16", 16, DType::kBF16},
    KnownType{"F64", 64, {}},
    KnownType{"I64", 64, {}},
    KnownType{"U64", 64, {}},
    KnownType{"I32", 32, {}},
    KnownType{"U32", 32, {}},
    KnownType{"I16", 16, {}},
    KnownType{"U16", 16, {}},
    KnownType{"I8", 8, {}},
    KnownType{"U8", 8, {}},
    KnownType{"BOOL", 8, {}},
    KnownType{"F8_E4M3", 8, {}},
    KnownType{"F8_E5M2", 8, {}},
    KnownType{"F8_E8M0", 8, {}},
    KnownType{"F6_E2M3", 6, {}},
    KnownType{"F6_E3M2", 6, {}},
    KnownType{"F4", 4, {}},
    KnownType{"C64", 64, {}},
};

// Reads the events of a header into its tensors.
class HeaderEvents : public JsonEvents {
 public:
  HeaderEvents(const ByteSource& source, uint64_t data_begin, std::deque<SafeTensor>& out)
      : source_(source), data_begin_(data_begin), out_(out) {}

  Status Begin(Container kind) override {
    ++depth_;
    const bool wanted = depth_ <= 2 ? kind == Container::kObject : kind == Container::kArray;
    if (depth_ == 1 && !wanted) return Bad("ST_HEADER_JSON", "the header is no object");
    if (depth_ == 2) {
      if (!wanted) return Wrong("is no object");
      if (!in_metadata_) return BeginTensor();
      return {};
    }
    if (depth_ == 1) return {};
    if (in_metadata_) return Bad("ST_METADATA", "a value of __metadata__ is no string");
    if (depth_ > 3 || !wanted || (field_ != Field::kShape && field_ != Field::kOffsets)) {
      return WrongField();
    }
    return {};
  }

  Status End() override {
    if (depth_-- != 2) return {};
    if (in_metadata_) {
      in_metadata_ = false;
      return {};
    }
    return EndTensor();
  }

  Status Key(std::string key) override {
    if (depth_ == 1) {
      in_metadata_ = key == "__metadata__";
      name_ = std::move(key);
      return {};
    }
    if (in_metadata_) return {};
    field_ = key == "dtype"          ? Field::kType
             : key == "shape"        ? Field::kShape
             : key == "data_offsets" ? Field::kOffsets
                                     : Field::kOther;
    if (field_ == Field::kOther) return Wrong(fmt::format("has a field '{}'", Shown(key)));
    return {};
  }

  Status Value(JsonScalar value) override {
    if (depth_ == 0) return Bad("ST_HEADER_JSON", "the header is no object");
    if (depth_ == 1)
      return in_metadata_ ? Bad("ST_METADATA", "__metadata__ is no object") : Wrong("is no object");
    if (in_metadata_) {
      if (std::holds_alternative<std::string>(value)) return {};
      return Bad("ST_METADATA", "a value of __metadata__ is no string");
    }
    if (depth_ == 2) {
      const auto* text = std::get_if<std::string>(&value);
      if (field_ != Field::kType || text == nullptr) return WrongField();
      return TakeType(*text);
    }
    const auto* number = std::get_if<uint64_t>(&value);
    if (number == nullptr) return WrongField();
    return field_ == Field::kShape ? TakeDim(*number) : TakeOffset(*number);
  }

 private:
  enum class Field : uint8_t { kType, kShape, kOffsets, kOther };

  tl::unexpected<Error> Bad(std::string_view key, std::string message,
                            ErrorCode code = ErrorCode::kBadFile) const {
    return FailAt(code, key, std::move(message), source_.path(), kLengthBytes);
  }
  tl::unexpected<Error> Wrong(std::string_view what) const {
    return Bad("ST_HEADER_JSON", fmt::format("the tensor '{}' {}", Shown(name_), what));
  }
  tl::unexpected<Error> WrongField() const {
    const std::string name = Shown(name_);
    switch (field_) {
      case Field::kType:
        return Bad("ST_DTYPE", fmt::format("{}: the dtype is no string", name));
      case Field::kShape:
        return Bad("ST_SHAPE", fmt::format("{}: the shape is no list of whole numbers", name));
      default:
        return Bad("ST_OFFSETS", fmt::format("{}: data_offsets are no two whole numbers", name));
    }
  }

  Status BeginTensor() {
    if (out_.size() == kMaxTensors) {
      return Bad("ST_HEADER_JSON", fmt::format("more than {} tensors", kMaxTensors));
    }
    if (name_.empty() || name_.size() > kMaxTensorNameBytes || !IsPrintable(name_)) {
      return Wrong("has a name that is empty, too long, or has control characters");
    }
    type_ = nullptr;
    offsets_ = 0;
    out_.emplace_back().name = name_;
    return {};
  }

  Status TakeType(std::string_view text) {
    const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                    [&](const KnownType& type) { return type.name == text; });
    if (known == kTypes.end()) {
      return Bad("ST_DTYPE",
                 fmt::format("{}: the dtype '{}' does not exist", Shown(name_), Shown(text)));
    }
    type_ = &*known;
    out_.back().type_name = known->name;
    out_.back().type = known->type;
    return {};
  }

  Status TakeDim(uint64_t dim) {
    SafeTensor& tensor = out_.back();
    if (tensor.n_dims == tensor.shape.size()) {
      return Bad("ST_SHAPE",
                 fmt::format("{}: more than {} dimensions", Shown(name_), tensor.shape.size()));
    }
    tensor.shape[tensor.n_dims++] = dim;
    return {};
  }

  Status TakeOffset(uint64_t offset) {
    if (offsets_ == 2) return WrongField();
    range_[offsets_++] = offset;
    return {};
  }

  Status EndTensor() {
    SafeTensor& tensor = out_.back();
    const std::string name = Shown(name_);
    if (type_ == nullptr) return Bad("ST_DTYPE", fmt::format("{}: the dtype is missing", name));
    if (offsets_ != 2) return Bad("ST_OFFSETS", fmt::format("{}: needs two data_offsets", name));
    std::optional<uint64_t> bits = type_->bits;
    for (uint32_t i = 0; i < tensor.n_dims && bits; ++i) {
      bits = CheckedMul(*bits, tensor.shape[i]);
      if (tensor.shape[i] > uint64_t{INT64_MAX}) bits = std::nullopt;
    }
    if (!bits) {
      return Bad("ST_SHAPE", fmt::format("{}: more elements than can be counted", name));
    }
    if (*bits % 8 != 0) {
      return Bad("ST_DTYPE", fmt::format("{}: {} elements of {} are no whole number of bytes", name,
                                         *bits / type_->bits, type_->name));
    }
    const uint64_t data_bytes = source_.size() - data_begin_;
    if (range_[0] > range_[1] || range_[1] > data_bytes) {
      return Bad("ST_OFFSETS",
                 fmt::format("{}: data_offsets {} to {} do not lie in the {} bytes of "
                             "data; is the file cut short?",
                             name, range_[0], range_[1], data_bytes));
    }
    if (range_[1] - range_[0] != *bits / 8) {
      return Bad("ST_OFFSETS",
                 fmt::format("{}: data_offsets are {} bytes apart, its shape and type take {}",
                             name, range_[1] - range_[0], *bits / 8));
    }
    tensor.offset = data_begin_ + range_[0];
    tensor.bytes = *bits / 8;
    return {};
  }

  const ByteSource& source_;
  const uint64_t data_begin_;
  std::deque<SafeTensor>& out_;
  int depth_ = 0;
  bool in_metadata_ = false;
  std::string name_;
  Field field_ = Field::kOther;
  const KnownType* type_ = nullptr;
  int offsets_ = 0;
  std::array<uint64_t, 2> range_{};
};

Status CheckContiguous(const ByteSource& source, uint64_t data_begin,
                       const std::deque<SafeTensor>& tensors) {
  std::vector<const SafeTensor*> order;
  order.reserve(tensors.size());
  for (const SafeTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const SafeTensor* a, const SafeTensor* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t at = data_begin;
  for (const SafeTensor* tensor : order) {
    if (tensor->offset != at) {
      return FailAt(ErrorCode::kBadFile, "ST_NOT_CONTIGUOUS",
                    fmt::format("{} begins at byte {}, {} the end of the tensor before, byte {}",
                                Shown(tensor->name), tensor->offset,
                                tensor->offset < at ? "before" : "after", at),
                    source.path(), tensor->offset);
    }
    at += tensor->bytes;
  }
  if (at == source.size()) return {};
  return FailAt(ErrorCode::kBadFile, "ST_NOT_CONTIGUOUS",
                fmt::format("{} bytes after the last tensor", source.size() - at), source.path(),
                at);
}

Result<uint64_t> ReadHeaderLength(const ByteSource& source) {
  const auto bad = [&](std::string message) {
    return FailAt(ErrorCode::kBadFile, "ST_HEADER_LEN", std::move(message), source.path(), 0);
  };
  if (source.size() < kLengthBytes) {
    return bad(fmt::format("the file has {} bytes, fewer than the length of a header takes",
                           source.size()));
  }
  uint64_t length = 0;
  TRY(source.ReadAt(0, std::as_writable_bytes(std::span(&length, 1))));
  if (length < 2 || length > kMostHeaderBytes || length > source.size() - kLengthBytes) {
    return bad(
        fmt::format("the header is said to have {} bytes; it has 2 to {}, and the file has "
                    "{} after the length",
                    length, kMostHeaderBytes, source.size() - kLengthBytes));
  }
  return length;
}

}  // namespace

bool LooksLikeSafetensors(const ByteSource& source) {
  std::array<std::byte, kLengthBytes + 1> start{};
  if (source.size() < start.size() || !source.ReadAt(0, start)) return false;
  uint64_t length = 0;
  std::memcpy(&length, start.data(), sizeof(length));
  return length >= 2 && length <= kMostHeaderBytes && start[kLengthBytes] == std::byte{'{'};
}

Result<SafetensorsHeader> ReadSafetensorsHeader(const ByteSource& source) {
  TRY_ASSIGN(const uint64_t length, ReadHeaderLength(source));
  std::array<std::byte, 1> first{};
  TRY(source.ReadAt(kLengthBytes, first));
  if (first[0] != std::byte{'{'}) {
    return FailAt(ErrorCode::kBadFile, "ST_HEADER_JSON", "the header does not begin with '{'",
                  source.path(), kLengthBytes);
  }
  SafetensorsHeader header;
  const uint64_t data_begin = kLengthBytes + length;
  HeaderEvents events(source, data_begin, header.tensors);
  TRY(ReadJson(source, kLengthBytes, data_begin, {"ST_HEADER_JSON", "ST_DUP_KEY"}, events));
  TRY(CheckContiguous(source, data_begin, header.tensors));
  return header;
}

}  // namespace tinyai
