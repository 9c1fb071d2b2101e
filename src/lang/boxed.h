#pragma once

#include <concepts>
#include <memory>
#include <utility>

namespace tinyai {

// What few of its holders have, or what is large: it takes a pointer, and memory of its own unless
// it is T{}. Otherwise a value like T: copies are deep, and two with equal values are equal.
template <typename T>
class Boxed {
 public:
  Boxed() = default;
  template <typename From>
  requires(std::convertible_to<From, T> && !std::same_as<std::remove_cvref_t<From>, Boxed>)
      Boxed(From&& from) {  // NOLINT: as implicit as that to T
    T value = std::forward<From>(from);
    if (!(value == Default())) value_ = std::make_unique<T>(std::move(value));
  }
  Boxed(const Boxed& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) { return *this = Boxed(other); }
  Boxed& operator=(Boxed&&) noexcept = default;
  ~Boxed() = default;

  const T& operator*() const { return value_ ? *value_ : Default(); }
  const T* operator->() const { return &**this; }
  operator const T&() const { return **this; }  // NOLINT: passed as what it holds
  // To be changed.
  T& edit() {
    if (!value_) value_ = std::make_unique<T>();
    return *value_;
  }

  friend bool operator==(const Boxed& a, const Boxed& b) { return *a == *b; }

 private:
  static const T& Default() {
    static const T value{};
    return value;
  }

  std::unique_ptr<T> value_;
};

}  // namespace tinyai
