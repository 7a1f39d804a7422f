// How long a trial may run unconfirmed.
//
// The application resets itself at the end, and the loader goes back to what ran before. So a device that a new image
// cut off from its host comes back without anybody's help; one that hangs is brought back by the watchdog.
#pragma once

#include <cstdint>

namespace edged::app {

// Of the build; by default as long as a host takes that restarts, finds its port again and asks.
inline constexpr uint32_t kTrialWindowMs = EDGED_TRIAL_S * 1000u;
// After a self-test that failed: time for a host to ask what was wrong.
inline constexpr uint32_t kFailedWindowMs = 5000;

class TrialWindow {
 public:
  explicit TrialWindow(uint32_t now_ms) : since_ms_(now_ms) {}

  // Of the trial that runs, if one does. `failed`: it will never be confirmed.
  [[nodiscard]] bool over(uint32_t now_ms, bool on_trial, bool failed) {
    if (failed && !failed_) {
      failed_ = true;
      failed_ms_ = now_ms;
    }
    if (!on_trial) return false;
    return now_ms - since_ms_ >= kTrialWindowMs || (failed_ && now_ms - failed_ms_ >= kFailedWindowMs);
  }

 private:
  uint32_t since_ms_;
  uint32_t failed_ms_ = 0;
  bool failed_ = false;
};

}  // namespace edged::app
