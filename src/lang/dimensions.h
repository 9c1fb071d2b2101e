#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

namespace tinyai {

// The sizes of a value's dimensions, outermost first. Made for programs of millions of single
// numbers, which have no dimensions: those take one pointer.
class Dimensions {
 public:
  Dimensions() = default;
  Dimensions(std::initializer_list<uint64_t> sizes) {
    for (const uint64_t size : sizes) push_back(size);
  }
  Dimensions(std::vector<uint64_t> sizes)  // NOLINT(google-explicit-constructor)
      : sizes_(sizes.empty() ? nullptr
                             : std::make_unique<std::vector<uint64_t>>(std::move(sizes))) {}
  Dimensions(const Dimensions& other)
      : sizes_(other.sizes_ ? std::make_unique<std::vector<uint64_t>>(*other.sizes_) : nullptr) {}
  Dimensions(Dimensions&& other) = default;
  Dimensions& operator=(const Dimensions& other) { return *this = Dimensions(other); }
  Dimensions& operator=(Dimensions&& other) = default;
  ~Dimensions() = default;

  bool empty() const { return size() == 0; }
  size_t size() const { return sizes_ ? sizes_->size() : 0; }
  const uint64_t* begin() const { return sizes_ ? sizes_->data() : nullptr; }
  const uint64_t* end() const { return begin() + size(); }
  uint64_t* begin() { return sizes_ ? sizes_->data() : nullptr; }
  uint64_t* end() { return begin() + size(); }
  uint64_t operator[](size_t i) const { return (*sizes_)[i]; }
  uint64_t& operator[](size_t i) { return (*sizes_)[i]; }
  uint64_t front() const { return sizes_->front(); }
  uint64_t back() const { return sizes_->back(); }

  void push_back(uint64_t size) { Sizes().push_back(size); }
  void push_front(uint64_t size) { Sizes().insert(Sizes().begin(), size); }
  void pop_front() { sizes_->erase(sizes_->begin()); }

  friend bool operator==(const Dimensions& a, const Dimensions& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::vector<uint64_t>& Sizes() {
    if (!sizes_) sizes_ = std::make_unique<std::vector<uint64_t>>();
    return *sizes_;
  }

  std::unique_ptr<std::vector<uint64_t>> sizes_;  // null: none
};

}  // namespace tinyai
