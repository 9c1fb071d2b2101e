#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tinyai {

// Bytes [begin, end) of a source text.
struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Where something stands, as a member of what stands there. All compare equal: the place in the
// text is no part of what the text says.
struct Where : Span {
  Where() = default;
  Where(Span span) : Span(span) {}  // NOLINT(google-explicit-constructor)
  friend constexpr bool operator==(Where, Where) { return true; }
};

// Both from 1; columns count code points, a byte that is no UTF-8 counting as one.
struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

// A text with the name it is known by. Does not change.
class SourceText {
 public:
  // `name` is a path, or what stands for one ("<stdin>").
  SourceText(std::string name, std::string text);

  const std::string& name() const { return name_; }
  std::string_view text() const { return text_; }
  std::string_view Slice(Span span) const {
    return text().substr(span.begin, span.end - span.begin);
  }
  // `offset` is at most the size of the text.
  Position At(uint32_t offset) const;
  size_t line_count() const { return line_begins_.size(); }
  // The line (from 1) without its end.
  std::string_view Line(uint32_t line) const;
  // "file:3:5"
  std::string Locate(uint32_t offset) const;

 private:
  std::string name_;
  std::string text_;
  std::vector<uint32_t> line_begins_;
};

// Longer texts are refused: offsets have 32 bits, and no schedule is as long.
inline constexpr size_t kMostSourceBytes = size_t{256} << 20;

}  // namespace tinyai
