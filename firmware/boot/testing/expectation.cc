#include "boot/testing/expectation.h"

#include <algorithm>

namespace edged::boot::testing {

void Expectation::answered(const char* what, Answer expected, bool accepted) {
  if (expected == Answer::kYes && !accepted) fail(std::string(what) + " was refused");
  if (expected == Answer::kNo && accepted) fail(std::string(what) + " was accepted that must not be");
}

bool Expectation::may_start(const Content& found, uint8_t slot) const {
  const uint8_t version = found.slot[slot];
  return version != 0 && counter_of(version) >= floor_ && rejected_[slot] != Doubt::kYes;
}

bool Expectation::must_start(const Content& found, uint8_t slot) const {
  const uint8_t version = found.slot[slot];
  return version != 0 && counter_of(version) >= floor_at_most_ && rejected_[slot] == Doubt::kNo;
}

bool Expectation::keeps(const Content& found) const {
  return maybe_ == 0 && kept_ != 0 && found.slot[kept_slot_] == kept_;
}

bool Expectation::survives(const Content& before, const Content& after) const {
  if (running_ == kNoSlot) return !keeps(before) || keeps(after);
  return before.slot[running_] == after.slot[running_];
}

void Expectation::keep(uint8_t version, uint8_t slot) {
  kept_ = version;
  kept_slot_ = slot;
  maybe_ = 0;
  floor_ = std::max(floor_, counter_of(version));
  floor_at_most_ = std::max(floor_at_most_, floor_);
}

void Expectation::started(const Content& found, const Handoff::Running& running) {
  running_ = running.slot;
  on_trial_ = false;
  if (running_ == kNoSlot) {
    trial_ended(found);
    for (uint8_t slot = 0; slot < kSlots; ++slot) {
      if (must_start(found, slot)) fail("nothing started, though an image was there");
    }
    return;
  }
  const uint8_t version = running.version.major;
  if (running_ >= kSlots || found.slot[running_] == 0) return fail("what started is not whole, or not ours");
  if (found.slot[running_] != version) return fail("what started is not what was said to");
  if (counter_of(version) < floor_) return fail("what started is below the security counter");
  if (running.standing == Standing::kTrial) {
    if (version != asked_ || running_ != asked_slot_) fail("a trial that nobody asked for");
    if (tried_) fail("a trial for the second time");
    on_trial_ = tried_ = true;
    rejected_[running_] = Doubt::kNo;
    return;
  }
  const bool kept = version == kept_ || (maybe_ >> version & 1U) != 0;
  if (!kept && keeps(found)) fail("something else than what was confirmed");
  if (tried_ && version == asked_ && running_ == asked_slot_ && (maybe_ >> version & 1U) != 0) {
    tried_ = false;  // its confirmation was cut, and holds
    asked_ = 0;
  }
  trial_ended(found);
  if (rejected_[running_] == Doubt::kYes) fail("what failed its trial started by itself");
  rejected_[running_] = Doubt::kNo;
  keep(version, running_);
}

void Expectation::passed_over(const Content& found) {
  running_ = kNoSlot;
  on_trial_ = false;
  if (tried_) trial_ended(found);
}

// It may have found nothing of what was confirmed, and made something else active.
void Expectation::start_cut(const Content& found) {
  if (keeps(found)) return;
  for (uint8_t slot = 0; slot < kSlots; ++slot) {
    if (!may_start(found, slot) || failing(slot)) continue;
    maybe_ |= 1U << found.slot[slot];
    floor_at_most_ = std::max(floor_at_most_, counter_of(found.slot[slot]));
  }
  maybe_ |= 1U << kept_;
}

// What was to be tried is not on trial after a start: it has been, or it was refused.
void Expectation::trial_ended(const Content& found) {
  if (asked_ == 0) return;
  const bool whole = found.slot[asked_slot_] == asked_;
  if (!tried_ && sure_ && whole && counter_of(asked_) >= floor_at_most_)
    fail("a trial that was asked for did not start");
  const bool failed = failing(asked_slot_) || (!tried_ && sure_);
  rejected_[asked_slot_] = failed ? Doubt::kYes : Doubt::kMaybe;
  asked_ = 0;
  tried_ = sure_ = false;
}

// It ran on trial, and nobody has confirmed it.
bool Expectation::failing(uint8_t slot) const { return tried_ && slot == asked_slot_ && (maybe_ >> asked_ & 1U) == 0; }

void Expectation::accept_perhaps(uint8_t slot) {
  if (rejected_[slot] == Doubt::kYes) rejected_[slot] = Doubt::kMaybe;
}

Answer Expectation::upload(const Content& found, uint8_t version) {
  if (running_ == kNoSlot && !keeps(found)) kept_ = 0;  // the slot of it may be the one that is overwritten
  if (version == 0 || on_trial_ || counter_of(version) < floor_) return Answer::kNo;
  return counter_of(version) >= floor_at_most_ ? Answer::kYes : Answer::kEither;
}

void Expectation::uploaded(const Content& found) {
  upload_failed();
  if (running_ != kNoSlot) {
    rejected_[1 - running_] = Doubt::kNo;
    asked_ = 0;
  } else if (asked_ != 0 && found.slot[asked_slot_] != asked_) {
    asked_ = 0;  // else it went to the other slot, and the trial waits
  }
}

void Expectation::upload_failed() {
  if (on_trial_) return;  // which was refused before it began
  sure_ = false;
  for (uint8_t slot = 0; slot < kSlots; ++slot) {
    if (slot != running_) accept_perhaps(slot);
  }
}

Answer Expectation::ask(const Content& found, uint8_t slot) {
  if (slot >= kSlots || slot == running_ || on_trial_) return Answer::kNo;
  const bool nothing_runs = running_ == kNoSlot;
  if (nothing_runs && keeps(found) && slot == kept_slot_) return Answer::kNo;  // it has decayed, and is whole again
  const uint8_t version = found.slot[slot];
  if (version == 0 || counter_of(version) < floor_) return Answer::kNo;
  accept_perhaps(slot);
  asked_ = version;
  asked_slot_ = slot;
  sure_ = tried_ = false;
  return counter_of(version) >= floor_at_most_ && !nothing_runs ? Answer::kYes : Answer::kEither;
}

void Expectation::accepted() {
  sure_ = true;
  rejected_[asked_slot_] = Doubt::kNo;
}

bool Expectation::confirmable(const Content& found) const {
  return !on_trial_ || (found.slot[running_] == asked_ && counter_of(asked_) >= floor_);
}

void Expectation::confirming() {
  if (!on_trial_) return;
  maybe_ |= 1U << asked_;
  floor_at_most_ = std::max(floor_at_most_, counter_of(asked_));
}

void Expectation::confirmed() {
  if (!on_trial_) return;
  keep(asked_, running_);
  on_trial_ = tried_ = sure_ = false;
  asked_ = 0;
}

}  // namespace edged::boot::testing
