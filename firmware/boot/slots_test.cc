#include "boot/slots.h"

#include <gtest/gtest.h>

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using hal::ResetReason;
using testing::Blob;
using testing::Board;
using testing::ImageSpec;
using testing::signed_image;
using testing::Signer;

const Signer signer;

Blob firmware(uint8_t version, uint32_t counter = 1) {
  ImageSpec spec;
  spec.version = {version, 0, 0, 0};
  spec.counter = counter;
  return signed_image(spec, signer);
}

class SlotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    board_.place(Kind::kFirmware, 0, firmware(1));
    ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 0);
  }
  // Uploaded, asked for, started.
  void try_out(const Blob& image) {
    ASSERT_EQ(board_.upload(Kind::kFirmware, image), Status::kOk);
    const auto slot = static_cast<uint8_t>(1 - board_.slots().running().of(Kind::kFirmware));
    ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, slot), Status::kOk);
    ASSERT_EQ(board_.start(ResetReason::kRequested).slot, slot);
    ASSERT_TRUE(board_.slots().on_trial(Kind::kFirmware));
  }
  const ImageState& state() { return board_.slots().state().of(Kind::kFirmware); }

  Board board_{signer};
};

TEST_F(SlotsTest, ConfirmKeepsWhatRunsAndRaisesTheFloor) {
  try_out(firmware(2, 5));
  ASSERT_EQ(board_.slots().confirm(), Status::kOk);
  EXPECT_EQ(state().active, 1);
  EXPECT_EQ(state().previous, 0);
  EXPECT_EQ(state().outcome, Outcome::kConfirmed);
  EXPECT_EQ(state().floor, 5U);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1);
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kDowngrade);
  EXPECT_EQ(board_.upload(Kind::kFirmware, firmware(3, 4)), Status::kDowngrade);
}

TEST_F(SlotsTest, ConfirmLooksAtFlashAgain) {
  try_out(firmware(2));
  board_.memory()[testing::kMap.firmware[1].address + 600] ^= 1;
  EXPECT_EQ(board_.slots().confirm(), Status::kCorrupt);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0);
  EXPECT_EQ(state().outcome, Outcome::kReverted);
}

TEST_F(SlotsTest, ConfirmWithoutATrialChangesNothing) {
  const uint64_t before = board_.flash().operations();
  EXPECT_EQ(board_.slots().confirm(), Status::kOk);
  EXPECT_EQ(board_.flash().operations(), before);
  EXPECT_EQ(board_.open({}).confirm(), Status::kWrongState) << "in the loader";
}

TEST_F(SlotsTest, NothingIsTriedThatDoesNotVerify) {
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kWrongState) << "it runs";
  EXPECT_FALSE(ok(board_.slots().mark_for_test(Kind::kFirmware, 1))) << "it is empty";
  board_.place(Kind::kFirmware, 1, signed_image({}, Signer(2)));
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 1), Status::kUnsigned);
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 2), Status::kOutOfRange);
}

TEST_F(SlotsTest, NoUploadTouchesWhatATrialMayGoBackTo) {
  EXPECT_EQ(board_.slots().upload_slot(Kind::kFirmware).value(), 1);
  try_out(firmware(2));
  EXPECT_EQ(board_.slots().upload_slot(Kind::kFirmware).status(), Status::kWrongState);
  EXPECT_EQ(board_.slots().forget(Kind::kFirmware, 0), Status::kWrongState);
  EXPECT_EQ(board_.slots().forget(Kind::kFirmware, 1), Status::kWrongState);
}

TEST_F(SlotsTest, AnUploadEndsTheTrialThatWaitsInItsSlot) {
  ASSERT_EQ(board_.upload(Kind::kFirmware, firmware(2)), Status::kOk);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 1), Status::kOk);
  ASSERT_EQ(board_.upload(Kind::kFirmware, firmware(3)), Status::kOk);
  EXPECT_EQ(state().stage, Stage::kNone);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0) << "nobody asked for version 3";
}

TEST_F(SlotsTest, TheLoaderKeepsWhatWouldStart) {
  board_.place(Kind::kFirmware, 1, firmware(2));
  Slots& slots = board_.open({});
  EXPECT_EQ(slots.upload_slot(Kind::kFirmware).value(), 1) << "slot 0 is active";
  EXPECT_EQ(slots.forget(Kind::kFirmware, 0), Status::kWrongState) << "a start would go back to it";
  board_.memory()[testing::kMap.firmware[0].address + 600] ^= 1;
  Slots& decayed = board_.open({});
  EXPECT_EQ(decayed.upload_slot(Kind::kFirmware).value(), 0) << "slot 1 alone verifies";
  EXPECT_EQ(decayed.forget(Kind::kFirmware, 1), Status::kWrongState);
  EXPECT_EQ(decayed.forget(Kind::kFirmware, 0), Status::kOk);
}

TEST_F(SlotsTest, WhatALoaderKeepsIsVerifiedWhenItIsKept) {
  board_.place(Kind::kFirmware, 1, firmware(2));
  Slots& slots = board_.open({});
  Image image;
  ASSERT_EQ(slots.look(Kind::kFirmware, 0, image), Status::kOk);
  ASSERT_EQ(slots.upload_slot(Kind::kFirmware).value(), 1);
  board_.memory()[testing::kMap.firmware[0].address + 600] ^= 1;  // days later
  EXPECT_EQ(slots.upload_slot(Kind::kFirmware).value(), 0);
  EXPECT_EQ(slots.forget(Kind::kFirmware, 1), Status::kWrongState);
}

TEST_F(SlotsTest, ALoaderKeepsWhatAStartWouldChoose) {
  for (uint8_t higher = 0; higher < kSlots; ++higher) {
    Board fresh(signer);
    fresh.place(Kind::kFirmware, higher, firmware(2));
    fresh.place(Kind::kFirmware, static_cast<uint8_t>(1 - higher), firmware(1));
    EXPECT_EQ(fresh.open({}).upload_slot(Kind::kFirmware).value(), 1 - higher);
    EXPECT_EQ(fresh.start(ResetReason::kPowerOn).slot, higher);
  }
}

TEST_F(SlotsTest, AnUploadVerifiesWhatIsKeptOnce) {
  board_.place(Kind::kFirmware, 1, firmware(2));
  Slots& slots = board_.open({});
  board_.flash().take({1, 0, 0});
  Upload upload(slots);
  const Blob image = firmware(3);
  const uint64_t before = board_.flash().elapsed_ns();
  const auto length = static_cast<uint32_t>(image.size());
  ASSERT_EQ(upload.begin(Kind::kFirmware, length, {}, Bytes(image.data(), image.size()).first(97)), Status::kOk);
  EXPECT_LT(board_.flash().elapsed_ns() - before, 2 * image.size());
}

// A trial of it that was not confirmed would reject the only one that works.
TEST_F(SlotsTest, TheLoaderDoesNotTryWhatIsActive) {
  Slots& slots = board_.open({});
  EXPECT_EQ(slots.mark_for_test(Kind::kFirmware, 0), Status::kWrongState);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0);
  EXPECT_EQ(board_.slots().upload_slot(Kind::kFirmware).value(), 1);
}

TEST_F(SlotsTest, WhatWasSeenWholeIsBelievedUntilSomethingIsWrittenThere) {
  ASSERT_EQ(board_.upload(Kind::kFirmware, firmware(2)), Status::kOk);
  board_.flash().take({1, 0, 0});
  Slots& slots = board_.slots();
  Image image;
  uint8_t& byte = board_.memory()[testing::kMap.firmware[1].address + 600];
  const uint8_t whole = byte;
  const auto look_ns = [&] {
    const uint64_t before = board_.flash().elapsed_ns();
    const Status status = slots.look(Kind::kFirmware, 1, image);
    EXPECT_EQ(ok(status), byte == whole);
    return board_.flash().elapsed_ns() - before;
  };
  EXPECT_EQ(look_ns(), 0U) << "the upload has verified it";
  byte ^= 1;
  ASSERT_EQ(slots.look(Kind::kFirmware, 1, image), Status::kOk);
  EXPECT_EQ(slots.mark_for_test(Kind::kFirmware, 1), Status::kCorrupt) << "what starts is verified anew";
  EXPECT_EQ(slots.look(Kind::kFirmware, 1, image), Status::kCorrupt) << "and that is believed from then on";
  EXPECT_EQ(look_ns(), 0U) << "as a bad image is not read again for each list";
  byte ^= 1;
  ASSERT_EQ(slots.inspect(Kind::kFirmware, 1, image), Status::kOk);
  EXPECT_EQ(look_ns(), 0U);
  const uint8_t zeros[4] = {};
  ASSERT_EQ(slots.program(Kind::kFirmware, 1, 600, zeros), Status::kOk);
  EXPECT_EQ(slots.look(Kind::kFirmware, 1, image), Status::kCorrupt);
  ASSERT_EQ(board_.upload(Kind::kFirmware, firmware(2)), Status::kOk);
  ASSERT_EQ(slots.erase(Kind::kFirmware, 1, 0), Status::kOk);
  EXPECT_FALSE(ok(slots.look(Kind::kFirmware, 1, image)));
}

// A record is tried at 1,024 places of a large sector otherwise, each failure fed to the watchdog as progress.
TEST_F(SlotsTest, FlashThatTakesNothingAnyMoreIsNotAskedForLong) {
  constexpr uint64_t kPatienceNs = 4000000000;
  ASSERT_EQ(board_.upload(Kind::kFirmware, firmware(2)), Status::kOk);
  board_.flash().fail_programs(kPatienceNs);
  const uint64_t before = board_.flash().elapsed_ns();
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 1), Status::kFlashFailed);
  EXPECT_LE(board_.flash().elapsed_ns() - before, 2 * kPatienceNs) << "once in each sector";
  const uint32_t feeds = board_.watch().feeds();
  EXPECT_EQ(board_.slots().program(Kind::kFirmware, 1, 0, Bytes(board_.memory().data(), 4)), Status::kFlashFailed);
  EXPECT_EQ(board_.watch().feeds(), feeds) << "a failure is no progress";
  board_.flash().fail_programs(0);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0);
  EXPECT_EQ(state().active, 0);
}

TEST_F(SlotsTest, FirmwareRunsWhereItSays) {
  FlashMap map = testing::kMap;
  map.firmware_address = 0x20000000;
  Slots loaded(board_.flash(), map, signer.public_key(), "host");
  Image image;
  EXPECT_EQ(loaded.admit(Kind::kFirmware, 0, image), Status::kOutOfRange) << "it may lie anywhere, so it runs nowhere";
  image.placement = Placement::kLoaded;
  image.address = 0x20000000;
  EXPECT_EQ(loaded.admit(Kind::kFirmware, 0, image), Status::kOk);
  image.address = 0x20000200;
  EXPECT_EQ(loaded.admit(Kind::kFirmware, 0, image), Status::kOutOfRange);
  image.placement = Placement::kInFlash;
  EXPECT_EQ(loaded.admit(Kind::kFirmware, 0, image), Status::kOutOfRange);
  EXPECT_EQ(loaded.admit(Kind::kModel, 0, Image()), Status::kOk);
}

}  // namespace
}  // namespace edged::boot
