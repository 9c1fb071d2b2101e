#include "lang/diagnostics.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostShown = 120;  // code points of a line around the place

// The code points of a line from `first` on, at most kMostShown of them, each safe to print and one
// column wide if it can be: a tab becomes a space. `mark_begin` and `mark_end` are code points of
// the line; what lies under them is marked in `marks`.
struct Excerpt {
  std::string text;
  std::string marks;
};

Excerpt CutOut(std::string_view line, uint32_t first, uint32_t mark_begin, uint32_t mark_end) {
  Excerpt out;
  uint32_t at = 0;
  while (!line.empty() && at < first + kMostShown) {
    const std::string_view point = line.substr(0, std::max<size_t>(1, Utf8SequenceLength(line)));
    line.remove_prefix(point.size());
    if (at >= first) {
      const std::string shown = point == "\t" ? " " : EscapeControl(point);
      out.text += shown;
      const bool escaped = shown.size() > 1 && shown[0] == '\\';
      const char mark = at >= mark_begin && at < mark_end ? '^' : ' ';
      out.marks.append(escaped ? shown.size() : 1, mark);
    }
    ++at;
  }
  if (mark_begin >= at) out.marks.append(mark_begin - at + 1, ' ').back() = '^';  // at the end
  out.marks.erase(out.marks.find_last_not_of(' ') + 1);
  return out;
}

std::string Mark(const SourceText& source, Span span) {
  const Position at = source.At(span.begin);
  const std::string_view line = source.Line(at.line);
  const size_t before = span.begin - static_cast<size_t>(line.data() - source.text().data());
  const size_t in_line =
      std::min<size_t>(span.end - span.begin, line.size() - std::min(before, line.size()));
  std::string_view marked = line.substr(std::min(before, line.size()), in_line);
  uint32_t width = 0;
  while (!marked.empty() && width < kMostShown) {
    marked.remove_prefix(std::max<size_t>(1, Utf8SequenceLength(marked)));
    ++width;
  }
  const uint32_t begin = at.column - 1;
  const size_t blank = std::min(line.find_first_not_of(" \t"), line.size());
  // Without its indentation, or if that is not enough from a little before the place.
  const uint32_t first = begin > blank + kMostShown / 2
                             ? begin - kMostShown / 2
                             : static_cast<uint32_t>(std::min<size_t>(blank, begin));
  const Excerpt cut = CutOut(line, first, begin, begin + std::max(1u, width));
  return fmt::format("  {}\n  {}\n", cut.text, cut.marks);
}

std::string_view Name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::string NoteText(const SourceText& source, const Diagnostic::Note& note) {
  const SourceText& in = note.source != nullptr ? *note.source : source;
  return fmt::format("{}: {}", in.Locate(note.span.begin), EscapeControl(note.message));
}

}  // namespace

Diagnostic& Diagnostic::NoteAt(Span where, std::string text) {
  notes.push_back({std::move(text), where, nullptr});
  return *this;
}

Diagnostic& Diagnostic::NoteIn(const SourceText& other, Span where, std::string text) {
  notes.push_back({std::move(text), where, &other});
  return *this;
}

Diagnostic& Diagnostic::Help(std::string text) {
  help = std::move(text);
  return *this;
}

Diagnostic& Diagnostics::Add(Severity severity, std::string code, Span span, std::string message,
                             size_t count) {
  Diagnostic diagnostic{severity, std::move(code), span, std::move(message)};
  if (count > kMostErrors) return dropped_ = std::move(diagnostic);
  all_.push_back(std::move(diagnostic));
  return all_.back();
}

std::string Diagnostics::At(Span where) const {
  const Position at = source_.At(where.begin);
  return fmt::format("{}:{}", at.line, at.column);
}

Diagnostic& Diagnostics::Error(std::string code, Span span, std::string message) {
  return Add(Severity::kError, std::move(code), span, std::move(message), ++errors_);
}

Diagnostic& Diagnostics::Warning(std::string code, Span span, std::string message) {
  return Add(Severity::kWarning, std::move(code), span, std::move(message), ++warnings_);
}

std::string Diagnostics::Text() const {
  std::string out;
  for (const Diagnostic& diagnostic : all_) {
    out +=
        fmt::format("{}: {}[{}]: {}\n", source_.Locate(diagnostic.span.begin),
                    Name(diagnostic.severity), diagnostic.code, EscapeControl(diagnostic.message));
    out += Mark(source_, diagnostic.span);
    for (const Diagnostic::Note& note : diagnostic.notes) {
      out += fmt::format("  note: {}\n", NoteText(source_, note));
    }
    if (!diagnostic.help.empty()) {
      out += fmt::format("  help: {}\n", EscapeControl(diagnostic.help));
    }
  }
  return out;
}

std::vector<LocatedDiagnostic> Diagnostics::Located() const {
  std::vector<LocatedDiagnostic> out;
  for (const Diagnostic& diagnostic : all_) {
    LocatedDiagnostic& located = out.emplace_back();
    located = {std::string(Name(diagnostic.severity)),
               diagnostic.code,
               source_.name(),
               source_.At(diagnostic.span.begin),
               diagnostic.message,
               {},
               diagnostic.help};
    for (const Diagnostic::Note& note : diagnostic.notes) {
      located.notes.push_back(NoteText(source_, note));
    }
  }
  return out;
}

tinyai::Error Diagnostics::AsError(std::string_view key) const {
  const auto first = std::find_if(all_.begin(), all_.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::kError;
  });
  assert(first != all_.end());
  const Position at = source_.At(first->span.begin);
  std::string message =
      fmt::format("line {}, column {}: [{}] {}", at.line, at.column, first->code, first->message);
  if (!first->help.empty()) message += "; " + first->help;
  if (errors_ > 1) message += fmt::format(" (and {} more)", errors_ - 1);
  return {ErrorCode::kSchedule, key, std::move(message), source_.name(), first->span.begin};
}

}  // namespace tinyai
