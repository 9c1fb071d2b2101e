#include "kernel/sparse_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernel/packed_codes.h"

namespace tinyai {
namespace {

constexpr uint64_t kGroup = 32;

// What a group has beside its bits.
struct GroupForm {
  uint32_t head_bytes, code_bits;
};

GroupForm FormOf(DType type) {
  switch (type) {
    case DType::kF32:
      return {0, 32};
    case DType::kF16:
    case DType::kBF16:
      return {0, 16};
    case DType::kQ8_0:
      return {2, 8};
    case DType::kQ4_0:
      return {2, 4};
    case DType::kInt2:
      return {2, 2};
    default:
      return {0, 0};
  }
}

uint64_t RunCount(uint64_t cols) { return (cols + kSparseRun - 1) / kSparseRun; }
uint64_t GroupCount(uint64_t cols) { return (cols + kGroup - 1) / kGroup; }
uint64_t CodeBytes(uint64_t codes, GroupForm form) { return (codes * form.code_bits + 7) / 8; }

bool IsZero(const std::byte* codes, uint64_t e, GroupForm form) {
  if (form.code_bits == 4) return GetCode<4>(codes, e) == kZeroCode<4>;
  if (form.code_bits == 2) return GetCode<2>(codes, e) == kZeroCode<2>;
  const uint64_t bytes = form.code_bits / 8;
  return std::all_of(codes + e * bytes, codes + (e + 1) * bytes,
                     [](std::byte byte) { return byte == std::byte(0); });
}

// Packs a group of `count` elements; returns where the next one goes.
std::byte* PackGroup(const std::byte* group, uint64_t count, GroupForm form, std::byte* out) {
  const std::byte* codes = group + form.head_bytes;
  uint32_t there = 0;
  for (uint64_t e = 0; e < count; ++e) there |= uint32_t{!IsZero(codes, e, form)} << e;
  std::memcpy(out, &there, sizeof(there));
  std::memcpy(out + sizeof(there), group, form.head_bytes);
  out += sizeof(there) + form.head_bytes;
  uint64_t index = 0;
  for (uint32_t left = there; left != 0; left &= left - 1, ++index) {
    const auto e = static_cast<uint64_t>(std::countr_zero(left));
    if (form.code_bits < 8) {
      const uint8_t code = form.code_bits == 4 ? GetCode<4>(codes, e) : GetCode<2>(codes, e);
      const uint64_t bit = index * form.code_bits;
      if (bit % 8 == 0) out[bit / 8] = std::byte(0);
      out[bit / 8] |= std::byte(code << bit % 8);
    } else {
      const uint64_t bytes = form.code_bits / 8;
      std::memcpy(out + index * bytes, codes + e * bytes, bytes);
    }
  }
  return out + CodeBytes(index, form);
}

// Of codes of less than a byte.
template <uint32_t kBits>
void UnpackSmallCodes(uint32_t there, const std::byte* packed, std::byte* codes) {
  std::memset(codes, kZeroCodes<kBits>, kGroup * kBits / 8);
  uint64_t bit = 0;
  for (uint32_t left = there; left != 0; left &= left - 1, bit += kBits) {
    const uint8_t code = static_cast<uint8_t>(packed[bit / 8]) >> bit % 8 & kCodeMask<kBits>;
    const CodePlace place = PlaceOfCode<kBits>(static_cast<size_t>(std::countr_zero(left)));
    codes[place.byte] ^= std::byte((code ^ kZeroCode<kBits>) << place.shift);
  }
}

template <uint64_t kBytes>
void UnpackCodes(uint32_t there, const std::byte* packed, uint64_t count, std::byte* codes) {
  std::memset(codes, 0, count * kBytes);
  for (uint32_t left = there; left != 0; left &= left - 1, packed += kBytes) {
    std::memcpy(codes + static_cast<uint64_t>(std::countr_zero(left)) * kBytes, packed, kBytes);
  }
}

struct GroupStart {
  uint32_t there;          // which elements are
  const std::byte* codes;  // of these
  const std::byte* end;
};

// Reads what begins a group of `count` elements, the head to `head`; nothing is there of one that
// does not lie within `rest`.
GroupStart ReadGroup(std::span<const std::byte> rest, uint64_t count, GroupForm form,
                     std::byte* head) {
  const std::byte* const end = rest.data() + rest.size();
  const uint64_t before = sizeof(uint32_t) + form.head_bytes;
  if (rest.size() >= before) {
    uint32_t there;
    std::memcpy(&there, rest.data(), sizeof(there));
    if (count < kGroup) there &= (uint32_t{1} << count) - 1;
    const uint64_t size = before + CodeBytes(static_cast<uint64_t>(std::popcount(there)), form);
    if (size <= rest.size()) {
      std::memcpy(head, rest.data() + sizeof(there), form.head_bytes);
      return {there, rest.data() + before, rest.data() + size};
    }
  }
  std::memset(head, 0, form.head_bytes);
  return {0, end, end};
}

}  // namespace

bool HasSparseRows(DType type) { return FormOf(type).code_bits != 0; }

uint64_t MostSparseRowBytes(DType type, uint64_t cols) {
  const GroupForm form = FormOf(type);
  return RunCount(cols) * sizeof(uint32_t) +
         GroupCount(cols) * (sizeof(uint32_t) + form.head_bytes + CodeBytes(kGroup, form));
}

uint64_t PackSparseRow(DType type, uint64_t cols, const std::byte* row, std::byte* out) {
  const GroupForm form = FormOf(type);
  std::byte* end = out + RunCount(cols) * sizeof(uint32_t);
  for (uint64_t col = 0; col < cols; col += kGroup) {
    if (col % kSparseRun == 0) {
      const auto at = static_cast<uint32_t>(end - out);
      std::memcpy(out + col / kSparseRun * sizeof(at), &at, sizeof(at));
    }
    const uint64_t count = std::min(kGroup, cols - col);
    end = PackGroup(row, count, form, end);
    row += RowBytes(type, count);
  }
  return static_cast<uint64_t>(end - out);
}

void UnpackSparseRun(DType type, uint64_t cols, std::span<const std::byte> row, uint64_t begin,
                     std::byte* out) {
  const GroupForm form = FormOf(type);
  const std::byte* const row_end = row.data() + row.size();
  uint32_t at = ~uint32_t{0};
  const uint64_t entry = begin / kSparseRun * sizeof(at);
  if (entry + sizeof(at) <= row.size()) std::memcpy(&at, row.data() + entry, sizeof(at));
  const std::byte* group = row.data() + std::min<uint64_t>(at, row.size());
  const uint64_t end = std::min(begin + kSparseRun, cols);
  for (uint64_t col = begin; col < end; col += kGroup) {
    const uint64_t count = std::min(kGroup, end - col);
    const GroupStart start = ReadGroup({group, row_end}, count, form, out);
    std::byte* codes = out + form.head_bytes;
    switch (form.code_bits) {
      case 32:
        UnpackCodes<4>(start.there, start.codes, count, codes);
        break;
      case 16:
        UnpackCodes<2>(start.there, start.codes, count, codes);
        break;
      case 8:
        UnpackCodes<1>(start.there, start.codes, count, codes);
        break;
      case 4:
        UnpackSmallCodes<4>(start.there, start.codes, codes);
        break;
      default:
        UnpackSmallCodes<2>(start.there, start.codes, codes);
    }
    group = start.end;
    out += form.head_bytes + CodeBytes(count, form);
  }
}

}  // namespace tinyai
