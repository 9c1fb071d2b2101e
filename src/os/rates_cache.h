#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/machine.h"
#include "os/cache_directory.h"

namespace tinyai {

// Rates as `tinyai doctor` left them for `plan` and `run`, in the file "rates" of the cache
// directory. `machine` says what they were measured on (one line of text, such as Machine::name);
// rates of another machine are ignored, and so is anything that is not what
// SaveRates writes.
std::optional<Rates> LoadRates(const CacheDirectory& cache, std::string_view machine);
Status SaveRates(const CacheDirectory& cache, std::string_view machine, const Rates& rates);

// The text form; ParseRates gives nothing for anything but the whole of it.
std::string FormatRates(std::string_view machine, const Rates& rates);
std::optional<Rates> ParseRates(std::string_view text, std::string_view machine);

}  // namespace tinyai
