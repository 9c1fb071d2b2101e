#pragma once

#include <string>

#include "base/result.h"
#include "lang/diagnostics.h"
#include "nlohmann/json.hpp"

namespace tinyai {

using Json = nlohmann::ordered_json;
using SortedJson = nlohmann::json;

// Error BAD_JSON (bad file) with the byte; also where values are nested more than 64 deep or a key
// is there twice.
Result<Json> ParseJson(const std::string& text, const std::string& file);
// The same with the keys of each object sorted. Takes n log n for an object of n keys, the other
// n^2.
Result<SortedJson> ParseSortedJson(const std::string& text, const std::string& file);

// One line of JSON, always valid UTF-8, with a newline at the end.
std::string Dump(const Json& json);

// {"code": ..., "key": ..., "message": ..., "file": ..., "offset": ...}; null where there is none.
Json ToJson(const Error& error);

// {"severity", "code", "file", "line", "column", "message", "notes": [..], "help"}; help null where
// there is none.
Json ToJson(const LocatedDiagnostic& diagnostic);

// The shortest decimal number that is read back as this float; null if it is not finite.
Json ToJson(float value);

}  // namespace tinyai
