#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "lang/source.h"

namespace tinyai {

enum class Severity : uint8_t { kError, kWarning };

// Something said about a text. `code` is a stable name: S1.. syntax, A1.. ambiguous, I1..
// impossible, W1.. warnings; docs/schedule.md lists those of syntax.
struct Diagnostic {
  struct Note {
    std::string message;
    Span span;
    const SourceText* source = nullptr;  // null: that of the diagnostic
  };
  Severity severity = Severity::kError;
  std::string code;
  Span span;
  std::string message;
  std::vector<Note> notes = {};
  std::string help = {};

  Diagnostic& NoteAt(Span where, std::string text);
  // In another text, which outlives the diagnostics.
  Diagnostic& NoteIn(const SourceText& other, Span where, std::string text);
  Diagnostic& Help(std::string text);
};

// A diagnostic with its place spelled out, as a program wants it.
struct LocatedDiagnostic {
  std::string severity;  // "error" or "warning"
  std::string code, file;
  Position at;
  std::string message;
  std::vector<std::string> notes;  // "file:3:5: message"
  std::string help;
};

// Collects what is wrong with one text, at most kMostErrors errors and as many warnings; what comes
// after these is left out.
class Diagnostics {
 public:
  static constexpr size_t kMostErrors = 10;

  // `source` outlives this object.
  explicit Diagnostics(const SourceText& source) : source_(source) {}

  // The reference is good until the next call.
  Diagnostic& Error(std::string code, Span span, std::string message);
  Diagnostic& Warning(std::string code, Span span, std::string message);

  bool has_errors() const { return errors_ != 0; }
  bool full() const { return errors_ >= kMostErrors; }
  // Warnings are left out from now on.
  bool has_warned() const { return warnings_ >= kMostErrors; }
  const std::vector<Diagnostic>& all() const { return all_; }
  const SourceText& source() const { return source_; }
  std::string At(Span where) const;  // "7:20"

  // Each as "file:7:20: error[I7]: message", the line with the place marked, notes and help.
  // Control bytes are escaped and long lines cut, so any text can be printed.
  std::string Text() const;
  std::vector<LocatedDiagnostic> Located() const;
  // The first error as one of the schedule's (exit 7), with its place in front; needs has_errors().
  // `key` is a string literal.
  tinyai::Error AsError(std::string_view key) const;

 private:
  Diagnostic& Add(Severity severity, std::string code, Span span, std::string message,
                  size_t count);

  const SourceText& source_;
  std::vector<Diagnostic> all_;
  Diagnostic dropped_;  // takes what is beyond the limit
  size_t errors_ = 0;
  size_t warnings_ = 0;
};

}  // namespace tinyai
