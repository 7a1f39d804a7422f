// Every single bit of an image is flipped, and a board goes the whole way with it: upload, request of a trial, start.
//
// What holds for each: it is refused, and what ran before runs.
#include <gtest/gtest.h>

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using hal::ResetReason;
using testing::Blob;
using testing::Board;
using testing::ImageSpec;
using testing::kMap;
using testing::signed_image;
using testing::Signer;

constexpr uint8_t kOld = 1, kNew = 2;  // major versions

const Signer& signer() {
  static const Signer one;
  return one;
}

Blob image(Kind kind, uint8_t version) {
  ImageSpec spec;
  spec.kind = kind;
  spec.version = {version, 0, 0, 0};
  return signed_image(spec, signer());
}

void flip(uint8_t& byte, size_t bit) { byte = static_cast<uint8_t>(byte ^ 1U << bit % 8); }

class FlippedBits : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    for (const Kind kind : kAllKinds) board_.place(kind, 0, image(kind, kOld));
    ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 0);
  }
  void expect_old(Board& board, size_t bit) {
    ASSERT_EQ(board.start(ResetReason::kRequested).recovery, Recovery::kNone) << "bit " << bit;
    for (const Kind kind : kAllKinds) ASSERT_EQ(board.handoff().of(kind).version.major, kOld) << "bit " << bit;
  }

  Board board_{signer()};
  Blob new_ = image(GetParam(), kNew);
};

TEST_P(FlippedBits, OneIsNotTakenOnTheWayToTheBoard) {
  for (size_t bit = 0; bit < new_.size() * 8; ++bit) {
    Board board(board_);
    ASSERT_EQ(board.start(ResetReason::kPowerOn).slot, 0);
    Blob spoilt = new_;
    flip(spoilt[bit / 8], bit);
    ASSERT_NE(board.upload(GetParam(), spoilt), Status::kOk) << "bit " << bit;
    ASSERT_NE(board.slots().mark_for_test(GetParam(), 1), Status::kOk) << "bit " << bit;
    expect_old(board, bit);
  }
  Board board(board_);
  ASSERT_EQ(board.start(ResetReason::kPowerOn).slot, 0);
  EXPECT_EQ(board.upload(GetParam(), new_), Status::kOk) << "else this shows nothing";
}

TEST_P(FlippedBits, OneThatFlippedInFlashIsNotTried) {
  ASSERT_EQ(board_.upload(GetParam(), new_), Status::kOk);
  ASSERT_EQ(board_.slots().mark_for_test(GetParam(), 1), Status::kOk);
  for (size_t bit = 0; bit < new_.size() * 8; ++bit) {
    Board board(board_);
    flip(board.memory()[kMap.slot(GetParam(), 1).address + bit / 8], bit);
    expect_old(board, bit);
    ASSERT_EQ(board.slots().state().of(GetParam()).outcome, Outcome::kRefused) << "bit " << bit;
  }
  ASSERT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone);
  EXPECT_EQ(board_.handoff().of(GetParam()).version.major, kNew) << "else this shows nothing";
}

TEST_P(FlippedBits, OneThatFlippedAfterItWasConfirmedDoesNotStart) {
  ASSERT_EQ(board_.upload(GetParam(), new_), Status::kOk);
  ASSERT_EQ(board_.slots().mark_for_test(GetParam(), 1), Status::kOk);
  ASSERT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone);
  ASSERT_EQ(board_.slots().confirm(), Status::kOk);
  for (size_t bit = 0; bit < new_.size() * 8; ++bit) {
    Board board(board_);
    flip(board.memory()[kMap.slot(GetParam(), 1).address + bit / 8], bit);
    expect_old(board, bit);
  }
  ASSERT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone);
  EXPECT_EQ(board_.handoff().of(GetParam()).version.major, kNew) << "else this shows nothing";
}

INSTANTIATE_TEST_SUITE_P(OfEachKind, FlippedBits, ::testing::ValuesIn(kAllKinds),
                         [](const auto& kind) { return kind.param == Kind::kFirmware ? "Firmware" : "Model"; });

}  // namespace
}  // namespace edged::boot
