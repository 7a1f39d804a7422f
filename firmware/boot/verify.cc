#include "boot/verify.h"

#include <bearssl.h>

#include <cstring>

#include "core/bytes.h"

namespace edged::boot {
namespace {

constexpr uint32_t kBlock = 512;  // bytes hashed at a time: what a loader has on its stack without a thought
constexpr uint8_t kSequence = 0x30;
constexpr uint8_t kInteger = 0x02;
constexpr uint32_t kNumberSize = kRawSignatureSize / 2;

// Takes an integer off the front of `der` into the `kNumberSize` bytes at `number`.
Status take_number(Bytes& der, uint8_t* number) {
  if (der.size() < 3 || der[0] != kInteger) return Status::kMalformed;
  const uint32_t size = der[1];
  if (size == 0 || size > kNumberSize + 1 || size > der.size() - 2) return Status::kMalformed;
  Bytes value = der.part(2, size);
  der = der.from(2 + size);
  if ((value[0] & 0x80) != 0) return Status::kMalformed;  // negative
  if (value[0] == 0) {  // there only to keep the next bit from being a sign; and so neither number is 0
    if (size == 1 || (value[1] & 0x80) == 0) return Status::kMalformed;
    value = value.from(1);
  }
  if (value.size() > kNumberSize) return Status::kMalformed;
  std::memset(number, 0, kNumberSize);
  std::memcpy(number + kNumberSize - value.size(), value.data(), value.size());
  return Status::kOk;
}

bool signed_by(const PublicKey& key, const uint8_t (&hash)[kHashSize], const uint8_t (&signature)[kRawSignatureSize]) {
  uint8_t point[sizeof key.point];
  std::memcpy(point, key.point, sizeof point);
  const br_ec_public_key public_key = {BR_EC_secp256r1, point, sizeof point};
  return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, hash, sizeof hash, &public_key, signature, sizeof signature) == 1;
}

}  // namespace

void Sha256::start() {
  static_assert(sizeof(br_sha256_context) <= kContextSize && alignof(br_sha256_context) <= 8);
  br_sha256_init(reinterpret_cast<br_sha256_context*>(context_));
}

void Sha256::add(Bytes bytes) {
  br_sha256_update(reinterpret_cast<br_sha256_context*>(context_), bytes.data(), bytes.size());
}

void Sha256::end(uint8_t (&hash)[kHashSize]) const {
  br_sha256_out(reinterpret_cast<const br_sha256_context*>(context_), hash);
}

Status sha256(Source& source, uint32_t length, uint8_t (&hash)[kHashSize]) {
  Sha256 sum;
  uint8_t block[kBlock];
  for (uint32_t offset = 0; offset < length;) {
    const uint32_t size = length - offset < kBlock ? length - offset : kBlock;
    if (const Status status = source.read(offset, {block, size}); !ok(status)) return status;
    sum.add({block, size});
    offset += size;
  }
  sum.end(hash);
  return Status::kOk;
}

Status read_signature(Bytes der, uint8_t (&raw)[kRawSignatureSize]) {
  if (der.size() < 2 || der[0] != kSequence || der[1] != der.size() - 2) return Status::kMalformed;
  Bytes rest = der.from(2);
  if (const Status status = take_number(rest, raw); !ok(status)) return status;
  if (const Status status = take_number(rest, raw + kNumberSize); !ok(status)) return status;
  return rest.empty() ? Status::kOk : Status::kMalformed;
}

Status verify(Source& source, Extent extent, const PublicKey& key, const Expected& expected, Image& image) {
  if (const Status status = read_image(source, extent, image); !ok(status)) return status;
  if (image.kind != expected.kind) return Status::kMalformed;
  if (std::strcmp(image.board, expected.board) != 0) return Status::kWrongBoard;
  uint8_t hash[kHashSize];
  if (const Status status = sha256(source, image.signed_size, hash); !ok(status)) return status;
  if (!equal(hash, image.hash)) return Status::kCorrupt;
  uint8_t signature[kRawSignatureSize];
  if (!equal(image.key_hash, key.hash)) return Status::kUnsigned;
  if (!ok(read_signature({image.signature, image.signature_size}, signature))) return Status::kUnsigned;
  return signed_by(key, hash, signature) ? Status::kOk : Status::kUnsigned;
}

}  // namespace edged::boot
