#include "app/identity.h"

#include <gtest/gtest.h>

namespace edged::app {
namespace {

boot::Handoff::Running running(uint8_t slot, boot::Version version) {
  boot::Handoff::Running result{};
  result.slot = slot;
  result.version = version;
  return result;
}

TEST(VersionText, SaysWhatPeopleSay) {
  EXPECT_EQ(VersionText(running(0, {1, 2, 3, 0})).text(), "1.2.3");
  EXPECT_EQ(VersionText(running(1, {0, 0, 0, 7})).text(), "0.0.0.7");
}

TEST(VersionText, TheLongestFits) {
  EXPECT_EQ(VersionText(running(1, {255, 255, 65535, 4294967295})).text(), "255.255.65535.4294967295");
}

TEST(VersionText, WhatDoesNotRunHasNone) { EXPECT_EQ(VersionText(running(boot::kNoSlot, {1, 2, 3, 0})).text(), ""); }

}  // namespace
}  // namespace edged::app
