#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// Numbers of classes of ops. What follows from each of two ops of a class looks the same up to the
// same op, which both lead to, or the end. So while both can run they may change places, and a
// search need not try both.
std::vector<uint32_t> TwinClasses(const OrderNet& net);

}  // namespace tinyai
