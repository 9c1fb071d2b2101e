#pragma once

/* Everything. */

#include <tinyai/budget.h>
#include <tinyai/builder.h>
#include <tinyai/error.h>
#include <tinyai/kernels.h>
#include <tinyai/sensitivity.h>
#include <tinyai/session.h>
#include <tinyai/utils/forward_scheduler.h>
#include <tinyai/utils/mmap_loader.h>
#include <tinyai/utils/optimization.h>
#include <tinyai/utils/prune.h>
#include <tinyai/utils/quantize_mixed.h>
