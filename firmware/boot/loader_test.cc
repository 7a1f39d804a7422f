#include "boot/loader.h"

#include <gtest/gtest.h>

#include <algorithm>

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

const Signer signer;

Blob image(Kind kind, uint8_t version, uint32_t counter = 1) {
  ImageSpec spec;
  spec.kind = kind;
  spec.version = {version, 0, 0, 0};
  spec.counter = counter;
  return signed_image(spec, signer);
}

class LoaderTest : public ::testing::Test {
 protected:
  void damage(Kind kind, uint8_t slot) { board_.memory()[kMap.slot(kind, slot).address + 600] ^= 1; }
  void fill(uint8_t first, uint8_t second) {
    board_.place(Kind::kFirmware, 0, image(Kind::kFirmware, first));
    board_.place(Kind::kFirmware, 1, image(Kind::kFirmware, second));
  }
  const Handoff::Running& runs(Kind kind) { return board_.handoff().of(kind); }

  Board board_{signer};
};

TEST_F(LoaderTest, ANewDeviceStartsTheHighestVersion) {
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNoImage);
  fill(1, 2);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  EXPECT_EQ(board_.slots().state().boots, 2U);
  EXPECT_EQ(runs(Kind::kFirmware).standing, Standing::kConfirmed);
}

TEST_F(LoaderTest, WhatDecayedIsReplacedByWhatIsLeft) {
  fill(2, 1);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 0);
  damage(Kind::kFirmware, 0);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  EXPECT_EQ(board_.slots().state().of(Kind::kFirmware).active, 1);
  damage(Kind::kFirmware, 1);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNoImage);
}

TEST_F(LoaderTest, WhatFailedItsTrialDoesNotComeBackByItself) {
  fill(1, 2);
  damage(Kind::kFirmware, 1);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 0);
  ASSERT_EQ(board_.upload(Kind::kFirmware, image(Kind::kFirmware, 2)), Status::kOk);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 1), Status::kOk);
  ASSERT_EQ(board_.start(ResetReason::kRequested).slot, 1);
  ASSERT_EQ(board_.start(ResetReason::kWatchdog).slot, 0);
  damage(Kind::kFirmware, 0);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNoImage);
  EXPECT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 1), Status::kOk) << "someone may ask for it again";
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1);
}

TEST_F(LoaderTest, NeitherDoTwoThatFailedTheirTrials) {
  board_.place(Kind::kFirmware, 0, image(Kind::kFirmware, 1));
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone);
  for (uint8_t version = 1; version <= 2; ++version) {
    ASSERT_EQ(board_.upload(Kind::kModel, image(Kind::kModel, version)), Status::kOk);
    for (uint8_t slot = 0; slot < kSlots; ++slot) {
      Image found;
      if (ok(board_.slots().inspect(Kind::kModel, slot, found)) && found.version.major == version) {
        ASSERT_EQ(board_.slots().mark_for_test(Kind::kModel, slot), Status::kOk);
      }
    }
    ASSERT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone);
    EXPECT_EQ(runs(Kind::kModel).version.major, version);
    ASSERT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone);
    EXPECT_EQ(runs(Kind::kModel).slot, kNoSlot) << version;
  }
}

TEST_F(LoaderTest, WhatDecayedBeforeItsTrialIsNotTried) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kOk);
  damage(Kind::kFirmware, 0);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1);
  EXPECT_EQ(board_.slots().state().of(Kind::kFirmware).outcome, Outcome::kRefused);
}

TEST_F(LoaderTest, AModelIsHandedOverWhereItLies) {
  board_.place(Kind::kFirmware, 0, image(Kind::kFirmware, 1));
  board_.place(Kind::kModel, 1, image(Kind::kModel, 3));
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone);
  const Handoff& handoff = board_.handoff();
  ASSERT_TRUE(sealed(handoff));
  EXPECT_EQ(runs(Kind::kModel).slot, 1);
  EXPECT_EQ(runs(Kind::kModel).version.major, 3);
  EXPECT_STREQ(runs(Kind::kModel).name, "digits");
  EXPECT_STREQ(handoff.board, "host");
  const Blob expected = ImageSpec().payload;
  ASSERT_EQ(handoff.model_size, expected.size());
  const auto* payload = reinterpret_cast<const uint8_t*>(static_cast<uintptr_t>(handoff.model_address));
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), payload));
}

TEST_F(LoaderTest, FirmwareStartsWithoutAModelThatDoesNotVerify) {
  board_.place(Kind::kFirmware, 0, image(Kind::kFirmware, 1));
  board_.place(Kind::kModel, 0, image(Kind::kModel, 1));
  damage(Kind::kModel, 0);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone);
  EXPECT_EQ(runs(Kind::kModel).slot, kNoSlot);
  EXPECT_EQ(board_.handoff().model_address, 0U);
}

TEST_F(LoaderTest, AModelInASlotOfFirmwareDoesNotStart) {
  board_.place(Kind::kFirmware, 0, image(Kind::kModel, 1));
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNoImage);
}

TEST_F(LoaderTest, CrashesInARowEndInTheLoader) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone);
  for (uint32_t i = 1; i < kMaxCrashes; ++i) {
    EXPECT_EQ(board_.start(i % 2 == 0 ? ResetReason::kWatchdog : ResetReason::kFault).recovery, Recovery::kNone);
  }
  EXPECT_EQ(board_.start(ResetReason::kWatchdog).recovery, Recovery::kCrashes);
  EXPECT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone) << "someone wants another try";
  ASSERT_EQ(board_.start(ResetReason::kFault).recovery, Recovery::kNone);
  ASSERT_EQ(board_.start(ResetReason::kFault).recovery, Recovery::kNone);
  settled(board_.handoff());
  EXPECT_EQ(board_.start(ResetReason::kFault).recovery, Recovery::kNone) << "a start between them went well";
}

TEST_F(LoaderTest, TheApplicationMayAskForTheLoader) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone);
  stay_in_loader(board_.handoff());
  EXPECT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kAsked);
  EXPECT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone) << "once";
  stay_in_loader(board_.handoff());
  board_.power_off();
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).recovery, Recovery::kNone) << "RAM says nothing after power-on";
}

TEST_F(LoaderTest, AResetBeforeTheLoaderAnswersDoesNotForgetThatItWasAskedFor) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  stay_in_loader(board_.handoff());
  Handoff then{};
  board_.flash().on_cut([&] { then = board_.handoff(); });
  board_.flash().cut_at(board_.flash().operations(), host::SimulatedFlash::Cut::kBefore, 0);
  static_cast<void>(board_.start(ResetReason::kRequested));
  ASSERT_TRUE(board_.flash().dead());
  board_.flash().restore();
  board_.handoff() = then;
  EXPECT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kAsked);
  EXPECT_EQ(board_.start(ResetReason::kRequested).recovery, Recovery::kNone) << "once";
}

TEST_F(LoaderTest, ATrialThatCannotBeNotedDoesNotStart) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kOk);
  // No bit of the journal can be cleared any more, as on flash at its end.
  for (const Region& sector : kMap.journal) {
    for (uint32_t i = 0; i < sector.size; i += kRecordSize) {
      if (board_.memory()[sector.address + i] == 0xFF) board_.memory()[sector.address + i] = 0;
    }
  }
  board_.flash().cut_at(board_.flash().operations(), host::SimulatedFlash::Cut::kBefore, 0);
  board_.flash().on_cut([&] { board_.flash().restore(); });  // that erase fails; what comes after works
  const Decision decision = board_.start(ResetReason::kRequested);
  EXPECT_EQ(decision.slot, 1);
  EXPECT_EQ(decision.recovery, Recovery::kNone);
}

// Flash on which reading a slot takes longer than a watchdog waits.
class SlowLoaderTest : public LoaderTest {
 protected:
  static constexpr uint64_t kByteNs = 1000000;
  static constexpr uint64_t kWatchdogNs = 520 * kByteNs;  // a block of a hash, and a little

  SlowLoaderTest() { board_.flash().take({kByteNs, 10 * kByteNs, 400 * kByteNs}); }
};

TEST_F(SlowLoaderTest, NoStepOfAStartIsLongerThanItsWatchdogWaits) {
  fill(2, 1);
  board_.place(Kind::kModel, 0, image(Kind::kModel, 1));
  board_.place(Kind::kModel, 1, image(Kind::kModel, 2));
  damage(Kind::kFirmware, 0);
  damage(Kind::kModel, 1);
  EXPECT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  EXPECT_EQ(runs(Kind::kModel).slot, 0);
  EXPECT_GT(board_.flash().elapsed_ns(), 6 * kWatchdogNs) << "else this shows nothing";
  EXPECT_LE(board_.watch().longest_ns(), kWatchdogNs);
}

TEST_F(SlowLoaderTest, NeitherIsOneOfHashingMemory) {
  constexpr uint32_t kBytes = 64 * 1024;
  const Blob memory(kBytes);
  MemorySource source({memory.data(), memory.size()}, board_.open({}).watchdog());
  const uint32_t before = board_.watch().feeds();
  uint8_t hash[kHashSize];
  ASSERT_EQ(sha256(source, kBytes, hash), Status::kOk);
  EXPECT_GE(board_.watch().feeds() - before, kBytes / 4096);
}

TEST_F(SlowLoaderTest, NothingIsReadTwiceToFindWhatIsLeft) {
  fill(1, 2);
  const uint64_t whole_ns = image(Kind::kFirmware, 2).size() * kByteNs;
  const uint64_t journal_ns = (kMap.journal[0].size + kMap.journal[1].size) * kByteNs;
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  EXPECT_LT(board_.flash().elapsed_ns(), 2 * journal_ns + 5 * whole_ns / 2) << "the journal by loader and application";
}

// A watchdog bites while the loader verifies, at each start anew.
TEST_F(SlowLoaderTest, AStartThatDoesNotEndIsCounted) {
  fill(1, 2);
  for (const bool trial : {false, true}) {
    ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
    if (trial) {
      ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kOk);
      ASSERT_EQ(board_.start(ResetReason::kRequested).slot, 0);  // and its end is found at the next
    }
    board_.power_off();
    ResetReason reason = ResetReason::kPowerOn;
    for (uint32_t bites = 0; bites < kMaxCrashes; ++bites) {
      Handoff then{};
      board_.flash().on_cut([&] { then = board_.handoff(); });
      board_.flash().cut_after(board_.flash().elapsed_ns() + (kMap.journal[0].size * 2 + 400) * kByteNs);
      static_cast<void>(board_.start(reason));
      ASSERT_TRUE(board_.flash().dead());
      board_.flash().restore();
      board_.handoff() = then;
      reason = ResetReason::kWatchdog;
    }
    EXPECT_EQ(board_.start(reason).recovery, Recovery::kCrashes) << trial;
    EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1) << "another try";
  }
}

TEST_F(LoaderTest, AJournalThatFailsToBeReadOnceIsReadAgain) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kOk);
  board_.flash().fail_next_read();
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0) << "the trial that was asked for";
  EXPECT_TRUE(board_.slots().on_trial(Kind::kFirmware));
}

TEST_F(LoaderTest, AJournalThatCannotBeReadIsNotWritten) {
  fill(1, 2);
  ASSERT_EQ(board_.start(ResetReason::kPowerOn).slot, 1);
  ASSERT_EQ(board_.slots().mark_for_test(Kind::kFirmware, 0), Status::kOk);
  const uint64_t before = board_.flash().operations();
  for (const Region& sector : kMap.journal) {
    board_.flash().make_unreadable(sector.address + 640, 1);
    EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 1) << "the highest version";
    Slots& slots = board_.slots();
    EXPECT_EQ(slots.confirm(), Status::kWrongState);
    EXPECT_EQ(slots.upload_slot(Kind::kFirmware).status(), Status::kWrongState);
    EXPECT_EQ(slots.forget(Kind::kFirmware, 0), Status::kWrongState);
    EXPECT_EQ(slots.mark_for_test(Kind::kFirmware, 0), Status::kWrongState);
    EXPECT_EQ(slots.state().of(Kind::kFirmware).active, kNoSlot) << "half a journal is none";
  }
  EXPECT_EQ(board_.flash().operations(), before);
  board_.flash().make_unreadable(0, 0);
  // It can be read again, and says that another slot is active than the one that runs; nobody writes by either.
  Slots& slots = board_.open(what_runs(board_.handoff()).value());
  EXPECT_EQ(slots.running().of(Kind::kFirmware), 1);
  EXPECT_EQ(slots.upload_slot(Kind::kFirmware).status(), Status::kWrongState);
  EXPECT_EQ(slots.confirm(), Status::kWrongState);
  EXPECT_EQ(board_.start(ResetReason::kRequested).slot, 0) << "the trial that was asked for";
}

}  // namespace
}  // namespace edged::boot
