#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/escape.h"
#include "lang/diagnostics.h"

namespace tinyai {

inline void Require(bool holds, const char* what, const std::string& text) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%s\n", what, text.c_str());
  std::abort();
}

// What is said about any bytes can be printed, and is not much.
inline void CheckComplaints(const Diagnostics& diagnostics) {
  const std::string text = diagnostics.Text();
  Require(diagnostics.all().size() <= 2 * Diagnostics::kMostErrors, "few errors", text);
  Require(diagnostics.all().empty() == text.empty(), "errors are explained", text);
  Require(IsUtf8(text), "explanations are text", text);
  Require(std::none_of(text.begin(), text.end(),
                       [](char c) { return c != '\n' && static_cast<uint8_t>(c) < 0x20; }),
          "explanations have no control bytes", text);
}

}  // namespace tinyai
