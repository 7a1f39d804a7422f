// What happens between reset and the jump. A port calls start(), then jumps to what it says, or serves SMP.
#pragma once

#include <cstdint>

#include "boot/handoff.h"
#include "boot/slots.h"
#include "core/result.h"
#include "core/span.h"

namespace edged::boot {

// Where images are copied to. Empty: they stay in flash.
struct Memory {
  MutableBytes firmware;  // at FlashMap::firmware_address
  MutableBytes model;     // where flash cannot be read as memory; aligned to kModelAlignment of ml/engine.h
};

enum class Recovery : uint8_t {
  kNone = 0,
  kAsked = 1,    // by the application
  kCrashes = 2,  // kMaxCrashes starts in a row ended by watchdog or fault
  kNoImage = 3,  // no slot holds firmware that may start
};

struct Decision {
  Recovery recovery = Recovery::kNone;  // kNone: jump
  uint8_t slot = kNoSlot;               // of the firmware to jump to
  Image firmware;
};

class Loader {
 public:
  Loader(Slots& slots, const Memory& memory, Handoff& handoff) : slots_(slots), memory_(memory), handoff_(handoff) {}

  // Decides what this start runs, copies and verifies it, writes the journal and seals the handoff. `reason` is of the
  // reset before this start. What the journal does not say, since it could not be read, is as on a new device.
  [[nodiscard]] Decision start(hal::ResetReason reason);

 private:
  struct Choice {
    uint8_t slot = kNoSlot;
    Standing standing = Standing::kNone;
    Image image;
    Bytes payload;  // where it lies in memory; empty if it does not
  };
  struct Choices {
    Choice firmware;
    Choice model;
  };

  [[nodiscard]] Choices choose_all(State& state, bool trials);
  [[nodiscard]] Choice choose(Kind kind, ImageState& state, bool trials);
  [[nodiscard]] Choice fall_back(Kind kind, ImageState& state);
  [[nodiscard]] Status prepare(Kind kind, uint8_t slot, Choice& choice);
  void begin(hal::ResetReason reason, uint32_t crashes, uint32_t boots, Request request);
  void hand_over(Kind kind, const Choice& choice);

  Slots& slots_;
  const Memory& memory_;
  Handoff& handoff_;
};

}  // namespace edged::boot
