#include "device/program_input.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "device/elements.h"
#include "device/map_stage.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

uint64_t ElementBytes(Scalar scalar) { return ByteSize({scalar, {}}); }

template <typename T>
void Put(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof(value));
}

void PutNumber(Scalar scalar, double number, std::byte* out) {
  switch (scalar) {
    case Scalar::kF16:
      return Put(out, FloatToF16(static_cast<float>(number)));
    case Scalar::kBF16:
      return Put(out, FloatToBf16(static_cast<float>(number)));
    case Scalar::kF32:
      return Put(out, static_cast<float>(number));
    default:
      return Put(out, number);
  }
}

// Not a number has a sign and more, of which no operation promises anything.
template <typename T>
std::string FormatReal(T value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

void AppendNumber(std::string& text, Scalar scalar, const std::byte* at) {
  alignas(8) std::byte lane[8];
  LoadLane(scalar, at, 0, 1, lane);
  switch (LaneOf(scalar)) {
    case Lane::kBool:
      text += lane[0] != std::byte{0} ? "true" : "false";
      return;
    case Lane::kI32:
      text += fmt::format("{}", *reinterpret_cast<const int32_t*>(lane));
      return;
    case Lane::kI64:
      text += fmt::format("{}", *reinterpret_cast<const int64_t*>(lane));
      return;
    case Lane::kFloat:
      text += FormatReal(*reinterpret_cast<const float*>(lane));
      return;
    case Lane::kDouble:
      text += FormatReal(*reinterpret_cast<const double*>(lane));
      return;
  }
}

void AppendTensor(std::string& text, const ProgramType& type, size_t dimension,
                  const std::byte*& at) {
  if (dimension == type.shape.size()) {
    AppendNumber(text, type.scalar, at);
    at += ElementBytes(type.scalar);
    return;
  }
  text += '[';
  for (uint64_t i = 0; i < type.shape[dimension]; ++i) {
    if (i != 0) text += ", ";
    AppendTensor(text, type, dimension + 1, at);
  }
  text += ']';
}

bool IsQuantised(Scalar scalar) { return scalar == Scalar::kQ8 || scalar == Scalar::kQ4; }

}  // namespace

tl::unexpected<Error> ProgramInput::Wrong(std::string_view wanted) const {
  const std::string found =
      at_ < text_.size() ? fmt::format("'{}'", text_.substr(at_, 12)) : "the end";
  return FailAt(ErrorCode::kBadFile, "PROGRAM_INPUT",
                fmt::format("the program reads {}, the input has {}", wanted, found), name_, at_);
}

void ProgramInput::SkipBlanks() {
  while (at_ < text_.size() && std::string_view(" \t\r\n,").find(text_[at_]) != std::string::npos) {
    ++at_;
  }
}

bool ProgramInput::Take(char c) {
  SkipBlanks();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

Status ProgramInput::Read(const ProgramType& type, std::byte* out) {
  if (IsQuantised(type.scalar)) {
    return Fail(ErrorCode::kUnsupported, "PROGRAM_INPUT",
                fmt::format("{} cannot be read as text", TypeText(type)));
  }
  if (type.shape.size() > 1) {
    // A flat list of all elements will do as well.
    const size_t begin = at_;
    const bool list = Take('[');
    SkipBlanks();
    const bool nested = list && at_ < text_.size() && text_[at_] == '[';
    at_ = begin;
    if (!nested) return ReadFlat(type, out);
  }
  return ReadTensor(type, 0, out);
}

Status ProgramInput::ReadFlat(const ProgramType& type, std::byte* out) {
  const ProgramType flat{type.scalar, {ElementCount(type)}};
  return ReadTensor(flat, 0, out);
}

Status ProgramInput::ReadTensor(const ProgramType& type, size_t dimension, std::byte*& out) {
  if (dimension == type.shape.size()) {
    TRY(ReadNumber(type.scalar, out));
    out += ElementBytes(type.scalar);
    return {};
  }
  const std::string wanted =
      fmt::format("{} ({} elements in this list)", TypeText(type), type.shape[dimension]);
  if (!Take('[')) return Wrong(wanted);
  for (uint64_t i = 0; i < type.shape[dimension]; ++i) TRY(ReadTensor(type, dimension + 1, out));
  if (!Take(']')) return Wrong(wanted);
  return {};
}

Status ProgramInput::ReadNumber(Scalar scalar, std::byte* out) {
  SkipBlanks();
  const char* const begin = text_.data() + at_;
  const char* const end = text_.data() + text_.size();
  const std::string wanted = fmt::format("one {}", ScalarName(scalar));
  const auto done = [&](const std::from_chars_result& result) {
    const bool whole_word =
        result.ptr == end || std::string_view(" \t\r\n,]").find(*result.ptr) != std::string::npos;
    if (result.ec != std::errc() || !whole_word) return false;
    at_ += static_cast<size_t>(result.ptr - begin);
    return true;
  };
  switch (LaneOf(scalar)) {
    case Lane::kBool:
      for (const std::string_view word : {"true", "false", "1", "0"}) {
        if (!done({std::string_view(begin, static_cast<size_t>(end - begin)).starts_with(word)
                       ? begin + word.size()
                       : begin,
                   std::string_view(begin, static_cast<size_t>(end - begin)).starts_with(word)
                       ? std::errc()
                       : std::errc::invalid_argument})) {
          continue;
        }
        Put(out, static_cast<uint8_t>(word == "true" || word == "1"));
        return {};
      }
      return Wrong(wanted);
    case Lane::kI32: {
      int32_t value = 0;
      if (!done(std::from_chars(begin, end, value))) return Wrong(wanted);
      Put(out, value);
      return {};
    }
    case Lane::kI64: {
      int64_t value = 0;
      if (!done(std::from_chars(begin, end, value))) return Wrong(wanted);
      Put(out, value);
      return {};
    }
    default: {
      double value = 0;
      if (!done(std::from_chars(begin, end, value))) return Wrong(wanted);
      PutNumber(scalar, value, out);
      return {};
    }
  }
}

std::string FormatValue(const ProgramType& type, const std::byte* data) {
  if (IsQuantised(type.scalar)) return TypeText(type);
  std::string text;
  AppendTensor(text, type, 0, data);
  return text;
}

}  // namespace tinyai
