#include "boot/slots.h"

#include <cstring>
#include <initializer_list>

namespace edged::boot {
namespace {

constexpr uint8_t other(uint8_t slot) { return static_cast<uint8_t>(1 - slot); }
static_assert(kSlots == 2);

void drop(uint8_t& reference, uint8_t slot) {
  if (reference == slot) reference = kNoSlot;
}

}  // namespace

Status FlashSource::read(uint32_t offset, MutableBytes into) {
  if (offset > region_.size || into.size() > region_.size - offset) return Status::kOutOfRange;
  return flash_.read(region_.address + offset, into);
}

Status MemorySource::read(uint32_t offset, MutableBytes into) {
  if (offset > bytes_.size() || into.size() > bytes_.size() - offset) return Status::kOutOfRange;
  std::memcpy(into.data(), bytes_.data() + offset, into.size());
  if (watchdog_ != nullptr) watchdog_->feed_watchdog();
  return Status::kOk;
}

Status Slots::open(const Running& running) {
  running_ = running;
  if (!running.by_journal) return Status::kWrongState;
  Status status = journal_.open(state_);
  if (status == Status::kFlashFailed) status = journal_.open(state_);
  return status == Status::kNotFound ? Status::kOk : status;
}

bool Slots::on_trial(Kind kind) const {
  const ImageState& state = state_.of(kind);
  return running_.of(kind) != kNoSlot && state.stage == Stage::kRunning && state.trial == running_.of(kind);
}

Status Slots::inspect(Kind kind, uint8_t slot, Image& image) {
  if (slot >= kSlots) return Status::kOutOfRange;
  FlashSource source(flash_, region(kind, slot));
  const Status status = verify(source, Extent::kSlot, key_, {kind, board_}, image);
  Known& found = known(kind, slot);
  found.seen = status != Status::kFlashFailed;  // which says nothing of the image, and may pass
  found.status = status;
  if (ok(status)) found.image = image;
  return status;
}

Status Slots::look(Kind kind, uint8_t slot, Image& image) {
  if (slot >= kSlots || !known(kind, slot).seen) return inspect(kind, slot, image);
  if (ok(known(kind, slot).status)) image = known(kind, slot).image;
  return known(kind, slot).status;
}

Status Slots::admit(Kind kind, uint8_t slot, const Image& image) const {
  if (image.counter < state_.of(kind).floor) return Status::kDowngrade;
  return places(kind, slot, image);
}

Status Slots::places(Kind kind, uint8_t slot, const Image& image) const {
  if (kind == Kind::kModel) return Status::kOk;
  const uint8_t* mapped = flash_.mapped(region(kind, slot).address);
  switch (image.placement) {
    case Placement::kLoaded:
      return map_.firmware_address != 0 && image.address == map_.firmware_address ? Status::kOk : Status::kOutOfRange;
    case Placement::kInFlash:
      return map_.firmware_address == 0 && mapped != nullptr && reinterpret_cast<uintptr_t>(mapped) == image.address
                 ? Status::kOk
                 : Status::kOutOfRange;
    case Placement::kAnywhere:  // fits only where no code is taken from the image
      return map_.firmware_address == 0 && mapped == nullptr ? Status::kOk : Status::kOutOfRange;
  }
  return Status::kOutOfRange;
}

Status Slots::mark_for_test(Kind kind, uint8_t slot) {
  if (slot >= kSlots) return Status::kOutOfRange;
  if (!journal_.writable() || slot == running_.of(kind) || on_trial(kind)) return Status::kWrongState;
  if (slot == state_.of(kind).active) return Status::kWrongState;
  Image image;
  if (const Status status = inspect(kind, slot, image); !ok(status)) return status;
  if (const Status status = admit(kind, slot, image); !ok(status)) return status;
  State next = state_;
  ImageState& state = next.of(kind);
  state.trial = slot;
  state.stage = Stage::kPending;
  accept(state, slot);
  return record(next);
}

Status Slots::confirm() {
  if (!journal_.writable() || running_.of(Kind::kFirmware) == kNoSlot) return Status::kWrongState;
  State next = state_;
  bool changed = false;
  for (const Kind kind : kAllKinds) {
    if (!on_trial(kind)) continue;
    Image image;
    ImageState& state = next.of(kind);
    if (const Status status = inspect(kind, state.trial, image); !ok(status)) return status;
    if (const Status status = admit(kind, state.trial, image); !ok(status)) return status;
    state.previous = state.active == state.trial ? kNoSlot : state.active;
    state.active = state.trial;
    state.trial = kNoSlot;
    state.stage = Stage::kNone;
    state.outcome = Outcome::kConfirmed;
    if (image.counter > state.floor) state.floor = image.counter;
    changed = true;
  }
  return changed ? record(next) : Status::kOk;
}

Slots::Candidates Slots::candidates(Kind kind, const ImageState& state) {
  Image images[kSlots];
  for (uint8_t slot = 0; slot < kSlots; ++slot) {
    FlashSource source(flash_, region(kind, slot));
    if (!ok(read_image(source, Extent::kSlot, images[slot]))) images[slot] = Image{};
  }
  const uint8_t newer = images[0].version < images[1].version ? 1 : 0;
  Candidates found;
  uint32_t count = 0;
  for (const uint8_t slot : {state.active, state.previous, newer, other(newer)}) {
    if (slot == kNoSlot || rejected(state, slot) || slot == found.slot[0] || count == kSlots) continue;
    found.slot[count++] = slot;
  }
  return found;
}

// What runs, or in a loader what a start would go back to; kNoSlot if there is nothing. It is verified as it is now:
// the other one may be overwritten for it, and a list may have been asked for days ago.
uint8_t Slots::kept(Kind kind) {
  if (running_.of(kind) != kNoSlot) return running_.of(kind);
  for (const uint8_t keep : candidates(kind, state_.of(kind)).slot) {
    Image image;
    if (ok(inspect(kind, keep, image)) && ok(admit(kind, keep, image))) return keep;
  }
  return kNoSlot;
}

Result<uint8_t> Slots::upload_slot(Kind kind) {
  if (!journal_.writable() || on_trial(kind)) return Status::kWrongState;
  const uint8_t keep = kept(kind);
  return keep == kNoSlot ? uint8_t{0} : other(keep);
}

Status Slots::forget(Kind kind, uint8_t slot) {
  if (slot >= kSlots) return Status::kOutOfRange;
  if (!journal_.writable() || slot == kept(kind)) return Status::kWrongState;
  if (on_trial(kind) && slot == state_.of(kind).active) return Status::kWrongState;
  return release(kind, slot);
}

Status Slots::release(Kind kind, uint8_t slot) {
  State next = state_;
  ImageState& state = next.of(kind);
  if (state.active != slot && state.previous != slot && state.trial != slot && !rejected(state, slot)) {
    return Status::kOk;
  }
  if (state.trial == slot) state.stage = Stage::kNone;
  drop(state.active, slot);
  drop(state.previous, slot);
  drop(state.trial, slot);
  accept(state, slot);
  return record(next);
}

Status Slots::erase(Kind kind, uint8_t slot, uint32_t offset) {
  known(kind, slot).seen = false;
  return flash_.erase(region(kind, slot).address + offset);
}

Status Slots::program(Kind kind, uint8_t slot, uint32_t offset, Bytes from) {
  known(kind, slot).seen = false;
  return flash_.program(region(kind, slot).address + offset, from);
}

// After a failure it is the journal that says which state holds.
Status Slots::record(const State& state) {
  const Status status = journal_.append(state);
  if (ok(status)) {
    state_ = state;
    return status;
  }
  if (!journal_.writable()) return status;
  State found;
  const Status opened = journal_.open(found);
  if (!journal_.writable()) return opened;
  state_ = found;
  return status;
}

}  // namespace edged::boot
