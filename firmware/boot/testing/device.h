// A device and what its host may expect of it, for tests in which the power goes at any time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "boot/testing/board.h"
#include "boot/testing/device_images.h"
#include "boot/testing/expectation.h"

namespace edged::boot::testing {

// What a device does at a request; a test may replace it by what is wrong.
struct Steps {
  std::function<Status(Board&, Kind, const Blob&)> upload = [](Board& board, Kind kind, const Blob& whole) {
    return board.upload(kind, whole);
  };
};

class Device {
 public:
  // Of version kOld, firmware and model, which nobody started yet.
  explicit Device(const Steps& steps);
  Device(const Device&) = default;

  Board& board() { return board_; }
  bool dead() { return board_.flash().dead(); }
  // What did not hold; empty as long as all does.
  const std::string& broken() const;

  void power_on();
  void start(hal::ResetReason reason);
  // Firmware and model of this version, on trial from the next start.
  void install(uint8_t version);
  void upload(Kind kind, uint8_t version);
  void upload_wrong(Kind kind, const Blob& image);
  // A trial of what lies beside what runs, or in any slot.
  void ask();
  void ask(Kind kind, uint8_t slot);
  void confirm();
  // Both kinds are of this version, or an upgrade did not go through.
  void must_run(uint8_t version);

  // What no loader is asked about: a bit of a slot is another one, or another image is there.
  void decay(Kind kind, uint8_t slot, uint32_t bit);
  void plant(Kind kind, uint8_t slot, const Blob& image) { board_.place(kind, slot, image); }

  bool on_trial(Kind kind) const { return expected(kind).on_trial(); }
  uint8_t running(Kind kind) const { return expected(kind).running(); }
  // The slot beside what runs; the first one if nothing does.
  uint8_t other_slot(Kind kind) const;

 private:
  Expectation& expected(Kind kind) { return expected_[static_cast<uint32_t>(kind)]; }
  const Expectation& expected(Kind kind) const { return expected_[static_cast<uint32_t>(kind)]; }
  [[nodiscard]] bool holds(Kind kind, uint8_t slot, const Blob& image);
  [[nodiscard]] Content content(Kind kind);
  void send(Kind kind, uint8_t version, const Blob& image);
  void judge_copy_of_model();

  Board board_{device_signer()};
  Steps steps_;
  Expectation expected_[kKinds];
};

}  // namespace edged::boot::testing
