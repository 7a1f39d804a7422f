// A board of a test: flash, the RAM that a reset leaves alone, and what the loader decides at each start.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "boot/loader.h"
#include "boot/slots.h"
#include "boot/testing/signed_image.h"
#include "boot/upload.h"
#include "ports/host/simulated_flash.h"

namespace edged::boot::testing {

// Small, so that a journal fills and an image takes several sectors and pages within a test.
inline constexpr hal::Flash::Geometry kGeometry = {10 * 1024, 1024, 4, 256};
inline constexpr FlashMap kMap = {{{0x0000, 0x0800}, {0x0800, 0x0800}},
                                  {{0x1000, 0x0800}, {0x1800, 0x0800}},
                                  {{0x2000, 0x0400}, {0x2400, 0x0400}},
                                  0};

// The watchdog of a board whose flash is slow: how long it was left alone at most.
class Watch final : public hal::Watchdog {
 public:
  explicit Watch(const host::SimulatedFlash& flash) : flash_(flash) {}
  void feed_watchdog() override {
    longest_ns_ = longest_ns();
    fed_ns_ = flash_.elapsed_ns();
    ++feeds_;
  }
  [[nodiscard]] uint64_t longest_ns() const { return std::max(longest_ns_, flash_.elapsed_ns() - fed_ns_); }
  [[nodiscard]] uint32_t feeds() const { return feeds_; }

 private:
  const host::SimulatedFlash& flash_;
  uint64_t fed_ns_ = 0;
  uint64_t longest_ns_ = 0;
  uint32_t feeds_ = 0;
};

class Board {
 public:
  explicit Board(const Signer& signer) : signer_(signer), memory_(kGeometry.size, 0xFF) { power_off(); }
  Board(const Board& other) : signer_(other.signer_), memory_(other.memory_), handoff_(other.handoff_) {
    flash_.count_from(other.flash_.operations());
  }
  Board& operator=(const Board&) = delete;

  host::SimulatedFlash& flash() { return flash_; }
  Blob& memory() { return memory_; }
  Handoff& handoff() { return handoff_; }
  const Watch& watch() const { return watch_; }

  // RAM holds anything.
  void power_off();
  // What the loader decides; afterwards slots() is as the application has it, or as the loader's if there is recovery.
  Decision start(hal::ResetReason reason);
  Slots& slots() { return *slots_; }
  // Slots as after a start of these, for tests that stand in for the loader.
  Slots& open(const Running& running);

  // Writes an image where no rule is asked, as a programmer at a factory does.
  void place(Kind kind, uint8_t slot, const Blob& image);
  // Uploads in chunks of odd sizes.
  Status upload(Kind kind, const Blob& image);

 private:
  const Signer& signer_;
  Blob memory_;
  host::SimulatedFlash flash_{MutableBytes(memory_.data(), memory_.size()), kGeometry};
  Watch watch_{flash_};
  Blob model_memory_ = Blob(2048);
  Memory placement_{{}, {model_memory_.data(), model_memory_.size()}};
  Handoff handoff_{};
  std::optional<Slots> slots_;
};

}  // namespace edged::boot::testing
