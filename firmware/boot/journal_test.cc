#include "boot/journal.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using testing::Blob;
using testing::kGeometry;
using testing::kMap;
using Cut = host::SimulatedFlash::Cut;

constexpr uint32_t kRecordsOfSector = kGeometry.erase_size / kRecordSize;

struct Device {
  Blob memory = Blob(kGeometry.size, 0xFF);
  host::SimulatedFlash flash{MutableBytes(memory.data(), memory.size()), kGeometry};
};

State numbered(uint32_t boots) {
  State state;
  state.boots = boots;
  state.images[1].floor = ~boots;
  state.images[0].active = static_cast<uint8_t>(boots % 2);
  return state;
}

TEST(Journal, KeepsTheWholeState) {
  Device device;
  State state;
  state.images[0] = {1, 0, 0, Stage::kPending, Outcome::kReverted, 3, 7};
  state.images[1] = {0, kNoSlot, 1, Stage::kRunning, Outcome::kConfirmed, 0, 0xFFFFFFFF};
  state.boots = 12;
  State found;
  Journal journal(device.flash, kMap);
  EXPECT_EQ(journal.open(found), Status::kNotFound);
  ASSERT_EQ(journal.append(state), Status::kOk);
  Journal again(device.flash, kMap);
  ASSERT_EQ(again.open(found), Status::kOk);
  EXPECT_EQ(found.boots, 12U);
  for (uint32_t i = 0; i < kKinds; ++i) {
    EXPECT_EQ(found.images[i].active, state.images[i].active);
    EXPECT_EQ(found.images[i].previous, state.images[i].previous);
    EXPECT_EQ(found.images[i].trial, state.images[i].trial);
    EXPECT_EQ(found.images[i].stage, state.images[i].stage);
    EXPECT_EQ(found.images[i].outcome, state.images[i].outcome);
    EXPECT_EQ(found.images[i].rejected, state.images[i].rejected);
    EXPECT_EQ(found.images[i].floor, state.images[i].floor);
  }
}

TEST(Journal, WearsItsSectorsInTurn) {
  Device device;
  State found;
  for (uint32_t i = 1; i <= 10 * kRecordsOfSector; ++i) {
    Journal journal(device.flash, kMap);
    static_cast<void>(journal.open(found));
    ASSERT_EQ(journal.append(numbered(i)), Status::kOk);
    Journal again(device.flash, kMap);
    ASSERT_EQ(again.open(found), Status::kOk);
    ASSERT_EQ(found.boots, i);
  }
  EXPECT_EQ(device.flash.operations(), 10 * kRecordsOfSector + 10) << "one erase for a sector of records";
  EXPECT_EQ(device.flash.violations(), 0U);
}

// Whatever is cut, the state is what it was before or what it was to be; and what was written last without a cut stays.
TEST(Journal, ACutLeavesTheOldStateOrTheNewOne) {
  std::mt19937 random(1);
  for (uint32_t run = 0; run < 400; ++run) {
    Device device;
    uint32_t certain = 0, number = 0;
    std::set<uint32_t> possible = {0};
    for (uint32_t life = 0; life < 12; ++life) {
      State found;
      Journal journal(device.flash, kMap);
      const Status opened = journal.open(found);
      ASSERT_TRUE(ok(opened) || (opened == Status::kNotFound && certain == 0));
      ASSERT_TRUE(possible.count(found.boots)) << "run " << run << ": " << found.boots << " after " << certain;
      certain = found.boots;
      device.flash.cut_at(device.flash.operations() + random() % 24, random() % 4 == 0 ? Cut::kBefore : Cut::kTorn,
                          static_cast<uint32_t>(random()));
      while (!device.flash.dead()) {
        possible = {certain, ++number};
        if (ok(journal.append(numbered(number)))) certain = number;
      }
      device.flash.restore();
    }
    EXPECT_EQ(device.flash.violations(), 0U);
  }
}

TEST(Journal, PassesOverAPlaceThatTakesNoRecord) {
  Device device;
  State found;
  Journal journal(device.flash, kMap);
  static_cast<void>(journal.open(found));
  ASSERT_EQ(journal.append(numbered(1)), Status::kOk);
  // A program that was cut so early that its place still reads as erased, but for the bits that are weak.
  device.memory[kMap.journal[0].address + kRecordSize] = 0xFE;
  ASSERT_EQ(journal.append(numbered(2)), Status::kOk);
  Journal again(device.flash, kMap);
  ASSERT_EQ(again.open(found), Status::kOk);
  EXPECT_EQ(found.boots, 2U);
}

TEST(Journal, ADamagedRecordIsNone) {
  Device device;
  State found;
  Journal journal(device.flash, kMap);
  static_cast<void>(journal.open(found));
  ASSERT_EQ(journal.append(numbered(1)), Status::kOk);
  ASSERT_EQ(journal.append(numbered(2)), Status::kOk);
  for (uint32_t bit = 0; bit < kRecordSize * 8; ++bit) {
    uint8_t& byte = device.memory[kMap.journal[0].address + kRecordSize + bit / 8];
    byte = static_cast<uint8_t>(byte ^ 1U << bit % 8);
    Journal again(device.flash, kMap);
    ASSERT_EQ(again.open(found), Status::kOk);
    EXPECT_EQ(found.boots, 1U) << bit;
    byte = static_cast<uint8_t>(byte ^ 1U << bit % 8);
  }
}

TEST(Journal, IsNotWrittenBeforeItWasRead) {
  Device device;
  State found;
  Journal journal(device.flash, kMap);
  EXPECT_EQ(journal.append(numbered(1)), Status::kWrongState) << "it was not opened";
  ASSERT_EQ(journal.open(found), Status::kNotFound);
  ASSERT_EQ(journal.append(numbered(1)), Status::kOk);
  device.flash.make_unreadable(kMap.journal[1].address, 1);
  EXPECT_EQ(journal.open(found), Status::kFlashFailed);
  EXPECT_EQ(found.boots, 0U) << "what one sector says may be old";
  EXPECT_EQ(journal.append(numbered(2)), Status::kWrongState);
  device.flash.make_unreadable(0, 0);
  ASSERT_EQ(journal.open(found), Status::kOk);
  EXPECT_EQ(found.boots, 1U);
}

TEST(Journal, SaysWhenFlashCannotHoldIt) {
  Device device;
  State found;
  host::SimulatedFlash wide(MutableBytes(device.memory.data(), device.memory.size()), {10240, 1024, 128, 256});
  EXPECT_EQ(Journal(wide, kMap).open(found), Status::kUnsupported);
  host::SimulatedFlash narrow(MutableBytes(device.memory.data(), device.memory.size()), {10240, 1024, 4, 32});
  EXPECT_EQ(Journal(narrow, kMap).open(found), Status::kUnsupported);
}

}  // namespace
}  // namespace edged::boot
