// Sixteen bytes of RAM that tell a start how the run before it ended. Their place is the linker script's
// (`__reset_note`), the same for a loader and the application that it starts; nothing clears it.
//
// Emulated boards keep no register of the reset's cause, and real ones each their own. So a run says beforehand how it
// would end: what is found then is what happened. A reset by pin while the watchdog runs therefore reads as one by the
// watchdog, and counts as a crash.
#pragma once

#include <cstdint>

#include "hal/system.h"

namespace edged::ports {

struct ResetNote {
  static constexpr uint32_t kMagic = 0x45444e54;  // RAM after power-on holds anything but this, with its complement
  uint32_t magic;
  uint32_t complement;
  uint32_t ending;    // hal::ResetReason if this run ended now
  uint32_t previous;  // hal::ResetReason of the run before
};

// The first program after a reset turns `ending` into `previous`; what it starts finds it there.
void begin_reset_note();
void expect_ending(hal::ResetReason reason);
[[nodiscard]] hal::ResetReason previous_ending();

}  // namespace edged::ports
