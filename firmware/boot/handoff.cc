#include "boot/handoff.h"

#include <cstddef>
#include <cstring>

#include "protocol/crc.h"

namespace edged::boot {
namespace {

uint32_t checksum(const Handoff& handoff) {
  return protocol::crc32({reinterpret_cast<const uint8_t*>(&handoff), offsetof(Handoff, crc)});
}

}  // namespace

bool sealed(const Handoff& handoff) { return handoff.magic == kHandoffMagic && handoff.crc == checksum(handoff); }

void seal(Handoff& handoff) {
  handoff.magic = kHandoffMagic;
  handoff.crc = checksum(handoff);
}

void stay_in_loader(Handoff& handoff) {
  handoff.request = Request::kStayInLoader;
  seal(handoff);
}

void settled(Handoff& handoff) {
  handoff.crashes = 0;
  seal(handoff);
}

void clear(Handoff& handoff) {
  std::memset(static_cast<void*>(&handoff), 0, sizeof handoff);
  for (Handoff::Running& running : handoff.running) running.slot = kNoSlot;
}

Result<Running> what_runs(Handoff& handoff) {
  if (!sealed(handoff)) {
    clear(handoff);
    return Status::kCorrupt;
  }
  return Running{{handoff.of(Kind::kFirmware).slot, handoff.of(Kind::kModel).slot}, handoff.journal_unread == 0};
}

}  // namespace edged::boot
