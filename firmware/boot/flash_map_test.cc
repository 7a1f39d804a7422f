#include "boot/flash_map.h"

#include <gtest/gtest.h>

#include "boot/handoff.h"
#include "boot/testing/board.h"

namespace edged::boot {
namespace {

using testing::kGeometry;
using testing::kMap;

static_assert(ok(check(kMap, kGeometry)), "a port's map is checked when it is compiled");

TEST(FlashMap, RegionsAreSectorsOfTheirOwn) {
  EXPECT_EQ(check(kMap, kGeometry), Status::kOk);
  FlashMap map = kMap;
  map.firmware[1].address = 0x0400;
  EXPECT_EQ(check(map, kGeometry), Status::kOutOfRange) << "they meet";
  map = kMap;
  map.model[1].size = 0x0801;
  EXPECT_EQ(check(map, kGeometry), Status::kOutOfRange) << "no whole sectors";
  map = kMap;
  map.journal[1].address = 0x2800;
  EXPECT_EQ(check(map, kGeometry), Status::kOutOfRange) << "behind the end";
  map = kMap;
  map.journal[1].size = 0;
  EXPECT_EQ(check(map, kGeometry), Status::kOutOfRange) << "empty";
  map = kMap;
  map.model[1] = {0x1800, 0x0400};
  map.journal[0] = {0x1C00, 0x0800};
  EXPECT_EQ(check(map, kGeometry), Status::kOutOfRange) << "a journal of two sectors";
}

TEST(Handoff, AnyFlippedBitBreaksItsSeal) {
  Handoff handoff{};
  EXPECT_FALSE(sealed(handoff));
  handoff.boots = 3;
  seal(handoff);
  auto* const bytes = reinterpret_cast<uint8_t*>(&handoff);
  for (size_t bit = 0; bit < sizeof handoff * 8; ++bit) {
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(sealed(handoff)) << bit;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
  }
  EXPECT_TRUE(sealed(handoff));
}

TEST(Handoff, WithoutItsSealNothingRuns) {
  Handoff handoff{};
  handoff.of(Kind::kFirmware).slot = 1;
  handoff.of(Kind::kModel).slot = 0;
  handoff.model_address = 0x1000;
  seal(handoff);
  const Result<Running> running = what_runs(handoff);
  ASSERT_TRUE(running.ok());
  EXPECT_EQ(running.value().of(Kind::kFirmware), 1);
  EXPECT_EQ(running.value().of(Kind::kModel), 0);
  handoff.model_size = 1;
  EXPECT_EQ(what_runs(handoff).status(), Status::kCorrupt);
  EXPECT_EQ(handoff.model_address, 0U);
  EXPECT_EQ(handoff.of(Kind::kFirmware).slot, kNoSlot);
  EXPECT_EQ(handoff.of(Kind::kModel).slot, kNoSlot);
}

}  // namespace
}  // namespace edged::boot
