#include "boot/upload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::Board;
using testing::ImageSpec;
using testing::kMap;
using testing::signed_image;
using testing::Signer;

const Signer signer;

Bytes view(const Blob& blob) { return Bytes(blob.data(), blob.size()); }

class UploadTest : public ::testing::Test {
 protected:
  Status begin(const Blob& image, const Blob& sha = {}) {
    return upload_->begin(Kind::kFirmware, static_cast<uint32_t>(image.size()), view(sha), view(image));
  }
  Status write(const Blob& image, size_t chunk, size_t most = SIZE_MAX) {
    Status status = Status::kOk;
    while (ok(status) && upload_->under_way() && upload_->offset() < most) {
      status = upload_->write(view(image).part(upload_->offset(), chunk));
    }
    return status;
  }

  Board board_{signer};
  std::optional<Upload> upload_{board_.open({})};
  Blob image_ = signed_image({}, signer);
};

TEST_F(UploadTest, ChunksOfAnySizeGiveTheSameFlash) {
  for (const size_t chunk : {1U, 3U, 4U, 97U, 256U, 5000U}) {
    board_.memory().assign(board_.memory().size(), 0xFF);
    upload_.emplace(board_.open({}));
    ASSERT_EQ(begin(image_), Status::kOk);
    ASSERT_EQ(write(image_, chunk), Status::kOk) << chunk;
    EXPECT_FALSE(upload_->under_way());
    EXPECT_TRUE(std::equal(image_.begin(), image_.end(), board_.memory().begin() + kMap.firmware[0].address));
    EXPECT_EQ(upload_->erase(Kind::kFirmware, 0), Status::kWrongState) << "it is all that could start";
  }
  EXPECT_EQ(board_.flash().violations(), 0U);
}

TEST_F(UploadTest, GoesOnWhereItWas) {
  MemorySource source(view(image_));
  uint8_t hash[kHashSize];
  ASSERT_EQ(sha256(source, source.size(), hash), Status::kOk);
  const Blob sha(std::begin(hash), std::end(hash));
  ASSERT_EQ(begin(image_, sha), Status::kOk);
  ASSERT_EQ(write(image_, 100, 300), Status::kOk);
  ASSERT_EQ(begin(image_, sha), Status::kOk);
  EXPECT_EQ(upload_->offset(), 300U);
  ASSERT_EQ(begin(image_, Blob(32, 1)), Status::kOk);
  EXPECT_EQ(upload_->offset(), 0U) << "another one";
  EXPECT_EQ(write(image_, 100), Status::kCorrupt) << "it is not what was announced";
  ASSERT_EQ(begin(image_, Blob(32, 1)), Status::kOk);
  ASSERT_EQ(write(image_, 100, 300), Status::kOk);
  ASSERT_EQ(begin(image_, sha), Status::kOk);
  EXPECT_EQ(upload_->offset(), 0U);
  EXPECT_EQ(write(image_, 100), Status::kOk) << "what was announced, and nothing of what came before";
}

TEST_F(UploadTest, NoStepIsLongerThanItsWatchdogWaits) {
  constexpr uint64_t kByteNs = 1000000, kEraseNs = 400 * kByteNs;
  board_.flash().take({kByteNs, 100 * kByteNs, kEraseNs});
  ASSERT_EQ(begin(image_), Status::kOk);
  const uint64_t before = board_.flash().elapsed_ns();
  ASSERT_EQ(write(image_, image_.size()), Status::kOk);
  const uint64_t written = board_.flash().elapsed_ns() - before;
  EXPECT_LT(written, (image_.size() * 3 / 2 + 400 * 2 + 100 * 4) * kByteNs) << "it is read back once";
  EXPECT_LE(board_.watch().longest_ns(), 520 * kByteNs);
}

TEST_F(UploadTest, RefusesAtOnceWhatCannotBeRight) {
  EXPECT_EQ(upload_->write(view(image_)), Status::kWrongState);
  EXPECT_EQ(begin(Blob(100, 0)), Status::kMalformed);
  EXPECT_EQ(upload_->begin(Kind::kFirmware, 0x801, {}, view(image_)), Status::kTooLarge);
  EXPECT_EQ(upload_->begin(Kind::kFirmware, 700, {}, view(image_).first(100)), Status::kTooLarge)
      << "longer than announced";
  EXPECT_EQ(begin(image_, Blob(31)), Status::kMalformed);
  ImageSpec loaded;
  loaded.flags = 0x20;
  loaded.address = 0x20000000;
  EXPECT_EQ(begin(signed_image(loaded, signer)), Status::kOutOfRange);
  EXPECT_EQ(board_.flash().operations(), 0U);
}

TEST_F(UploadTest, SaysAtTheEndWhatIsWrong) {
  const Blob foreign = signed_image({}, Signer(2));
  ASSERT_EQ(begin(foreign), Status::kOk);
  EXPECT_EQ(write(foreign, 200), Status::kUnsigned);
  ImageSpec spec;
  spec.board = "mps2-an385";
  const Blob other = signed_image(spec, signer);
  ASSERT_EQ(begin(other), Status::kOk);
  EXPECT_EQ(write(other, 200), Status::kWrongBoard);
  Blob longer = image_;
  longer.push_back(0);
  ASSERT_EQ(begin(longer), Status::kOk);
  EXPECT_EQ(write(longer, 200), Status::kMalformed);
  EXPECT_EQ(board_.memory()[kMap.firmware[0].address], 0xFF) << "nothing of it is left";
}

}  // namespace
}  // namespace edged::boot
