// The rest of a board: time, sleep, watchdog, reset, and what survives a reset in RAM.
#pragma once

#include <cstdint>

#include "hal/watchdog.h"

namespace edged::hal {

enum class ResetReason : uint8_t { kPowerOn = 0, kRequested = 1, kWatchdog = 2, kFault = 3, kUnknown = 4 };

class System : public Watchdog {
 public:
  [[nodiscard]] virtual const char* board() const = 0;  // "emcraft-sf2"
  [[nodiscard]] virtual uint32_t micros() = 0;          // free running, wraps
  [[nodiscard]] virtual uint32_t millis() = 0;          // free running, wraps
  // Sleeps until an interrupt or for at most this long; may return earlier.
  virtual void idle(uint32_t at_most_ms) = 0;
  virtual void start_watchdog(uint32_t timeout_ms) = 0;  // once started, only a reset stops it
  [[noreturn]] virtual void reset() = 0;
  [[nodiscard]] virtual ResetReason reset_reason() = 0;  // of the reset before this start
  [[nodiscard]] virtual uint32_t stack_free() = 0;       // bytes never touched so far

 protected:
  ~System() = default;
};

}  // namespace edged::hal
