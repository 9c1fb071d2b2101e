#include <tinyai/utils/cache_opt.h>

#include <bit>

#include "capi/guard.h"
#include "capi/handles.h"
#include "engine/cpu_caches.h"

namespace tinyai::capi {
namespace {

constexpr int kLeastLine = 16, kMostLine = 1024;

tl::unexpected<Error> BadConfig(std::string message) {
  return Fail(ErrorCode::kUsage, "CONFIG", std::move(message));
}

Status Check(const TinyAICacheConfig& config) {
  if (config.block_size < 0) {
    return BadConfig(fmt::format("block_size is {}; 0 chooses one", config.block_size));
  }
  const int line = config.cache_line_size;
  if (line != 0 && (line < kLeastLine || line > kMostLine ||
                    !std::has_single_bit(static_cast<unsigned>(line)))) {
    return BadConfig(
        fmt::format("cache_line_size is {}; it must be 0 or a power of two from {} "
                    "to {}",
                    line, kLeastLine, kMostLine));
  }
  if (config.prefetch_distance < 0) {
    return BadConfig(fmt::format("prefetch_distance is {}", config.prefetch_distance));
  }
  return {};
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

bool tinyaiConfigureCacheOptimization(TinyAIModel* model, const TinyAICacheConfig* config) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (config != nullptr) TRY(capi::Check(*config));
    model->objects->SetCacheConfig(config != nullptr ? *config : ModelObjects::kAutomaticCache);
    return {};
  });
}

bool tinyaiGetCacheConfiguration(const TinyAIModel* model, TinyAICacheConfig* out) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    if (out == nullptr) return NullArgument("out");
    *out = model->objects->cache_config();
    return {};
  });
}

TinyAICacheStats tinyaiGetCacheStats(const TinyAIModel* model) {
  return Guard<TinyAICacheStats>({}, [&]() -> Result<TinyAICacheStats> {
    if (model == nullptr) return NullArgument("model");
    const WeightCacheStats stats = model->objects->mapped().cache().stats();
    const CpuCaches caches = ProbeCpuCaches();
    TinyAICacheStats out = {};
    const uint64_t accesses = stats.hits + stats.misses;
    if (accesses > 0) {
      out.hit_rate = static_cast<double>(stats.hits) / static_cast<double>(accesses);
    }
    out.hits = stats.hits;
    out.misses = stats.misses;
    out.evictions = stats.evictions;
    out.bytes_loaded = stats.loaded_bytes;
    if (const std::optional counts = model->objects->cache_counts()) {
      out.hardware_available = true;
      out.l1_misses = counts->l1_misses;
      out.llc_references = counts->llc_references;
      out.llc_misses = counts->llc_misses;
    }
    out.cache_line_size = caches.line_bytes;
    out.l1_size = caches.l1_bytes;
    out.l2_size = caches.l2_bytes;
    out.l3_size = caches.l3_bytes;
    return out;
  });
}

bool tinyaiOptimizeMemoryLayout(TinyAIModel* model) {
  return GuardStatus([&]() -> Status {
    if (model == nullptr) return NullArgument("model");
    return {};
  });
}
