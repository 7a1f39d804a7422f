// Which models are refused for the time that they take.
#include <gtest/gtest.h>

#include "ml/native/interpreter.h"
#include "ml/native/op.h"

namespace edged::ml::native {
namespace {

// A network of as many multiply-accumulates as large ones for microcontrollers have, with half a million values in
// between.
TEST(Work, ANetworkOfFortyMillionStepsIsNotTooSlowForThirtyTwoMegahertz) {
  EXPECT_LE(40'000'000U + 500'000U * kStepsPerElement, max_work(32'000'000));
}

TEST(Work, AMachineThatTestsRunOnTakesLargeNetworks) { EXPECT_GT(kMaxWork, uint64_t{1} << 31); }

}  // namespace
}  // namespace edged::ml::native
