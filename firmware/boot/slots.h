// Slots and what becomes of the images in them: the rules of trial, confirmation and return, shared by loader and
// application. DESIGN.md argues the order of every write.
#pragma once

#include <cstdint>

#include "boot/flash_map.h"
#include "boot/image.h"
#include "boot/journal.h"
#include "boot/verify.h"
#include "boot/watched_flash.h"
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
  // A watchdog is fed at each read of it: hashing megabytes of memory takes a slow core seconds, too.
  explicit MemorySource(Bytes bytes, hal::Watchdog* watchdog = nullptr) : bytes_(bytes), watchdog_(watchdog) {}
  [[nodiscard]] uint32_t size() const override { return static_cast<uint32_t>(bytes_.size()); }
  [[nodiscard]] Status read(uint32_t offset, MutableBytes into) override;

 private:
  Bytes bytes_;
  hal::Watchdog* watchdog_;
};

// The slots that were started; kNoSlot for both in the loader.
struct Running {
  uint8_t slot[kKinds] = {kNoSlot, kNoSlot};
  bool by_journal = true;  // the journal said so: the loader had read it

  [[nodiscard]] uint8_t of(Kind kind) const { return slot[static_cast<uint32_t>(kind)]; }
};

class Slots {
 public:
  // `map` passes check(). Whatever takes long feeds the watchdog by its progress.
  Slots(hal::Flash& flash, const FlashMap& map, const PublicKey& key, const char* board,
        hal::Watchdog* watchdog = nullptr)
      : watchdog_(watchdog), flash_(flash, watchdog), map_(map), key_(key), board_(board), journal_(flash_, map) {}

  // Reads the journal; a device without one has the state of a new device. As Journal::open(). Before it, and after it
  // failed, nothing that the journal or a slot holds is changed: whatever would is kWrongState. So is this where the
  // journal was not asked what to start: it may say something else of what runs. A read that fails is tried once more.
  [[nodiscard]] Status open(const Running& running = {});

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const Running& running() const { return running_; }
  [[nodiscard]] bool writable() const { return journal_.writable(); }
  [[nodiscard]] const Region& region(Kind kind, uint8_t slot) const { return map_.slot(kind, slot); }
  [[nodiscard]] hal::Flash& flash() { return flash_; }
  [[nodiscard]] hal::Watchdog* watchdog() const { return watchdog_; }
  [[nodiscard]] const PublicKey& key() const { return key_; }
  [[nodiscard]] const char* board() const { return board_; }
  [[nodiscard]] bool on_trial(Kind kind) const;  // what runs is on trial

  // What lies in a slot, verified as it is on flash now. As verify(), and kOutOfRange for no slot.
  [[nodiscard]] Status inspect(Kind kind, uint8_t slot, Image& image);
  // Likewise, but what was found since it was written, whole or not, is believed: for lists, which are asked for often,
  // and not for anything that is then started or kept.
  [[nodiscard]] Status look(Kind kind, uint8_t slot, Image& image);
  // Whether firmware in this slot would lie where it says that it runs; kOutOfRange if not. A model may lie anywhere.
  [[nodiscard]] Status places(Kind kind, uint8_t slot, const Image& image) const;
  // Whether a verified image may start: as places(), and kDowngrade if its counter is below the floor.
  [[nodiscard]] Status admit(Kind kind, uint8_t slot, const Image& image) const;

  // What a start goes to where nothing else was asked for, first things first: what is active, what was before, then
  // the higher version. What failed its trial is not among them. Versions are those of headers as they are: whoever
  // takes one verifies it.
  struct Candidates {
    uint8_t slot[kSlots] = {kNoSlot, kNoSlot};
  };
  [[nodiscard]] Candidates candidates(Kind kind, const ImageState& state);

  // What the application asks for. Each is one record, written after everything that it relies on was verified on
  // flash.
  //
  // Tries this slot at the next start. As inspect() and admit(), and kWrongState for what runs, or is active already:
  // a trial of it that was not confirmed would leave nothing to go back to.
  [[nodiscard]] Status mark_for_test(Kind kind, uint8_t slot);
  // Keeps everything that runs on trial; without a trial, nothing. kWrongState in the loader.
  [[nodiscard]] Status confirm();

  // The slot that an upload of this kind overwrites: neither what runs nor what a start would go back to. kWrongState
  // while a trial runs, for then there is none.
  [[nodiscard]] Result<uint8_t> upload_slot(Kind kind);
  // Before the first byte of a slot changes: no record refers to it any more. kWrongState for what runs or a start
  // would go back to.
  [[nodiscard]] Status forget(Kind kind, uint8_t slot);
  // Likewise, of the slot that upload_slot() gave just now: what is kept for it is not verified a second time.
  [[nodiscard]] Status release(Kind kind, uint8_t slot);
  // The bytes of a slot that was forgotten; `offset` is from its start.
  [[nodiscard]] Status erase(Kind kind, uint8_t slot, uint32_t offset);
  [[nodiscard]] Status program(Kind kind, uint8_t slot, uint32_t offset, Bytes from);

  // For the loader: makes this the state.
  [[nodiscard]] Status record(const State& state);

 private:
  // What was found in a slot, until something is written there.
  struct Known {
    bool seen = false;
    Status status = Status::kNotFound;
    Image image;  // if it is whole
  };

  [[nodiscard]] Known& known(Kind kind, uint8_t slot) { return known_[static_cast<uint32_t>(kind)][slot]; }
  [[nodiscard]] uint8_t kept(Kind kind);

  hal::Watchdog* watchdog_;
  WatchedFlash flash_;
  const FlashMap& map_;
  const PublicKey& key_;
  const char* board_;
  Journal journal_;
  State state_;
  Running running_;
  Known known_[kKinds][kSlots];
};

}  // namespace edged::boot
