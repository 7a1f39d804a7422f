// What a host knows of a device, and so what must, may and must not come of each thing that it asks for.
//
// It knows the bytes on flash, since it compares them with the images that it made; it does not ask the code under test
// whether an image is whole. What a power cut left open is open here too, until a start shows it.
#pragma once

#include <cstdint>
#include <string>

#include "boot/flash_map.h"
#include "boot/handoff.h"
#include "boot/testing/device_images.h"

namespace edged::boot::testing {

// Of one kind, as it lies on flash: the version that is whole in each slot, 0 if none is.
struct Content {
  uint8_t slot[kSlots] = {0, 0};
};

enum class Answer : uint8_t { kYes, kNo, kEither };

class Expectation {
 public:
  // The first thing that was otherwise; empty as long as all is.
  [[nodiscard]] const std::string& broken() const { return broken_; }
  void fail(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }
  // Says what came of a request. kEither: a cut left open what the device knows.
  void answered(const char* what, Answer expected, bool accepted);

  // A start came to its end with this, or with nothing to start.
  void started(const Content& found, const Handoff::Running& running);
  // Likewise, but the loader stays, and did not come to this kind.
  void passed_over(const Content& found);
  // A start was cut.
  void start_cut(const Content& found);
  void power_lost() { sure_ = false; }

  // What ran last, and whether it ran on trial.
  [[nodiscard]] uint8_t running() const { return running_; }
  [[nodiscard]] bool on_trial() const { return on_trial_; }
  // Whether what was confirmed last is whole for sure, and would start.
  [[nodiscard]] bool keeps(const Content& found) const;
  // Whether an upload has left alone what runs, or where nothing does, what a start would go to.
  [[nodiscard]] bool survives(const Content& before, const Content& after) const;

  // An image of this version, or a wrong one (0), is sent to a slot: whether it must be taken; then, that it was sent
  // to its end; or that it was cut, or refused.
  [[nodiscard]] Answer upload(const Content& found, uint8_t version);
  void uploaded(const Content& found);
  void upload_failed();

  // A slot is to be tried: whether it must be accepted, which is noted; then, that it was.
  [[nodiscard]] Answer ask(const Content& found, uint8_t slot);
  void accepted();

  // Whether what runs on trial may be kept.
  [[nodiscard]] bool confirmable(const Content& found) const;
  // It is about to be, and it was.
  void confirming();
  void confirmed();

 private:
  enum class Doubt : uint8_t { kNo, kMaybe, kYes };

  [[nodiscard]] bool may_start(const Content& found, uint8_t slot) const;
  [[nodiscard]] bool must_start(const Content& found, uint8_t slot) const;
  [[nodiscard]] bool failing(uint8_t slot) const;
  void trial_ended(const Content& found);
  void accept_perhaps(uint8_t slot);
  void keep(uint8_t version, uint8_t slot);

  std::string broken_;
  uint8_t kept_ = kOld;                                // version that was confirmed last; 0 if that is gone
  uint8_t kept_slot_ = 0;                              // where it lies
  uint32_t maybe_ = 0;                                 // bits of versions of which one may be confirmed instead
  uint8_t asked_ = 0;                                  // version whose trial was asked for
  uint8_t asked_slot_ = kNoSlot;                       // where it lies
  bool sure_ = false;                                  // that it was, and no power was lost since
  bool tried_ = false;                                 // and was started
  Doubt rejected_[kSlots] = {Doubt::kNo, Doubt::kNo};  // its trial failed: it starts only when asked for again
  uint32_t floor_ = 0;                                 // below it no counter starts
  uint32_t floor_at_most_ = kFirstCounter;             // from it on each one does
  uint8_t running_ = kNoSlot;
  bool on_trial_ = false;
};

}  // namespace edged::boot::testing
