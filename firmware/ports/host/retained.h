// What a reset of the host's board leaves alone. The program resets by executing itself anew, so this lies in memory
// that a new program image inherits.
#pragma once

#include <cstdint>

#include "boot/handoff.h"
#include "hal/system.h"

namespace edged::host {

struct Retained {
  boot::Handoff handoff;
  hal::ResetReason reason;  // of the last reset
  uint64_t operations;      // of flash, since the power came
};

// Maps the memory behind `fd`; makes it, full of what RAM holds after power-on, if `fd` is negative, and sets `fd`.
// Ends the program if the system has none.
[[nodiscard]] Retained& map_retained(int& fd);

}  // namespace edged::host
