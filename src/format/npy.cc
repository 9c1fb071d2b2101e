#include "format/npy.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/escape.h"
#include "fmt/format.h"

// 93 "NUMPY" | version: major, minor | size of the header: u16, from version 2 on u32
// | header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 224, 224), }, spaces, a newline
// | elements
namespace tinyai {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
// NumPy's own headers of plain arrays take some hundred bytes.
constexpr uint64_t kMostHeaderBytes = 1 << 16;
constexpr size_t kMostAxes = 64;  // NumPy's own limit
constexpr uint64_t kElementsAlignment = 64;

tl::unexpected<Error> BadHeader(const ByteSource& file, std::string message) {
  return FailAt(ErrorCode::kBadFile, "NPY_HEADER", std::move(message), file.path());
}

// The three entries of a header, as they are written.
struct Entries {
  std::optional<std::string> type;
  std::optional<bool> fortran;
  std::optional<std::vector<uint64_t>> shape;
};

// Takes a Python literal apart: a dict of a text, a truth value and a tuple of whole numbers.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : left_(text) {}

  // Nothing where it is no such dict.
  std::optional<Entries> Parse() {
    Entries out;
    if (!Take('{')) return std::nullopt;
    while (!Take('}')) {
      const std::optional<std::string> key = Text();
      if (!key || !Take(':') || !Entry(*key, out)) return std::nullopt;
      if (!Take(',') && !Ahead('}')) return std::nullopt;
    }
    Skip();
    return left_.empty() ? std::optional(std::move(out)) : std::nullopt;
  }

 private:
  void Skip() { left_.remove_prefix(std::min(left_.find_first_not_of(" \t\r\n"), left_.size())); }
  bool Ahead(char c) {
    Skip();
    return left_.starts_with(c);
  }
  bool Take(char c) {
    if (!Ahead(c)) return false;
    left_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!left_.starts_with(word)) return false;
    left_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string> Text() {
    const char quote = Ahead('"') ? '"' : '\'';
    if (!Take(quote)) return std::nullopt;
    const size_t end = left_.find(quote);
    if (end == std::string_view::npos) return std::nullopt;
    std::string text(left_.substr(0, end));
    left_.remove_prefix(end + 1);
    return text;
  }
  std::optional<uint64_t> Number() {
    Skip();
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), number);
    if (error != std::errc()) return std::nullopt;
    left_.remove_prefix(static_cast<size_t>(end - left_.data()));
    return number;
  }
  std::optional<std::vector<uint64_t>> Tuple() {
    std::vector<uint64_t> numbers;
    if (!Take('(')) return std::nullopt;
    while (!Take(')')) {
      const std::optional<uint64_t> number = Number();
      if (!number || numbers.size() == kMostAxes) return std::nullopt;
      numbers.push_back(*number);
      if (!Take(',') && !Ahead(')')) return std::nullopt;
    }
    return numbers;
  }
  bool Entry(std::string_view key, Entries& out) {
    if (key == "descr" && !out.type) {
      // Of an array of records it is a list.
      out.type = Ahead('[') ? std::nullopt : Text();
      return out.type.has_value();
    }
    if (key == "fortran_order" && !out.fortran) {
      if (TakeWord("True")) out.fortran = true;
      if (!out.fortran && TakeWord("False")) out.fortran = false;
      return out.fortran.has_value();
    }
    if (key == "shape" && !out.shape) out.shape = Tuple();
    return key == "shape" && out.shape.has_value();
  }

  std::string_view left_;
};

Result<std::string> HeaderText(const ByteSource& file, uint64_t& data_offset) {
  std::byte start[12] = {};
  const std::span<std::byte> read =
      std::span(start).first(std::min<uint64_t>(sizeof(start), file.size()));
  TRY(file.ReadAt(0, read));
  ByteReader in(read, "NPY_HEADER");
  const Result<std::span<const std::byte>> magic = in.Bytes("the first bytes", kMagic.size());
  if (!magic || !std::ranges::equal(*magic, std::as_bytes(std::span(kMagic)))) {
    return BadHeader(file, "this is no .npy file; numpy.save writes one");
  }
  TRY_ASSIGN(const auto major, in.Number<uint8_t>("version"));
  TRY_ASSIGN(const auto minor, in.Number<uint8_t>("version"));
  if (major < 1 || major > 3) {
    return BadHeader(file, fmt::format("version {}.{}; known are 1 to 3", major, minor));
  }
  uint64_t bytes = 0;
  if (major == 1) {
    TRY_ASSIGN(bytes, in.Number<uint16_t>("size of the header"));
  } else {
    TRY_ASSIGN(bytes, in.Number<uint32_t>("size of the header"));
  }
  if (bytes > kMostHeaderBytes || bytes > file.size() - in.position()) {
    return BadHeader(file, fmt::format("a header of {} bytes; the file has {} more, and {} are "
                                       "the most that is read",
                                       bytes, file.size() - in.position(), kMostHeaderBytes));
  }
  std::string text(bytes, '\0');
  TRY(file.ReadAt(in.position(), std::as_writable_bytes(std::span(text))));
  data_offset = in.position() + bytes;
  return text;
}

}  // namespace

Result<NpyArray> ReadNpy(const ByteSource& file) {
  NpyArray array;
  TRY_ASSIGN(const std::string text, HeaderText(file, array.data_offset));
  std::optional<Entries> entries = HeaderParser(text).Parse();
  if (!entries || !entries->type || !entries->fortran || !entries->shape) {
    return BadHeader(file, fmt::format("the header is no dict of 'descr', 'fortran_order' and "
                                       "'shape' of a plain array: '{}'",
                                       EscapeControl(text.substr(0, 80))));
  }
  if (*entries->type != "<f4") {
    return FailAt(ErrorCode::kUnsupported, "NPY_TYPE",
                  fmt::format("elements of type '{}', and not of '<f4' (float32); "
                              "numpy.save(file, a.astype('<f4')) makes them so",
                              EscapeControl(entries->type->substr(0, 80))),
                  file.path());
  }
  array.shape = *std::move(entries->shape);
  for (const uint64_t axis : array.shape) {
    const std::optional<uint64_t> product = CheckedMul(array.elements, axis);
    if (!product) return BadHeader(file, "its shape has more elements than 64 bits can count");
    array.elements = *product;
  }
  // Of a vector both orders are one.
  const auto long_axes = std::ranges::count_if(array.shape, [](uint64_t axis) { return axis > 1; });
  if (*entries->fortran && long_axes > 1) {
    return FailAt(ErrorCode::kUnsupported, "NPY_ORDER",
                  "its first axis is the fastest (Fortran order); numpy.save(file, "
                  "numpy.ascontiguousarray(a)) makes that the last",
                  file.path());
  }
  const uint64_t there = file.size() - array.data_offset;
  const std::optional<uint64_t> wanted = CheckedMul(array.elements, sizeof(float));
  if (wanted && there == *wanted) return array;
  return FailAt(ErrorCode::kBadFile, "NPY_SIZE",
                fmt::format("{} float32 of shape ({}) take {} bytes, and there are {}{}",
                            array.elements, fmt::join(array.shape, ", "),
                            wanted ? fmt::format("{}", *wanted) : "more than 2^64", there,
                            !wanted || there < *wanted ? ": the file is cut short" : ""),
                file.path());
}

std::string NpyHeader(std::span<const uint64_t> shape) {
  std::string axes;
  for (const uint64_t axis : shape)
    axes += fmt::format("{},{}", axis, shape.size() == 1 ? "" : " ");
  if (shape.size() > 1) axes.resize(axes.size() - 2);
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", axes);
  constexpr size_t kBefore = 10;  // bytes of version 1; no shape of ours needs more than 64 KiB
  text.resize(RoundUp(kBefore + text.size() + 1, kElementsAlignment) - kBefore, ' ');
  text.back() = '\n';
  std::string out(kMagic);
  out +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return out + text;
}

}  // namespace tinyai
