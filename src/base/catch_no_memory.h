#pragma once

#include <new>
#include <utility>

#include "base/result.h"

namespace tinyai {

// What `body` returns, a Result or a Status; the error OUT_OF_MEMORY where it was refused memory.
// For places that have to go on then: threads, and objects in the middle of a change.
template <typename Body>
auto CatchNoMemory(const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY", "the system gave no memory");
  }
}

}  // namespace tinyai
