#include "boot/slots.h"

#include <cstring>

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
  return Status::kOk;
}

Status Slots::open(const Running& running) {
  running_ = running;
  if (const Status status = check(map_, flash_.geometry()); !ok(status)) return status;
  const Status status = journal_.open(state_);
  return status == Status::kNotFound ? Status::kOk : status;
}

bool Slots::on_trial(Kind kind) const {
  const ImageState& state = state_.of(kind);
  return running_.of(kind) != kNoSlot && state.stage == Stage::kRunning && state.trial == running_.of(kind);
}

Status Slots::inspect(Kind kind, uint8_t slot, Image& image) {
  if (slot >= kSlots) return Status::kOutOfRange;
  FlashSource source(flash_, region(kind, slot));
  return verify(source, Extent::kSlot, key_, {kind, board_}, image);
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
  if (slot == running_.of(kind) || on_trial(kind)) return Status::kWrongState;
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
  if (running_.of(Kind::kFirmware) == kNoSlot) return Status::kWrongState;
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

Result<uint8_t> Slots::upload_slot(Kind kind) {
  if (on_trial(kind)) return Status::kWrongState;
  if (running_.of(kind) != kNoSlot) return other(running_.of(kind));
  const ImageState& state = state_.of(kind);
  const uint8_t candidates[] = {state.active, state.previous, 0, 1};
  for (const uint8_t keep : candidates) {
    Image image;
    if (keep == kNoSlot || rejected(state, keep)) continue;
    if (ok(inspect(kind, keep, image)) && ok(admit(kind, keep, image))) return other(keep);
  }
  return uint8_t{0};
}

Status Slots::forget(Kind kind, uint8_t slot) {
  if (slot >= kSlots) return Status::kOutOfRange;
  if (slot == running_.of(kind) || (on_trial(kind) && slot == state_.of(kind).active)) return Status::kWrongState;
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

// After a failure it is the journal that says which state holds.
Status Slots::record(const State& state) {
  const Status status = journal_.append(state);
  if (ok(status)) {
    state_ = state;
    return status;
  }
  const Status found = journal_.open(state_);
  return ok(found) || found == Status::kNotFound ? status : found;
}

}  // namespace edged::boot
