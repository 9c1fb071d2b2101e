#pragma once

#include <cfenv>

namespace tinyai::capi {

// What a call finds in its thread and leaves there as it was: the floating-point mode with its
// flags, and errno. Until then the mode is the default one, which threads that start meanwhile have
// too, so that no number depends on the caller's.
class CallerState {
 public:
  CallerState();
  ~CallerState();
  CallerState(const CallerState&) = delete;
  CallerState& operator=(const CallerState&) = delete;

  // While it exists, a function of the caller's runs, in the caller's mode.
  class Outside {
   public:
    Outside();
    ~Outside();
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

   private:
    CallerState* const within_;  // null: the thread is in no call
  };

 private:
  std::fenv_t mode_;
  int errno_;
  CallerState* const before_;  // of a call around this one
};

}  // namespace tinyai::capi
