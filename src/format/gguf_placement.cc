#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "format/gguf_sections.h"

namespace tinyai {
namespace {

// Indexes of the tensors, sorted by `before`, equal ones in the order of the file.
template <typename Before>
std::vector<uint32_t> Sorted(const std::vector<TensorInfo>& tensors, Before before) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (before(tensors[a], tensors[b])) return true;
    return !before(tensors[b], tensors[a]) && a < b;
  });
  return order;
}

Status CheckNamesUnique(const ByteSource& source, const std::vector<TensorInfo>& tensors) {
  const std::vector<uint32_t> order =
      Sorted(tensors, [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  const auto found = std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].name == tensors[b].name;
  });
  if (found == order.end()) return {};
  return FailAt(ErrorCode::kBadFile, "GGUF_DUP_TENSOR",
                fmt::format("the tensor '{}' is there twice", tensors[*found].name), source.path());
}

// Every tensor ends within the file; offsets become absolute.
Status CheckRanges(const ByteSource& source, GgufPart& part) {
  const uint64_t file = source.size();
  const uint64_t data = part.data_offset > file ? 0 : file - part.data_offset;
  for (const TensorInfo& tensor : part.tensors) {
    if (tensor.offset <= data && tensor.bytes <= data - tensor.offset) continue;
    return FailAt(ErrorCode::kBadFile, "GGUF_TENSOR_RANGE",
                  fmt::format("{}: {} bytes at offset {} of the data (which starts at byte {}) do "
                              "not lie in the file of {} bytes; is it cut short?",
                              tensor.name, tensor.bytes, tensor.offset, part.data_offset, file),
                  source.path(), CheckedAdd(part.data_offset, tensor.offset));
  }
  for (TensorInfo& tensor : part.tensors) tensor.offset += part.data_offset;
  return {};
}

void WarnOfOddities(const ByteSource& source, GgufPart& part, uint64_t gaps, uint64_t end) {
  const std::vector<TensorInfo>& tensors = part.tensors;
  const auto by_offset = [](const TensorInfo& a, const TensorInfo& b) {
    return a.offset < b.offset;
  };
  if (!std::is_sorted(tensors.begin(), tensors.end(), by_offset)) {
    part.warnings.push_back("the data of the tensors is not in the order of their names");
  }
  if (gaps > 0) {
    part.warnings.push_back(
        fmt::format("{} {} between tensors that nothing uses", gaps, gaps == 1 ? "gap" : "gaps"));
  }
  if (source.size() > end) {
    const uint64_t extra = source.size() - end;
    part.warnings.push_back(fmt::format("{} bytes ({}) after the last tensor{}", extra,
                                        FormatByteSize(extra),
                                        extra > kMiB ? ": more than any padding" : ""));
  }
}

// In the order of the data: no tensor begins before the one ahead of it ends.
Status CheckOverlap(const ByteSource& source, GgufPart& part) {
  const std::vector<TensorInfo>& tensors = part.tensors;
  const std::vector<uint32_t> order =
      Sorted(tensors, [](const TensorInfo& a, const TensorInfo& b) { return a.offset < b.offset; });
  uint64_t gaps = 0;
  uint64_t end = part.data_offset;
  for (size_t i = 0; i < order.size(); ++i) {
    const TensorInfo& tensor = tensors[order[i]];
    if (i > 0 && tensor.offset < end) {
      return FailAt(ErrorCode::kBadFile, "GGUF_TENSOR_OVERLAP",
                    fmt::format("{} and {} share bytes", tensors[order[i - 1]].name, tensor.name),
                    source.path(), tensor.offset);
    }
    gaps += tensor.offset > RoundUp(end, part.alignment);
    end = tensor.offset + tensor.bytes;
  }
  WarnOfOddities(source, part, gaps, RoundUp(end, part.alignment));
  return {};
}

}  // namespace

Status PlaceGgufTensors(const ByteSource& source, GgufPart& part) {
  TRY(CheckNamesUnique(source, part.tensors));
  TRY(CheckRanges(source, part));
  return CheckOverlap(source, part);
}

}  // namespace tinyai
