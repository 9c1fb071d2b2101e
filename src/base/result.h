#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tl/expected.hpp"

namespace tinyai {

// What kind of failure it is; the value is also the exit code of the command line tool.
enum class ErrorCode : int {
  kOther = 1,
  kUsage = 2,
  kBadFile = 3,
  kBudget = 4,
  kIo = 5,
  kUnsupported = 6,
  kSchedule = 7,
  kOutOfMemory = 8,
  kCancelled = 9,
};

// A failure of the world outside: a damaged file, a full disk, a budget too small. `key` is the
// stable name a program may branch on (a string literal such as "GGUF_TRUNCATED"; docs/errors.md
// lists them), `message` is for a person: where, which field, what was found, what would do.
struct Error {
  ErrorCode code = ErrorCode::kOther;
  std::string_view key;
  std::string message;
  std::string file = {};                          // path of the file concerned, empty if none
  std::optional<uint64_t> offset = std::nullopt;  // byte in `file`
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// `key` must be a string literal (it is not copied).
inline tl::unexpected<Error> Fail(ErrorCode code, std::string_view key, std::string message) {
  return tl::unexpected<Error>(Error{code, key, std::move(message)});
}
inline tl::unexpected<Error> FailAt(ErrorCode code, std::string_view key, std::string message,
                                    std::string file, std::optional<uint64_t> offset = {}) {
  return tl::unexpected<Error>(Error{code, key, std::move(message), std::move(file), offset});
}

// `key: message (file, byte offset)` on one line; control bytes of the message are escaped.
std::string Describe(const Error& error);

}  // namespace tinyai

#define TINYAI_CONCAT_INNER(a, b) a##b
#define TINYAI_CONCAT(a, b) TINYAI_CONCAT_INNER(a, b)

// Hands the error of a Status or Result up to the caller.
#define TRY(expression)                                                        \
  do {                                                                         \
    if (auto try_status = (expression); !try_status.has_value()) {             \
      return ::tl::unexpected<::tinyai::Error>(std::move(try_status).error()); \
    }                                                                          \
  } while (false)

// TRY_ASSIGN(const size_t n, in.Count(...)): declares or assigns the value, or hands the error up.
#define TRY_ASSIGN(target, expression) \
  TINYAI_TRY_ASSIGN(TINYAI_CONCAT(try_result_, __LINE__), target, expression)
#define TINYAI_TRY_ASSIGN(result, target, expression)                    \
  auto result = (expression);                                            \
  if (!result.has_value()) {                                             \
    return ::tl::unexpected<::tinyai::Error>(std::move(result).error()); \
  }                                                                      \
  target = std::move(result).value()
