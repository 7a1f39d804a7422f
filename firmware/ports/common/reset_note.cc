#include "ports/common/reset_note.h"

extern "C" edged::ports::ResetNote __reset_note;

namespace edged::ports {
namespace {
volatile ResetNote& note() { return __reset_note; }
}  // namespace

void begin_reset_note() {
  const bool valid = note().magic == ResetNote::kMagic && note().complement == ~ResetNote::kMagic;
  note().previous = valid ? note().ending : static_cast<uint32_t>(hal::ResetReason::kPowerOn);
  note().ending = static_cast<uint32_t>(hal::ResetReason::kUnknown);
  note().complement = ~ResetNote::kMagic;
  note().magic = ResetNote::kMagic;
}

void expect_ending(hal::ResetReason reason) { note().ending = static_cast<uint32_t>(reason); }

hal::ResetReason previous_ending() { return static_cast<hal::ResetReason>(note().previous); }

}  // namespace edged::ports
