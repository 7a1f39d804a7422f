#include "app/self_test.h"

#include "app/window.h"

namespace edged::app {
namespace {

// The first vector that comes out otherwise or has no time left, or kNoVector.
uint32_t find_wrong(Inference& inference, Upkeep& upkeep) {
  const uint32_t since_ms = upkeep.now_ms();
  for (uint32_t index = 0; index < inference.vectors(); ++index) {
    upkeep.keep_up();
    if (upkeep.now_ms() - since_ms >= kTrialWindowMs) return index;
    if (!ok(inference.test(index))) return index;
  }
  return Inference::kNoVector;
}

}  // namespace

void run_self_test(Inference& inference, Upkeep& upkeep) {
  const uint32_t wrong = find_wrong(inference, upkeep);
  inference.forget();
  SelfTest result = inference.vectors() == 0 ? SelfTest::kNone : SelfTest::kPassed;
  if (inference.refused() || wrong != Inference::kNoVector) result = SelfTest::kFailed;
  inference.conclude(result, wrong);
}

}  // namespace edged::app
