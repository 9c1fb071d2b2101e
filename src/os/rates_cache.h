#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/machine.h"
#include "os/cache_directory.h"

namespace tinyai {

// What a machine's threads reach together, and what one of them does alone: of `alone` only
// what the processor and its memory do is of one thread.
struct MachineRates {
  uint32_t threads = 1;
  Rates together, alone;

  bool operator==(const MachineRates&) const = default;
  // With so many threads. Between one and all of them: as many times what one reaches, as long as
  // that is less than all do.
  Rates With(uint32_t count) const;
};

// Rates as `tinyai doctor` left them for `plan` and `run`, in the file "rates" of the cache
// directory. `machine` says what they were measured on (one line of text, such as Machine::name);
// rates of another machine are ignored, and so is anything that is not what
// SaveRates writes.
std::optional<MachineRates> LoadRates(const CacheDirectory& cache, std::string_view machine);
Status SaveRates(const CacheDirectory& cache, std::string_view machine, const MachineRates& rates);

// The text form; ParseRates gives nothing for anything but the whole of it.
std::string FormatRates(std::string_view machine, const MachineRates& rates);
std::optional<MachineRates> ParseRates(std::string_view text, std::string_view machine);

}  // namespace tinyai
