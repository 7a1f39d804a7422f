#include "boot/verify.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "boot/slots.h"
#include "boot/testing/signed_image.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::der_signature;
using testing::ImageSpec;
using testing::signed_image;
using testing::Signer;

Status check(const Blob& blob, const Signer& signer, Kind kind = Kind::kFirmware, const char* board = "host") {
  MemorySource source(Bytes(blob.data(), blob.size()));
  Image image;
  return verify(source, Extent::kFile, signer.public_key(), {kind, board}, image);
}

TEST(Verify, TakesWhatItsKeySigned) {
  const Signer signer;
  const Blob blob = signed_image({}, signer);
  EXPECT_EQ(check(blob, signer), Status::kOk);
  EXPECT_EQ(check(blob, Signer(2)), Status::kUnsigned);
  EXPECT_EQ(check(blob, signer, Kind::kFirmware, "hos"), Status::kWrongBoard);
  EXPECT_EQ(check(blob, signer, Kind::kModel), Status::kMalformed);
  ImageSpec model;
  model.kind = Kind::kModel;
  EXPECT_EQ(check(signed_image(model, signer), signer), Status::kMalformed) << "a model where firmware is expected";
  EXPECT_EQ(check(signed_image(model, signer), signer, Kind::kModel), Status::kOk);
}

// Says that it is signed by the key that is trusted, and is by another.
TEST(Verify, BelievesNoNameOfAKey) {
  const Signer trusted, other(2);
  Blob blob = signed_image({}, other);
  const auto named =
      std::search(blob.begin(), blob.end(), std::begin(other.public_key().hash), std::end(other.public_key().hash));
  ASSERT_NE(named, blob.end());
  std::copy(std::begin(trusted.public_key().hash), std::end(trusted.public_key().hash), named);
  EXPECT_EQ(check(blob, trusted), Status::kUnsigned);
}

TEST(Verify, RefusesEveryFlippedBit) {
  const Signer signer;
  for (const Kind kind : kAllKinds) {
    ImageSpec spec;
    spec.kind = kind;
    Blob blob = signed_image(spec, signer);
    for (size_t bit = 0; bit < blob.size() * 8; ++bit) {
      blob[bit / 8] = static_cast<uint8_t>(blob[bit / 8] ^ 1U << bit % 8);
      EXPECT_NE(check(blob, signer, kind), Status::kOk) << "bit " << bit;
      blob[bit / 8] = static_cast<uint8_t>(blob[bit / 8] ^ 1U << bit % 8);
    }
    EXPECT_EQ(check(blob, signer, kind), Status::kOk);
  }
}

Status read(const Blob& der) {
  uint8_t raw[kRawSignatureSize];
  return read_signature(Bytes(der.data(), der.size()), raw);
}

TEST(Verify, ASignatureHasOneEncoding) {
  EXPECT_EQ(read({0x30, 6, 2, 1, 1, 2, 1, 0x7F}), Status::kOk);
  EXPECT_EQ(read({0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xFF}), Status::kOk);
  const Blob highest(32, 0xFF);
  EXPECT_EQ(read(der_signature(highest, highest)), Status::kOk);
  EXPECT_EQ(read({0x30, 7, 2, 2, 0, 1, 2, 1, 1}), Status::kMalformed) << "a zero too many";
  EXPECT_EQ(read({0x30, 6, 2, 1, 0x80, 2, 1, 1}), Status::kMalformed) << "negative";
  EXPECT_EQ(read({0x30, 6, 2, 1, 0, 2, 1, 1}), Status::kMalformed) << "nought";
  EXPECT_EQ(read({0x30, 7, 2, 1, 1, 2, 1, 1, 0}), Status::kMalformed) << "something behind";
  EXPECT_EQ(read({0x30, 6, 2, 1, 1, 2, 1, 1, 0}), Status::kMalformed) << "something behind all";
  EXPECT_EQ(read({0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}), Status::kMalformed) << "a long length";
  EXPECT_EQ(read({0x30, 5, 2, 0, 2, 1, 1}), Status::kMalformed) << "empty";
  EXPECT_EQ(read(der_signature(Blob(33, 0x7F), {1})), Status::kMalformed) << "too long";
  EXPECT_EQ(read({}), Status::kMalformed);
}

}  // namespace
}  // namespace edged::boot
