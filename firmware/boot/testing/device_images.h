// Images of the tests of power cuts: those that a device takes, and those that it must never start.
#pragma once

#include <cstdint>

#include "boot/testing/signed_image.h"

namespace edged::boot::testing {

// Major versions, of firmware and model alike. From kLater on the security counter is higher: when one of these was
// confirmed, none before it may come back.
inline constexpr uint8_t kOld = 1, kNew = 2, kNext = 3, kLater = 4, kLatest = 5;
inline constexpr uint32_t kFirstCounter = 1, kLaterCounter = 2;

// What is wrong with an image that is as an image should be otherwise.
enum class Wrong : uint8_t {
  kOtherKey,
  kForged,  // names the right key, and has the signature of another
  kOtherBoard,
  kLowCounter,  // below that of every version
};
inline constexpr Wrong kAllWrong[] = {Wrong::kOtherKey, Wrong::kForged, Wrong::kOtherBoard, Wrong::kLowCounter};

// The one key of these tests.
[[nodiscard]] const Signer& device_signer();
[[nodiscard]] const Blob& device_image(Kind kind, uint8_t version);
[[nodiscard]] const Blob& wrong_image(Kind kind, Wrong wrong);

[[nodiscard]] constexpr uint32_t counter_of(uint8_t version) {
  return version < kLater ? kFirstCounter : kLaterCounter;
}

}  // namespace edged::boot::testing
