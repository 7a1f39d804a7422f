#include "boot/package.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <vector>

#include "core/bytes.h"

namespace edged::boot {
namespace {

using Blob = std::vector<uint8_t>;

// One vector with an input of 4 bytes and an output of 8, then a model of 5 bytes.
Blob made() {
  Blob blob(48);
  const uint8_t magic[] = {'E', 'D', 'M', 'P', 1, 0, 1, 0};
  std::copy(std::begin(magic), std::end(magic), blob.begin());
  put_u32(&blob[8], 48);
  put_u32(&blob[12], 5);
  put_u32(&blob[16], 4);
  put_u32(&blob[20], 8);
  blob[24] = 3;
  for (uint8_t i = 0; i < 12; ++i) blob[28 + i] = static_cast<uint8_t>(i + 1);
  blob.insert(blob.end(), {'m', 'o', 'd', 'e', 'l'});
  return blob;
}

Status open(const Blob& blob) {
  Package package;
  return Package::open(Bytes(blob.data(), blob.size()), package);
}

TEST(Package, HoldsAModelAndItsVectors) {
  const Blob blob = made();
  Package package;
  ASSERT_EQ(Package::open(Bytes(blob.data(), blob.size()), package), Status::kOk);
  EXPECT_EQ(package.model().size(), 5U);
  EXPECT_EQ(package.model()[0], 'm');
  ASSERT_EQ(package.vectors(), 1U);
  const GoldenVector vector = package.vector(0);
  EXPECT_EQ(vector.tolerance, 3);
  ASSERT_EQ(vector.input.size(), 4U);
  ASSERT_EQ(vector.output.size(), 8U);
  EXPECT_EQ(vector.output[0], 5);
}

TEST(Package, RefusesWhatIsNotAllOfOne) {
  const Blob whole = made();
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(ok(open(Blob(whole.data(), whole.data() + size)))) << size;
  const auto with = [](size_t at, uint32_t value) {
    Blob blob = made();
    put_u32(&blob[at], value);
    return open(blob);
  };
  EXPECT_EQ(with(0, 0), Status::kMalformed);
  EXPECT_EQ(with(4, 0x00010002), Status::kUnsupported);
  EXPECT_EQ(with(8, 44), Status::kMalformed) << "not aligned";
  EXPECT_EQ(with(8, 0), Status::kMalformed);
  EXPECT_EQ(with(12, 6), Status::kTruncated);
  EXPECT_EQ(with(12, 4), Status::kMalformed) << "something behind the model";
  EXPECT_EQ(with(12, 0), Status::kMalformed);
  EXPECT_EQ(with(16, 0xFFFFFFFC), Status::kTruncated);
  EXPECT_EQ(with(16, 5), Status::kMalformed);
  EXPECT_EQ(with(20, 0xFFFFFFF8), Status::kTruncated);
  EXPECT_EQ(with(24, 0x00000103), Status::kMalformed);
  EXPECT_EQ(with(44, 1), Status::kMalformed) << "something before the model";
}

}  // namespace
}  // namespace edged::boot
