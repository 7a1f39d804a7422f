// The host's board: a reset is the program executing itself anew, with the same line and the memory that a reset leaves
// alone; the watchdog is a timer of the process, and a fault a signal.
#pragma once

#include <cstdint>

#include "hal/system.h"
#include "ports/host/pty_serial.h"
#include "ports/host/retained.h"
#include "ports/host/simulated_flash.h"

namespace edged::host {

class PosixSystem final : public hal::System {
 public:
  // One in a process, since signals are the process's. `again` is the command line of the next start, ending with
  // nullptr.
  PosixSystem(PtySerial& serial, const SimulatedFlash& flash, Retained& retained, char* const* again);

  [[nodiscard]] const char* board() const override { return "host"; }
  [[nodiscard]] uint32_t micros() override;
  [[nodiscard]] uint32_t millis() override;
  void idle(uint32_t at_most_ms) override;
  void start_watchdog(uint32_t timeout_ms) override;
  void feed_watchdog() override;
  [[noreturn]] void reset() override { restart(hal::ResetReason::kRequested); }
  [[nodiscard]] hal::ResetReason reset_reason() override { return reason_; }
  [[nodiscard]] uint32_t stack_free() override;

 private:
  [[noreturn]] void restart(hal::ResetReason reason);
  static void on_signal(int number);

  static PosixSystem* one;

  PtySerial& serial_;
  const SimulatedFlash& flash_;
  Retained& retained_;
  char* const* again_;
  hal::ResetReason reason_;
  uint64_t start_ns_;
  uint32_t watchdog_ms_ = 0;
};

}  // namespace edged::host
