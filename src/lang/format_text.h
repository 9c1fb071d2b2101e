#pragma once

#include <optional>
#include <string>

#include "lang/diagnostics.h"
#include "lang/source.h"

namespace tinyai {

// What a file is written in: each of the languages of docs/reference.md.
enum class FileKind : uint8_t { kProgram, kSchedule, kDevices, kCosts };

// Which of them a text is: the first that finds no mistake in it. Where all do, there is no result,
// and what is wrong with it as a program is reported.
std::optional<FileKind> FindFileKind(Diagnostics& diagnostics);

// The text with one statement a line, blanks where they belong, two spaces for each block, at most
// one blank line; ends of lines inside a statement stay, indented. Comments are kept, each on its
// line or behind what it stood behind. Only white space changes, and formatting again changes
// nothing. `text` is one that FindFileKind knows.
std::string FormatText(const SourceText& text, FileKind kind);

}  // namespace tinyai
