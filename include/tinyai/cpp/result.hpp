#pragma once

#include <tinyai/error.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace tinyai {
// The library's own C++ is in this namespace too, and may be linked into the same program.
inline namespace v0 {

// What went wrong.
struct Error {
  TinyAIErrorCode code = TINYAI_ERROR_OTHER;
  std::string key = {};      // stable, such as "BUDGET_INFEASIBLE", to branch on: docs/errors.md
  std::string message = {};  // for a person: what, where, what would do
};

// What value() of a failed Result throws. Nothing else here throws, but for what the caller's own
// callbacks do, and std::bad_alloc.
class BadResult : public std::runtime_error {
 public:
  explicit BadResult(Error error)
      : std::runtime_error(error.key + ": " + error.message), error_(std::move(error)) {}
  const Error& error() const { return error_; }

 private:
  Error error_;
};

namespace detail {

[[noreturn]] inline void ThrowBadResult([[maybe_unused]] const Error& error) {
#ifdef __cpp_exceptions
  throw BadResult(error);
#else
  std::abort();
#endif
}

// Of the last call of the C API on this thread.
inline Error LastError() {
  return {tinyaiGetLastError(), tinyaiGetLastErrorKey(), tinyaiGetErrorMessage()};
}

struct Nothing {};

}  // namespace detail

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Of a Result that has a value.
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  // Of one that has none.
  const Error& error() const { return *std::get_if<1>(&state_); }

  // The value; without one it throws BadResult (where there are no exceptions, it aborts).
  T& value() & { return Check(), **this; }
  const T& value() const& { return Check(), **this; }
  T&& value() && { return Check(), *std::move(*this); }
  template <typename U>
  T value_or(U&& other) && {
    return has_value() ? *std::move(*this) : static_cast<T>(std::forward<U>(other));
  }

 private:
  void Check() const {
    if (!has_value()) detail::ThrowBadResult(error());
  }

  std::variant<T, Error> state_;
};

// Whether something was done, or why not.
template <>
class [[nodiscard]] Result<void> : private Result<detail::Nothing> {
  using Base = Result<detail::Nothing>;

 public:
  Result() : Base(detail::Nothing{}) {}
  Result(Error error) : Base(std::move(error)) {}

  using Base::error;
  using Base::has_value;
  using Base::operator bool;
  void value() const { Base::value(); }
};
using Status = Result<void>;

namespace detail {

// What a C function that returns bool has said.
inline Status StatusOf(bool done) { return done ? Status() : Status(LastError()); }

}  // namespace detail
}  // namespace v0
}  // namespace tinyai
