#pragma once

#include <cstddef>

namespace tinyai {

// Counts what a test program takes from `new`; linked, it replaces operator new and delete.
size_t StartMeter();  // bytes held now; the peak counts from here
size_t PeakBytes();   // most bytes held since

}  // namespace tinyai
