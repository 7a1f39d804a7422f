#include "boot/testing/signed_image.h"

#include <bearssl.h>

#include <algorithm>
#include <cstring>

#include "core/bytes.h"

namespace edged::boot::testing {
namespace {

// DER of a P-256 public key up to its point (RFC 5480).
constexpr uint8_t kKeyPrefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
                                  0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

Blob blob_of(const std::string& text) { return Blob(text.begin(), text.end()); }

Blob blob_of(uint32_t number) {
  Blob bytes(4);
  put_u32(bytes.data(), number);
  return bytes;
}

// Puts magic and length before the entries.
Blob area(uint16_t magic, const Blob& entries) {
  Blob whole(4);
  put_u16(whole.data(), magic);
  put_u16(whole.data() + 2, static_cast<uint16_t>(4 + entries.size()));
  whole.insert(whole.end(), entries.begin(), entries.end());
  return whole;
}

void hash_of(const Blob& bytes, uint8_t (&hash)[kHashSize]) {
  br_sha256_context context;
  br_sha256_init(&context);
  br_sha256_update(&context, bytes.data(), bytes.size());
  br_sha256_out(&context, hash);
}

Blob der_integer(Blob number) {
  while (number.size() > 1 && number[0] == 0) number.erase(number.begin());
  if ((number[0] & 0x80) != 0) number.insert(number.begin(), 0);
  Blob der = {0x02, static_cast<uint8_t>(number.size())};
  der.insert(der.end(), number.begin(), number.end());
  return der;
}

}  // namespace

Signer::Signer(uint8_t number) {
  std::memset(secret_, number, sizeof secret_);
  const br_ec_private_key secret = {BR_EC_secp256r1, secret_, sizeof secret_};
  br_ec_public_key made;
  br_ec_compute_pub(&br_ec_p256_m31, &made, public_key_.point, &secret);
  Blob der(std::begin(kKeyPrefix), std::end(kKeyPrefix));
  der.insert(der.end(), std::begin(public_key_.point), std::end(public_key_.point));
  hash_of(der, public_key_.hash);
}

Blob Signer::sign(const uint8_t (&hash)[kHashSize]) const {
  uint8_t secret_bytes[32];
  std::memcpy(secret_bytes, secret_, sizeof secret_bytes);
  const br_ec_private_key secret = {BR_EC_secp256r1, secret_bytes, sizeof secret_bytes};
  Blob raw(64);
  br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, hash, &secret, raw.data());
  return der_signature(Blob(raw.begin(), raw.begin() + 32), Blob(raw.begin() + 32, raw.end()));
}

Blob der_signature(const Blob& r, const Blob& s) {
  Blob numbers = der_integer(r);
  const Blob second = der_integer(s);
  numbers.insert(numbers.end(), second.begin(), second.end());
  Blob der = {0x30, static_cast<uint8_t>(numbers.size())};
  der.insert(der.end(), numbers.begin(), numbers.end());
  return der;
}

void append_entry(Blob& area, uint16_t type, const Blob& value) {
  const size_t at = area.size();
  area.resize(at + 4);
  put_u16(area.data() + at, type);
  put_u16(area.data() + at + 2, static_cast<uint16_t>(value.size()));
  area.insert(area.end(), value.begin(), value.end());
}

Blob signed_image(const ImageSpec& spec, const Signer& signer) {
  Blob inner;
  append_entry(inner, 0x50, blob_of(spec.counter));
  append_entry(inner, 0xA0, blob_of(spec.board));
  if (spec.kind == Kind::kModel) append_entry(inner, 0xA1, blob_of(spec.name));
  const Blob inner_area = area(0x6908, inner);

  Blob image(kHeaderSize);
  put_u32(&image[0], 0x96F3B83D);
  put_u32(&image[4], spec.address);
  put_u16(&image[8], kHeaderSize);
  put_u16(&image[10], static_cast<uint16_t>(inner_area.size()));
  put_u32(&image[12], static_cast<uint32_t>(spec.payload.size()));
  put_u32(&image[16], spec.flags);
  image[20] = spec.version.major;
  image[21] = spec.version.minor;
  put_u16(&image[22], spec.version.revision);
  put_u32(&image[24], spec.version.build);
  image.insert(image.end(), spec.payload.begin(), spec.payload.end());
  image.insert(image.end(), inner_area.begin(), inner_area.end());

  uint8_t hash[kHashSize];
  hash_of(image, hash);
  const PublicKey& key = signer.public_key();
  Blob outer;
  append_entry(outer, 0x10, Blob(std::begin(hash), std::end(hash)));
  append_entry(outer, 0x01, Blob(std::begin(key.hash), std::end(key.hash)));
  append_entry(outer, 0x22, signer.sign(hash));
  const Blob outer_area = area(0x6907, outer);
  image.insert(image.end(), outer_area.begin(), outer_area.end());
  return image;
}

}  // namespace edged::boot::testing
