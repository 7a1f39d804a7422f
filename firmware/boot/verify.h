// Whether an image is whole and signed by the key that this device trusts: SHA-256 and ECDSA on P-256, by BearSSL.
#pragma once

#include <cstdint>

#include "boot/image.h"
#include "core/result.h"
#include "core/span.h"

namespace edged::boot {

struct PublicKey {
  uint8_t point[65];        // 04, x, y
  uint8_t hash[kHashSize];  // SHA-256 of its DER (SubjectPublicKeyInfo), as images name their key
};

inline constexpr uint32_t kRawSignatureSize = 64;  // r and s, big endian

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256() { start(); }
  void start();
  void add(Bytes bytes);
  void end(uint8_t (&hash)[kHashSize]) const;  // of all since start()

 private:
  // BearSSL's context, whose header stays out of ours.
  static constexpr size_t kContextSize = 120;
  alignas(8) uint8_t context_[kContextSize];
};

// SHA-256 of the first `length` bytes, or why they could not be read.
[[nodiscard]] Status sha256(Source& source, uint32_t length, uint8_t (&hash)[kHashSize]);

// The one DER encoding that a signature has (X.690 section 10.1): minimal lengths, minimal positive integers, nothing
// behind. kMalformed for any other, so that a signature cannot be written down in two ways.
[[nodiscard]] Status read_signature(Bytes der, uint8_t (&raw)[kRawSignatureSize]);

// What a slot of this device is willing to hold.
struct Expected {
  Kind kind;
  const char* board;
};

// Reads and checks all of an image. As read_image(), and kMalformed for the wrong kind, kWrongBoard, kCorrupt if the
// hash is another, kUnsigned if the key or the signature is.
[[nodiscard]] Status verify(Source& source, Extent extent, const PublicKey& key, const Expected& expected,
                            Image& image);

}  // namespace edged::boot
