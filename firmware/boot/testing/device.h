// A device and what its host may expect of it, for tests in which the power goes at any time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "boot/testing/board.h"

namespace edged::boot::testing {

inline constexpr uint8_t kOld = 1, kNew = 2, kNext = 3;  // major versions; of firmware and model alike

// The one key of these tests.
[[nodiscard]] const Signer& device_signer();
[[nodiscard]] const Blob& device_image(Kind kind, uint8_t version);

// What a host knows of a device, and so what it may expect of it. The first thing that was otherwise is kept.
struct Expectation {
  uint8_t kept[kKinds] = {kOld, kOld};  // version that was confirmed last
  uint8_t maybe[kKinds] = {0, 0};       // version whose confirmation was cut: it or `kept`
  uint8_t asked[kKinds] = {0, 0};       // version whose trial was asked for
  bool tried[kKinds] = {false, false};  // and was started
  std::string broken;

  void fail(const std::string& what) {
    if (broken.empty()) broken = what;
  }
};

// What a device does at each request; a test may replace them by wrong ones.
struct Steps {
  // Nothing if the power went before the jump.
  std::function<std::optional<Decision>(Board&, hal::ResetReason)> start = [](Board& board, hal::ResetReason reason) {
    const Decision decision = board.start(reason);
    return board.flash().dead() ? std::nullopt : std::optional<Decision>(decision);
  };
  std::function<Status(Board&, Kind, const Blob&)> upload = [](Board& board, Kind kind, const Blob& whole) {
    return board.upload(kind, whole);
  };
  std::function<Status(Board&, Kind, uint8_t)> mark = [](Board& board, Kind kind, uint8_t slot) {
    return board.slots().mark_for_test(kind, slot);
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
  const std::string& broken() const { return expected_.broken; }

  void power_on();
  void start(hal::ResetReason reason);
  // Firmware and model of this version, on trial from the next start.
  void install(uint8_t version);
  void upload(Kind kind, uint8_t version);
  void ask(uint8_t version);
  void ask(Kind kind, uint8_t version);
  void confirm();

  bool on_trial(Kind kind) { return board_.slots().on_trial(kind); }
  // Of the image beside what runs; 0 if there is none.
  uint8_t other_version(Kind kind);

 private:
  uint8_t other_slot(Kind kind) { return static_cast<uint8_t>(1 - board_.slots().running().of(kind)); }
  void judge(Kind kind);

  Board board_{device_signer()};
  Steps steps_;
  Expectation expected_;
};

}  // namespace edged::boot::testing
