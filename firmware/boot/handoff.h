// One block of RAM that a reset leaves alone: what the loader tells the application, and what either tells the loader
// at the next start.
//
// Loader and application are built apart and may be years apart, so the layout is fixed: fields of fixed size at fixed
// places, the same on every processor, under a number that changes with the layout. Whoever writes seals; a block
// without a valid seal is what power-on left there and says nothing.
#pragma once

#include <cstdint>

#include "boot/flash_map.h"
#include "boot/image.h"
#include "boot/slots.h"
#include "core/result.h"
#include "hal/system.h"

namespace edged::boot {

inline constexpr uint32_t kHandoffMagic = 0x314F4845;  // "EHO1": of this layout
inline constexpr uint32_t kMaxCrashes = 3;  // starts in a row: a fault that comes back each time is in the firmware

enum class Request : uint32_t {
  kNone = 0,
  kStayInLoader = 0x79617473,  // "stay"
};

// How what runs came to run.
enum class Standing : uint8_t { kNone = 0, kTrial = 1, kConfirmed = 2 };

struct Handoff {
  struct Running {
    uint8_t slot;  // kNoSlot if none runs
    Standing standing;
    uint16_t reserved;
    uint32_t floor;  // security counter that an image must reach
    Version version;
    uint8_t hash[kHashSize];
    char name[kMaxNameSize + 1];  // of a model; ends with 0
  };

  uint32_t magic;
  Request request;   // of the application, to the loader
  uint32_t crashes;  // starts in a row that ended by watchdog or fault
  uint32_t boots;
  hal::ResetReason reset_reason;  // of the reset before the loader started
  uint8_t deciding;  // 1 while the loader chooses; found at a start, it was the loader that did not come to an end
  uint8_t journal_unread;  // 1: what runs was chosen without the journal, which could not be read
  uint8_t reserved[5];
  uint64_t model_address;  // of the model package in memory, verified; 0 if none
  uint32_t model_size;     // bytes of it
  uint32_t reserved_too;
  Running running[kKinds];
  char board[kMaxBoardSize + 1];  // ends with 0
  uint32_t reserved_last;
  uint32_t crc;  // of everything before

  [[nodiscard]] Running& of(Kind kind) { return running[static_cast<uint32_t>(kind)]; }
  [[nodiscard]] const Running& of(Kind kind) const { return running[static_cast<uint32_t>(kind)]; }
};
static_assert(sizeof(Handoff) == 224);

[[nodiscard]] bool sealed(const Handoff& handoff);
void seal(Handoff& handoff);

// For the application. After stay_in_loader(), a reset ends in the loader. settled() says that this start went well: a
// crash after weeks of work is no crash in a row.
void stay_in_loader(Handoff& handoff);
void settled(Handoff& handoff);

// For the application, before it believes anything of the block: the slots that run. kCorrupt if the seal is broken; it
// then is cleared.
[[nodiscard]] Result<Running> what_runs(Handoff& handoff);
// Nothing runs, there is no model, and no start was counted; not sealed.
void clear(Handoff& handoff);

}  // namespace edged::boot
