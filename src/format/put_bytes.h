#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace tinyai {

// Appends to what a writer puts together. Numbers are little-endian, as this machine is.
inline void PutBytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  const size_t size = out.size();
  out.resize(size + bytes.size());
  if (!bytes.empty()) std::memcpy(out.data() + size, bytes.data(), bytes.size());
}

template <typename T>
void PutField(std::vector<std::byte>& out, T value) {
  PutBytes(out, std::as_bytes(std::span(&value, 1)));
}

// A string with its length before it, which is a `Length`.
template <typename Length>
void PutText(std::vector<std::byte>& out, std::string_view text) {
  PutField(out, static_cast<Length>(text.size()));
  PutBytes(out, std::as_bytes(std::span(text)));
}

}  // namespace tinyai
