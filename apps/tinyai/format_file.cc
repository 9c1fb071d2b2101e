#include "format_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "lang/format_text.h"
#include "whole_file.h"

namespace tinyai {

Status FormatFile(const std::string& path, bool check, Console& console) {
  TRY_ASSIGN(std::string text, ReadWholeFile(path, kMostSourceBytes));
  const SourceText source(path == "-" ? "<stdin>" : path, std::move(text));
  Diagnostics said(source);
  const std::optional<FileKind> kind = FindFileKind(said);
  if (!kind) {
    console.Explain(said);
    return tl::unexpected<Error>(said.AsError("PROGRAM_INVALID"));
  }
  const std::string formatted = FormatText(source, *kind);
  if (!check) return console.Answer(formatted);
  if (formatted == source.text()) return {};
  const auto [other, same] =
      std::mismatch(formatted.begin(), formatted.end(), source.text().begin(), source.text().end());
  const auto line = 1 + std::count(source.text().begin(), same, '\n');
  return Fail(ErrorCode::kSchedule, "NOT_FORMATTED",
              fmt::format("{}: line {} is not written as 'tinyai compile --format' writes it",
                          source.name(), line));
}

}  // namespace tinyai
