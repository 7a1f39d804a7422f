// Images for tests, signed where they are made; imgtool's own are tested from Python.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "boot/image.h"
#include "boot/verify.h"

namespace edged::boot::testing {

using Blob = std::vector<uint8_t>;

struct ImageSpec {
  Kind kind = Kind::kFirmware;
  Version version{1, 0, 0, 0};
  uint32_t counter = 1;
  std::string board = "host";
  std::string name = "digits";  // of a model
  uint32_t flags = 0;
  uint32_t address = 0;
  Blob payload = Blob(300, 0x5A);
};

// A key pair; the same number makes the same.
class Signer {
 public:
  explicit Signer(uint8_t number = 1);
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  // DER of a signature of a hash, by the deterministic scheme of RFC 6979.
  [[nodiscard]] Blob sign(const uint8_t (&hash)[kHashSize]) const;

 private:
  uint8_t secret_[32];
  PublicKey public_key_{};
};

[[nodiscard]] Blob signed_image(const ImageSpec& spec, const Signer& signer);

// Pieces, for images that are wrong.
void append_entry(Blob& area, uint16_t type, const Blob& value);
[[nodiscard]] Blob der_signature(const Blob& r, const Blob& s);  // big endian, minimal

}  // namespace edged::boot::testing
