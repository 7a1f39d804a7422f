#include "boot/image.h"

#include <gtest/gtest.h>

#include "boot/slots.h"
#include "boot/testing/signed_image.h"
#include "core/bytes.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::ImageSpec;
using testing::signed_image;
using testing::Signer;

Status read(const Blob& blob, Image& image, Extent extent = Extent::kFile) {
  MemorySource source(Bytes(blob.data(), blob.size()));
  return read_image(source, extent, image);
}

Status read(const Blob& blob) {
  Image image;
  return read(blob, image);
}

Blob made(const ImageSpec& spec = {}) { return signed_image(spec, Signer()); }

TEST(Image, SaysWhatItSays) {
  ImageSpec spec;
  spec.kind = Kind::kModel;
  spec.version = {1, 2, 3, 4};
  spec.counter = 0x01020304;
  spec.name = "two words";
  const Blob blob = made(spec);
  Image image;
  ASSERT_EQ(read(blob, image), Status::kOk);
  EXPECT_EQ(image.kind, Kind::kModel);
  EXPECT_EQ(image.version.revision, 3);
  EXPECT_EQ(image.version.build, 4U);
  EXPECT_EQ(image.counter, 0x01020304U);
  EXPECT_STREQ(image.board, "host");
  EXPECT_STREQ(image.name, "two words");
  EXPECT_EQ(image.placement, Placement::kAnywhere);
  EXPECT_EQ(image.payload_size, spec.payload.size());
  EXPECT_EQ(image.total_size, blob.size());
}

TEST(Image, SaysWhereFirmwareRuns) {
  ImageSpec spec;
  spec.flags = 0x20;
  spec.address = 0xA0000000;
  Image image;
  ASSERT_EQ(read(made(spec), image), Status::kOk);
  EXPECT_EQ(image.placement, Placement::kLoaded);
  EXPECT_EQ(image.address, 0xA0000000U);
  spec.flags = 0x100;
  ASSERT_EQ(read(made(spec), image), Status::kOk);
  EXPECT_EQ(image.placement, Placement::kInFlash);
  spec.flags = 0;
  EXPECT_EQ(read(made(spec)), Status::kMalformed) << "an address without a flag";
  spec.flags = 0x24;
  EXPECT_EQ(read(made(spec)), Status::kUnsupported) << "encrypted";
  spec.flags = 0x20;
  spec.kind = Kind::kModel;
  EXPECT_EQ(read(made(spec)), Status::kUnsupported) << "a model lies anywhere";
}

TEST(Image, EndsWhereItSays) {
  Blob blob = made();
  Image image;
  blob.push_back(0xFF);
  EXPECT_EQ(read(blob, image), Status::kMalformed);
  EXPECT_EQ(read(blob, image, Extent::kSlot), Status::kOk);
  for (size_t size = 0; size + 1 < blob.size(); ++size) {
    const Blob cut(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(ok(read(cut, image, Extent::kSlot))) << size;
  }
}

TEST(Image, HasEveryEntryOnceAndNoOther) {
  const Blob whole = made();
  Image image;
  ASSERT_EQ(read(whole, image), Status::kOk);
  const auto with = [&](uint16_t type, const Blob& value) {
    Blob area(whole.begin() + image.signed_size, whole.end());
    testing::append_entry(area, type, value);
    put_u16(&area[2], static_cast<uint16_t>(area.size()));
    Blob blob(whole.begin(), whole.begin() + image.signed_size);
    blob.insert(blob.end(), area.begin(), area.end());
    return blob;
  };
  EXPECT_EQ(read(with(0x10, Blob(32))), Status::kMalformed) << "a second hash";
  EXPECT_EQ(read(with(0x01, Blob(32))), Status::kMalformed) << "a second key";
  EXPECT_EQ(read(with(0x99, Blob(1))), Status::kMalformed) << "unknown";
  EXPECT_EQ(read(with(0x50, Blob(4))), Status::kMalformed) << "a counter that is not under the signature";
  Blob none(whole.begin(), whole.begin() + image.signed_size);
  none.insert(none.end(), {0x07, 0x69, 4, 0});
  EXPECT_EQ(read(none), Status::kMalformed) << "neither hash nor signature";
}

TEST(Image, TakesPlainNamesAlone) {
  ImageSpec spec;
  spec.board = "two words";
  EXPECT_EQ(read(made(spec)), Status::kMalformed);
  spec.board = "sixteen-letters-";
  EXPECT_EQ(read(made(spec)), Status::kMalformed);
  spec.board = "";
  EXPECT_EQ(read(made(spec)), Status::kMalformed);
  spec.board = "host";
  spec.kind = Kind::kModel;
  spec.name = "\xC3\xA4";
  EXPECT_EQ(read(made(spec)), Status::kMalformed);
  spec.name = "";
  EXPECT_EQ(read(made(spec)), Status::kMalformed) << "neither a model nor a firmware";
}

TEST(Image, HeaderAloneSaysWhetherItFits) {
  const Blob blob = made();
  const Bytes head(blob.data(), 32);
  Image image;
  EXPECT_EQ(read_header(head, static_cast<uint32_t>(blob.size()), image), Status::kOk);
  EXPECT_EQ(read_header(head, image.signed_size, image), Status::kTooLarge);
  EXPECT_EQ(read_header(head.first(31), 10000, image), Status::kTruncated);
  Blob huge = blob;
  put_u32(&huge[12], 0xFFFFFFFF);
  EXPECT_EQ(read_header(Bytes(huge.data(), huge.size()), 0xFFFFFFFF, image), Status::kTooLarge);
}

TEST(Image, VersionsAreOrdered) {
  EXPECT_TRUE((Version{1, 2, 3, 4} < Version{1, 2, 3, 5}));
  EXPECT_TRUE((Version{1, 9, 9, 9} < Version{2, 0, 0, 0}));
  EXPECT_TRUE((Version{1, 2, 9, 9} < Version{1, 3, 0, 0}));
  EXPECT_FALSE((Version{1, 2, 3, 4} < Version{1, 2, 3, 4}));
}

}  // namespace
}  // namespace edged::boot
