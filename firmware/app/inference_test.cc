#include "app/inference.h"

#include <gtest/gtest.h>

namespace edged::app {
namespace {

alignas(ml::kArenaAlignment) uint8_t arena[4096];
alignas(ml::kArenaAlignment) uint8_t staging[64];

uint32_t clock_us() {
  static uint32_t now = 0;
  return ++now;
}

TEST(Inference, WithoutAModelEverythingSaysSo) {
  Inference inference(arena, staging, clock_us);
  const uint8_t byte[] = {1};
  EXPECT_EQ(inference.stage(0, 0, byte), Status::kNotFound);
  EXPECT_EQ(inference.invoke_staged(), Status::kNotFound);
  EXPECT_EQ(inference.invoke(), Status::kNotFound);
  EXPECT_EQ(inference.test(0), Status::kNotFound);
  EXPECT_EQ(inference.vectors(), 0u);
  EXPECT_EQ(inference.self_test(), SelfTest::kNotRun);
}

TEST(Inference, WhatIsNoPackageIsRefusedForThat) {
  Inference inference(arena, staging, clock_us);
  const uint8_t garbage[32] = {'n', 'o'};
  EXPECT_EQ(inference.load(garbage), Status::kMalformed);
  EXPECT_FALSE(inference.loaded());
  EXPECT_TRUE(inference.refused());
  EXPECT_STREQ(inference.diagnosis().what, "the model's package is damaged, or of another version");
  EXPECT_EQ(inference.diagnosis().op_index, -1);
}

TEST(Inference, AModelThatTheEngineRefusesIsRememberedAsSuch) {
  Inference inference(arena, staging, clock_us);
  alignas(ml::kModelAlignment) const uint8_t package[32] = {'E', 'D', 'M', 'P', 1, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0};
  EXPECT_NE(inference.load(package), Status::kOk);
  EXPECT_FALSE(inference.loaded());
  EXPECT_TRUE(inference.refused());
  EXPECT_NE(inference.diagnosis().what[0], 0);
}

}  // namespace
}  // namespace edged::app
