// Slots and what becomes of the images in them: the rules of trial, confirmation and return, shared by loader and
// application. DESIGN.md argues the order of every write.
#pragma once

#include <cstdint>

#include "boot/flash_map.h"
#include "boot/image.h"
#include "boot/journal.h"
#include "boot/verify.h"
#include "core/result.h"
#include "hal/flash.h"

namespace edged::boot {

// An image where it lies on flash.
class FlashSource final : public Source {
 public:
  FlashSource(hal::Flash& flash, const Region& region) : flash_(flash), region_(region) {}
  [[nodiscard]] uint32_t size() const override { return region_.size; }
  [[nodiscard]] Status read(uint32_t offset, MutableBytes into) override;

 private:
  hal::Flash& flash_;
  Region region_;
};

// An image in memory.
class MemorySource final : public Source {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] uint32_t size() const override { return static_cast<uint32_t>(bytes_.size()); }
  [[nodiscard]] Status read(uint32_t offset, MutableBytes into) override;

 private:
  Bytes bytes_;
};

// The slots that were started; kNoSlot for both in the loader.
struct Running {
  uint8_t slot[kKinds] = {kNoSlot, kNoSlot};

  [[nodiscard]] uint8_t of(Kind kind) const { return slot[static_cast<uint32_t>(kind)]; }
};

class Slots {
 public:
  Slots(hal::Flash& flash, const FlashMap& map, const PublicKey& key, const char* board)
      : flash_(flash), map_(map), key_(key), board_(board), journal_(flash, map) {}

  // Reads the journal; a device without one has the state of a new device. Everything below comes after it. As
  // check(map) and Journal::open().
  [[nodiscard]] Status open(const Running& running = {});

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const Running& running() const { return running_; }
  [[nodiscard]] const Region& region(Kind kind, uint8_t slot) const { return map_.slot(kind, slot); }
  [[nodiscard]] hal::Flash& flash() { return flash_; }
  [[nodiscard]] const PublicKey& key() const { return key_; }
  [[nodiscard]] const char* board() const { return board_; }
  [[nodiscard]] bool on_trial(Kind kind) const;  // what runs is on trial

  // What lies in a slot, verified as it is on flash now. As verify(), and kOutOfRange for no slot.
  [[nodiscard]] Status inspect(Kind kind, uint8_t slot, Image& image);
  // Whether firmware in this slot would lie where it says that it runs; kOutOfRange if not. A model may lie anywhere.
  [[nodiscard]] Status places(Kind kind, uint8_t slot, const Image& image) const;
  // Whether a verified image may start: as places(), and kDowngrade if its counter is below the floor.
  [[nodiscard]] Status admit(Kind kind, uint8_t slot, const Image& image) const;

  // What the application asks for. Each is one record, written after everything that it relies on was verified on
  // flash.
  //
  // Tries this slot at the next start. As inspect() and admit(), and kWrongState for what runs.
  [[nodiscard]] Status mark_for_test(Kind kind, uint8_t slot);
  // Keeps everything that runs on trial; without a trial, nothing. kWrongState in the loader.
  [[nodiscard]] Status confirm();

  // The slot that an upload of this kind overwrites: neither what runs nor what a start would go back to. kWrongState
  // while a trial runs, for then there is none.
  [[nodiscard]] Result<uint8_t> upload_slot(Kind kind);
  // Before the first byte of a slot changes: no record refers to it any more.
  [[nodiscard]] Status forget(Kind kind, uint8_t slot);

  // For the loader: makes this the state.
  [[nodiscard]] Status record(const State& state);

 private:
  hal::Flash& flash_;
  const FlashMap& map_;
  const PublicKey& key_;
  const char* board_;
  Journal journal_;
  State state_;
  Running running_;
};

}  // namespace edged::boot
