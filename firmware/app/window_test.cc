#include "app/window.h"

#include <gtest/gtest.h>

namespace edged::app {
namespace {

constexpr uint32_t kAfterReset = 0xFFFFF000;  // the clock wraps in the midst of every window here

TEST(TrialWindow, NothingIsOverWithoutATrial) {
  TrialWindow window(kAfterReset);
  EXPECT_FALSE(window.over(kAfterReset + 10 * kTrialWindowMs, false, false));
  EXPECT_FALSE(window.over(kAfterReset + 10 * kTrialWindowMs, false, true));
}

TEST(TrialWindow, ATrialIsOverAtTheEndOfItsTimeAndNotBefore) {
  TrialWindow window(kAfterReset);
  EXPECT_FALSE(window.over(kAfterReset + kTrialWindowMs - 1, true, false));
  EXPECT_TRUE(window.over(kAfterReset + kTrialWindowMs, true, false));
}

TEST(TrialWindow, AFailedSelfTestLeavesTimeToAskAndNoMore) {
  TrialWindow window(kAfterReset);
  const uint32_t failed = kAfterReset + 7000;
  EXPECT_FALSE(window.over(failed, true, true));
  EXPECT_FALSE(window.over(failed + kFailedWindowMs - 1, true, true));
  EXPECT_TRUE(window.over(failed + kFailedWindowMs, true, true));
}

}  // namespace
}  // namespace edged::app
