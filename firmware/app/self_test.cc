#include "app/self_test.h"

namespace edged::app {
namespace {

// The first vector that comes out otherwise, or kNoVector.
uint32_t find_wrong(Inference& inference, Upkeep& upkeep) {
  for (uint32_t index = 0; index < inference.vectors(); ++index) {
    upkeep.keep_up();
    if (!ok(inference.test(index))) return index;
  }
  return Inference::kNoVector;
}

}  // namespace

void run_self_test(Inference& inference, Upkeep& upkeep) {
  if (inference.vectors() == 0) {
    inference.conclude(inference.refused() ? SelfTest::kFailed : SelfTest::kNone, Inference::kNoVector);
    return;
  }
  const uint32_t wrong = find_wrong(inference, upkeep);
  inference.forget();
  inference.conclude(wrong == Inference::kNoVector ? SelfTest::kPassed : SelfTest::kFailed, wrong);
}

}  // namespace edged::app
