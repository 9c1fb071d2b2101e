#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>

namespace tinyai {

// A list that mostly has at most `kInline` items, which then lie in the object itself: nothing is
// allocated, and whoever has the object in its cache has them too. Longer ones are allocated as a
// whole. Does what std::vector does of the same names; any change may move the items.
template <typename T, uint32_t kInline>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;
  using size_type = size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() {}
  SmallVector(std::initializer_list<T> items) { Append(items.begin(), items.size()); }
  explicit SmallVector(std::span<const T> items) { Append(items.data(), items.size()); }
  SmallVector(const SmallVector& other) { Append(other.data(), other.size()); }
  SmallVector(SmallVector&& other) noexcept { Take(other); }
  SmallVector& operator=(const SmallVector& other) {
    if (this == &other) return *this;
    clear();
    Append(other.data(), other.size());
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this == &other) return *this;
    Free();
    Take(other);
    return *this;
  }
  ~SmallVector() { Free(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return allocated() ? items_.allocated : items_.own; }
  const T* data() const { return allocated() ? items_.allocated : items_.own; }
  T* begin() { return data(); }
  const T* begin() const { return data(); }
  T* end() { return data() + size_; }
  const T* end() const { return data() + size_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T& front() { return data()[0]; }
  const T& front() const { return data()[0]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void push_back(const T& item) {
    const T copy = item;  // it may be one of ours
    reserve(size_t{size_} + 1);
    data()[size_++] = copy;
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void resize(size_t size) {
    reserve(size);
    for (size_t i = size_; i < size; ++i) data()[i] = T{};
    size_ = static_cast<uint32_t>(size);
  }
  T* insert(const T* at, const T& item) {
    const auto i = at - begin();
    push_back(item);
    std::rotate(begin() + i, end() - 1, end());
    return begin() + i;
  }
  T* erase(const T* at) { return erase(at, at + 1); }
  T* erase(const T* first, const T* last) {
    T* const to = begin() + (first - begin());
    size_ -= static_cast<uint32_t>(last - first);
    std::memmove(static_cast<void*>(to), last,
                 (size_ - static_cast<size_t>(to - begin())) * sizeof(T));
    return to;
  }
  // At least twice what there was, so that adding one by one stays linear.
  void reserve(size_t least) {
    if (least <= capacity_) return;
    const size_t capacity = std::max(least, 2 * size_t{capacity_});
    T* const items = new T[capacity];
    std::memcpy(static_cast<void*>(items), data(), size_ * sizeof(T));
    Free();
    items_.allocated = items;
    capacity_ = static_cast<uint32_t>(capacity);
  }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  union Items {
    Items() {}
    T own[kInline];
    T* allocated;
  };

  bool allocated() const { return capacity_ > kInline; }
  void Append(const T* items, size_t count) {
    reserve(size_ + count);
    if (count != 0) std::memcpy(static_cast<void*>(end()), items, count * sizeof(T));
    size_ += static_cast<uint32_t>(count);
  }
  void Free() {
    if (allocated()) delete[] items_.allocated;
  }
  // What is ours has been given up; the other is left empty.
  void Take(SmallVector& other) {
    std::memcpy(static_cast<void*>(&items_), &other.items_, sizeof(items_));
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInline);
  }

  uint32_t size_ = 0, capacity_ = kInline;
  Items items_;
};

}  // namespace tinyai
