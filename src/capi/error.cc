#include <tinyai/error.h>

#include <cstring>

#include "capi/guard.h"

namespace tinyai::capi {
namespace {

// `message` stays where it is between errors, so that telling of one seldom takes memory.
struct LastError {
  ErrorCode code{};
  std::string_view key;
  std::string message;
  const char* fixed_message = nullptr;  // instead of `message`
};

LastError& Last() {
  static thread_local LastError last;
  return last;
}

}  // namespace

void ClearLastError() {
  Last() = {.message = std::move(Last().message)};
  Last().message.clear();
}

void SetLastError(const Error& error) {
  LastError& last = Last();
  last = {.code = error.code, .key = error.key};
  // Describe begins with the key, which the caller has already.
  const std::string text = Describe(error);
  last.message = text.substr(std::min(text.size(), error.key.size() + 2));
}

void SetLastError(ErrorCode code, const char* key, const char* message) {
  LastError& last = Last();
  last.code = code;
  last.key = key;
  last.message.clear();
  last.fixed_message = message;
}

tl::unexpected<Error> BadIndex(int index, size_t count) {
  return Fail(ErrorCode::kUsage, "ARG_INDEX",
              fmt::format("there is no layer {}; the model has {}", index, count));
}

Result<uint32_t> CheckIndex(int index, size_t count) {
  if (index < 0 || static_cast<size_t>(index) >= count) return BadIndex(index, count);
  return static_cast<uint32_t>(index);
}

}  // namespace tinyai::capi

using tinyai::capi::ClearLastError;
using tinyai::capi::Last;

TinyAIErrorCode tinyaiGetLastError(void) { return static_cast<TinyAIErrorCode>(Last().code); }

// Keys are string literals, so their text ends with a NUL.
const char* tinyaiGetLastErrorKey(void) { return Last().key.empty() ? "" : Last().key.data(); }

const char* tinyaiGetErrorMessage(void) {
  return Last().fixed_message != nullptr ? Last().fixed_message : Last().message.c_str();
}

void tinyaiClearLastError(void) { ClearLastError(); }

const char* tinyaiGetVersion(void) { return TINYAI_VERSION; }
