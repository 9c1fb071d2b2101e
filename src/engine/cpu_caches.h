#pragma once

// The processor's caches, as os/ finds them: capi/ sees nothing below this folder.
#include "os/cache_counters.h"
#include "os/machine.h"
