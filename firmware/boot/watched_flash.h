// Flash whose every operation that went well tells the watchdog so.
//
// Verifying a slot reads megabytes, and erasing one takes a sector at a time; either lasts longer than a watchdog
// waits, though each step of it is short. So it is fed by progress: behind a step of bounded length, never by the hour.
// What failed is no progress: flash that does nothing any more meets the watchdog, however often it is asked.
#pragma once

#include "hal/flash.h"
#include "hal/watchdog.h"

namespace edged::boot {

class WatchedFlash final : public hal::Flash {
 public:
  // Bytes that are read in one step: a millisecond on a line of 4 MHz, and little beside hashing them.
  static constexpr size_t kStep = 512;

  // nullptr: nobody waits, as in a test.
  WatchedFlash(hal::Flash& flash, hal::Watchdog* watchdog) : flash_(flash), watchdog_(watchdog) {}

  [[nodiscard]] Geometry geometry() const override { return flash_.geometry(); }
  [[nodiscard]] Status read(uint32_t address, MutableBytes into) override;
  [[nodiscard]] Status program(uint32_t address, Bytes from) override { return fed(flash_.program(address, from)); }
  [[nodiscard]] Status erase(uint32_t address) override { return fed(flash_.erase(address)); }
  [[nodiscard]] const uint8_t* mapped(uint32_t address) const override { return flash_.mapped(address); }

 private:
  [[nodiscard]] Status fed(Status status) {
    if (watchdog_ != nullptr && ok(status)) watchdog_->feed_watchdog();
    return status;
  }

  hal::Flash& flash_;
  hal::Watchdog* watchdog_;
};

}  // namespace edged::boot
