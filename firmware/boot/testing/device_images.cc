#include "boot/testing/device_images.h"

#include <algorithm>
#include <iterator>

namespace edged::boot::testing {
namespace {

constexpr uint8_t kWrongVersion = 9;  // higher than any other: what is chosen by its version alone is chosen wrongly

ImageSpec spec_of(Kind kind, uint8_t version, uint32_t counter) {
  ImageSpec spec;
  spec.kind = kind;
  spec.version = {version, 0, 0, 0};
  spec.counter = counter;
  spec.payload = Blob(300 + version * 7U, version);
  return spec;
}

Blob made_wrong(Kind kind, Wrong wrong) {
  static const Signer other(2);
  ImageSpec spec = spec_of(kind, kWrongVersion, wrong == Wrong::kLowCounter ? kFirstCounter - 1 : kLaterCounter);
  if (wrong == Wrong::kOtherBoard) spec.board = "other";
  Blob image = signed_image(spec, wrong == Wrong::kOtherKey || wrong == Wrong::kForged ? other : device_signer());
  if (wrong == Wrong::kForged) {
    const auto& theirs = other.public_key().hash;
    const auto& ours = device_signer().public_key().hash;
    const auto at = std::search(image.begin(), image.end(), std::begin(theirs), std::end(theirs));
    std::copy(std::begin(ours), std::end(ours), at);
  }
  return image;
}

}  // namespace

const Signer& device_signer() {
  static const Signer one;
  return one;
}

const Blob& device_image(Kind kind, uint8_t version) {
  static Blob made[kKinds][kLatest + 1];
  Blob& one = made[static_cast<uint32_t>(kind)][version];
  if (one.empty()) one = signed_image(spec_of(kind, version, counter_of(version)), device_signer());
  return one;
}

const Blob& wrong_image(Kind kind, Wrong wrong) {
  static Blob made[kKinds][std::size(kAllWrong)];
  Blob& one = made[static_cast<uint32_t>(kind)][static_cast<uint32_t>(wrong)];
  if (one.empty()) one = made_wrong(kind, wrong);
  return one;
}

}  // namespace edged::boot::testing
