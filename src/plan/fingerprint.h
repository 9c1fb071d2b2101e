#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "graph/graph.h"

namespace tinyai {

// 64-bit FNV-1a (Fowler, Noll, Vo) of fields one after the other. Tells texts and models apart that
// differ by accident; no protection against someone who wants them to look alike.
class Fingerprint {
 public:
  Fingerprint& Add(uint64_t number);
  Fingerprint& Add(double number);
  Fingerprint& Add(std::string_view text);
  uint64_t value() const { return state_; }

 private:
  void AddByte(uint8_t byte);
  uint64_t state_ = 0xcbf29ce484222325;
};

// Of all that a plan depends on: the graph's values and ops, and the names, shapes, types and
// places of its weights. Not of the weights themselves.
uint64_t ModelFingerprint(const Graph& graph);

// 16 hexadecimal digits.
std::string FingerprintText(uint64_t fingerprint);

}  // namespace tinyai
