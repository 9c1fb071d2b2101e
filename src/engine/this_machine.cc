#include "engine/this_machine.h"

#include <algorithm>
#include <optional>

#include "os/cache_directory.h"
#include "os/machine.h"
#include "os/rates_cache.h"

namespace tinyai {

Machine ThisMachine(uint32_t threads) {
  Machine machine = ProbeMachine();
  if (threads != 0) machine.threads = std::min(threads, machine.threads);
  if (const Result<CacheDirectory> cache = CacheDirectory::Open()) {
    if (const std::optional<MachineRates> rates = LoadRates(*cache, machine.name)) {
      machine.rates = rates->With(machine.threads);
    }
  }
  return machine;
}

}  // namespace tinyai
