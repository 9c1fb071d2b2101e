#include "engine/this_machine.h"

#include <optional>

#include "os/cache_directory.h"
#include "os/machine.h"
#include "os/rates_cache.h"

namespace tinyai {

Machine ThisMachine() {
  Machine machine = ProbeMachine();
  if (const Result<CacheDirectory> cache = CacheDirectory::Open()) {
    if (const std::optional<Rates> rates = LoadRates(*cache, machine.name)) machine.rates = *rates;
  }
  return machine;
}

}  // namespace tinyai
