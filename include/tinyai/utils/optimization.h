#pragma once

/* All of the optimization API: docs/api/optimization.md. */

#include <tinyai/utils/cache_opt.h>
#include <tinyai/utils/layer_scheduler.h>
#include <tinyai/utils/memory_optimizer.h>
#include <tinyai/utils/progressive_loader.h>
#include <tinyai/utils/simd_ops.h>
#include <tinyai/utils/tensor.h>
