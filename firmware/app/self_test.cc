#include "app/self_test.h"

namespace edged::app {

void run_self_test(Inference& inference, hal::System& system) {
  if (inference.vectors() == 0) {
    inference.conclude(inference.refused() ? SelfTest::kFailed : SelfTest::kNone, Inference::kNoVector);
    return;
  }
  for (uint32_t index = 0; index < inference.vectors(); ++index) {
    system.feed_watchdog();
    if (!ok(inference.test(index))) {
      inference.conclude(SelfTest::kFailed, index);
      return;
    }
  }
  inference.conclude(SelfTest::kPassed, Inference::kNoVector);
}

}  // namespace edged::app
