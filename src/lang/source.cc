#include "lang/source.h"

#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

SourceText::SourceText(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)), line_begins_{0} {
  if (text_.size() > kMostSourceBytes) return;  // the parser refuses it; line 1 is all it needs
  for (size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', end + 1)) {
    line_begins_.push_back(static_cast<uint32_t>(end + 1));
  }
}

Position SourceText::At(uint32_t offset) const {
  const auto after = std::upper_bound(line_begins_.begin(), line_begins_.end(), offset);
  Position at;
  at.line = static_cast<uint32_t>(after - line_begins_.begin());
  std::string_view before = text().substr(*(after - 1), offset - *(after - 1));
  while (!before.empty()) {
    before.remove_prefix(std::max<size_t>(1, Utf8SequenceLength(before)));
    ++at.column;
  }
  return at;
}

std::string_view SourceText::Line(uint32_t line) const {
  const size_t begin = line_begins_[line - 1];
  const size_t end = line < line_begins_.size() ? line_begins_[line] - 1 : text_.size();
  std::string_view out = text().substr(begin, end - begin);
  if (out.ends_with('\r')) out.remove_suffix(1);
  return out;
}

std::string SourceText::Locate(uint32_t offset) const {
  const Position at = At(offset);
  return fmt::format("{}:{}:{}", EscapeControl(name_), at.line, at.column);
}

}  // namespace tinyai
