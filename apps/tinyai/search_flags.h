#pragma once

#include <optional>

#include "flags.h"
#include "solve/search_limits.h"

namespace tinyai {

// --time, --fast, --exact: how long the best is looked for.
class SearchFlags {
 public:
  void Add(Flags& flags);
  // Error BAD_OPTION where they exclude each other.
  Status Check() const;
  // A time that is given counts from here.
  SearchLimits Limits() const;

 private:
  std::optional<double> most_seconds_;
  bool fast_ = false, exact_ = false;
};

}  // namespace tinyai
