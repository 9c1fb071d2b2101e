#pragma once

#include <atomic>
#include <functional>
#include <new>
#include <string>
#include <type_traits>

#include <tinyai/error.h>
#include "base/result.h"
#include "capi/caller_state.h"
#include "fmt/format.h"

namespace tinyai::capi {

// Of the calling thread; what tinyaiGetLastError() and its companions tell.
void ClearLastError();
void SetLastError(const Error& error);
// For an error that has to be told without memory. All three are string literals.
void SetLastError(ErrorCode code, const char* key, const char* message);

inline tl::unexpected<Error> NullArgument(std::string_view name) {
  return Fail(ErrorCode::kUsage, "ARG_NULL", fmt::format("{} is NULL", name));
}
tl::unexpected<Error> BadIndex(int index, size_t count);
inline tl::unexpected<Error> BadValue(std::string message) {
  return Fail(ErrorCode::kUsage, "ARG_VALUE", std::move(message));
}
Result<uint32_t> CheckIndex(int index, size_t count);

// Every C function has this form: the one place where errors and exceptions become C, as the
// documented failure value and the calling thread's last error. `body` returns a Result.
template <typename T, typename Body>
T Guard(T failure, const Body& body) noexcept {
  const CallerState caller;
  try {
    auto result = body();
    if (result) {
      ClearLastError();
      return static_cast<T>(*std::move(result));
    }
    SetLastError(result.error());
  } catch (const std::bad_alloc&) {
    SetLastError(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY", "the system gave no memory");
  } catch (...) {
    SetLastError(ErrorCode::kOther, "INTERNAL", "an exception was thrown inside; report it");
  }
  return failure;
}
// For functions that return nothing, or only whether they succeeded: `body` returns a Status.
template <typename Body>
bool GuardStatus(const Body& body) noexcept {
  return Guard<bool>(false, [&]() -> Result<bool> {
    TRY(body());
    return true;
  });
}

// Calls a function of the caller's. Error CALLBACK: it threw an exception.
template <typename Returned, typename... Parameters, typename... Arguments>
Result<Returned> CallUser(Returned (*function)(Parameters...), Arguments... arguments) {
  const CallerState::Outside outside;
  try {
    return function(arguments...);
  } catch (...) {
    return Fail(ErrorCode::kOther, "CALLBACK", "a function of the caller threw an exception");
  }
}

// Marks a handle that calls functions of the caller's, and that these must leave alone.
class Busy {
 public:
  explicit Busy(std::atomic<bool>& mark) : mark_(mark.exchange(true) ? nullptr : &mark) {}
  ~Busy() {
    if (mark_ != nullptr) *mark_ = false;
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  // False: it was marked before.
  explicit operator bool() const { return mark_ != nullptr; }

 private:
  std::atomic<bool>* const mark_;
};
constexpr char kInCall[] = "it is in the middle of another call; let that end first";
inline tl::unexpected<Error> Reentrant() { return Fail(ErrorCode::kUsage, "REENTRANT", kInCall); }

}  // namespace tinyai::capi
