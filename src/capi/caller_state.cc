#include "capi/caller_state.h"

#include <cerrno>

namespace tinyai::capi {
namespace {

thread_local CallerState* innermost = nullptr;

}  // namespace

CallerState::CallerState() : errno_(errno), before_(innermost) {
  std::fegetenv(&mode_);
  std::fesetenv(FE_DFL_ENV);
  innermost = this;
}

CallerState::~CallerState() {
  innermost = before_;
  std::fesetenv(&mode_);
  errno = errno_;
}

CallerState::Outside::Outside() : within_(innermost) {
  if (within_ != nullptr) std::fesetenv(&within_->mode_);
}

CallerState::Outside::~Outside() {
  if (within_ == nullptr) return;
  std::fegetenv(&within_->mode_);  // what the function has set is there when the call ends
  std::fesetenv(FE_DFL_ENV);
}

}  // namespace tinyai::capi
