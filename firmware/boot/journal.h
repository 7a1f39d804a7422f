// What the loader remembers between starts: which slot of each kind is active, which is on trial, what may not come
// back.
//
// Two sectors of records. A record is the whole state; it is appended, never changed, and the valid one with the
// highest sequence number is the state. So every change of state is one program of one record: it happened or it did
// not. When a sector is full, the other is erased and takes the next record; the full one is left alone until that one
// is full.
#pragma once

#include <cstdint>

#include "boot/flash_map.h"
#include "core/result.h"
#include "hal/flash.h"

namespace edged::boot {

// Numbers of these enumerations are on flash.
enum class Stage : uint8_t {
  kNone = 0,     // nothing is on trial
  kPending = 1,  // to be tried at the next start
  kRunning = 2,  // was started; found at a start, it says that the trial was not confirmed
};
enum class Outcome : uint8_t {
  kNone = 0,       // of no trial yet
  kConfirmed = 1,  // the last trial became active
  kReverted = 2,   // the last trial was not confirmed
  kRefused = 3,    // the last image to be tried did not verify when its turn came
};

struct ImageState {
  uint8_t active = kNoSlot;
  uint8_t previous = kNoSlot;  // was active before, and has not been overwritten
  uint8_t trial = kNoSlot;
  Stage stage = Stage::kNone;
  Outcome outcome = Outcome::kNone;
  uint8_t rejected = 0;  // bits of slots whose trial failed: they start only when someone asks for them again
  uint32_t floor = 0;    // images with a lower security counter do not start
};

constexpr bool rejected(const ImageState& state, uint8_t slot) { return (state.rejected >> slot & 1U) != 0; }
constexpr void reject(ImageState& state, uint8_t slot) {
  state.rejected = static_cast<uint8_t>(state.rejected | 1U << slot);
}
constexpr void accept(ImageState& state, uint8_t slot) {
  state.rejected = static_cast<uint8_t>(state.rejected & ~(1U << slot));
}

struct State {
  ImageState images[kKinds];
  uint32_t boots = 0;  // starts of the loader

  [[nodiscard]] ImageState& of(Kind kind) { return images[static_cast<uint32_t>(kind)]; }
  [[nodiscard]] const ImageState& of(Kind kind) const { return images[static_cast<uint32_t>(kind)]; }
};

// Bytes of a record: all of the state, and a multiple of every program unit up to this size. Records never cross a
// page, since a cut may spoil all of the page it falls in.
inline constexpr uint32_t kRecordSize = 64;

class Journal {
 public:
  Journal(hal::Flash& flash, const FlashMap& map) : flash_(flash), map_(map) {}

  // Finds the state. kNotFound: there is no valid record, and append() begins anew. kUnsupported: this flash cannot
  // program records (see kRecordSize). After any other failure the state is that of a new device, and it is not
  // writable(): what could not be read is not overwritten.
  [[nodiscard]] Status open(State& state);
  // Makes this the state. When it fails, the state is what it was before, or this: whatever open() finds next.
  // kWrongState where it is not writable().
  [[nodiscard]] Status append(const State& state);
  [[nodiscard]] bool writable() const { return writable_; }

 private:
  [[nodiscard]] Status scan(uint8_t sector, State& state);
  [[nodiscard]] Status write(const State& state);

  hal::Flash& flash_;
  const FlashMap& map_;
  bool writable_ = false;     // open() found a record, or that there is none
  uint32_t sequence_ = 0;     // of the last valid record or attempt; the first has 1
  uint8_t sector_ = kNoSlot;  // that holds it
  uint32_t next_ = 0;         // offset in that sector behind everything ever programmed
};

}  // namespace edged::boot
