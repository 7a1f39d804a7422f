#include "ml/native/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace edged::ml::native {
namespace {

// The definitions, by arithmetic that cannot overflow.
int32_t nearest(__int128 numerator, int bits, bool ties_away) {
  const __int128 one = static_cast<__int128>(1) << bits;
  const __int128 half = one / 2;
  if (ties_away && numerator < 0) return static_cast<int32_t>(-((-numerator + half) >> bits));
  return static_cast<int32_t>((numerator + half) >> bits);
}

// Values about which roundings and signs change, and others.
class Numbers {
 public:
  int32_t any() {
    switch (random_() % 4) {
      case 0:
        return static_cast<int32_t>(random_());
      case 1:
        return static_cast<int32_t>(random_() % 9) - 4;
      case 2:
        return static_cast<int32_t>((1u << (random_() % 31)) + random_() % 3 - 1);
      default:
        return -static_cast<int32_t>((1u << (random_() % 31)) + random_() % 3 - 1);
    }
  }
  int32_t fraction() { return static_cast<int32_t>((1u << 30) + random_() % (1u << 30)); }
  int32_t below(uint32_t end) { return static_cast<int32_t>(random_() % end); }

 private:
  std::mt19937 random_{7};
};

TEST(Quantize, DoublingHighMulRoundsToNearestTiesUp) {
  Numbers numbers;
  for (int i = 0; i < 200000; ++i) {
    const int32_t a = numbers.any();
    const int32_t b = numbers.fraction();
    ASSERT_EQ(doubling_high_mul(a, b), nearest(static_cast<__int128>(a) * b, 31, false)) << a << " " << b;
  }
}

TEST(Quantize, DividingByAPowerOfTwoRoundsTiesAwayFromZero) {
  Numbers numbers;
  for (int i = 0; i < 200000; ++i) {
    const int32_t x = numbers.any();
    const int32_t exponent = numbers.below(32);
    if (x == INT32_MIN || x == INT32_MAX) continue;  // no product with a multiplier is
    ASSERT_EQ(rounding_divide_by_pot(x, exponent), nearest(x, exponent, true)) << x << " " << exponent;
  }
}

TEST(Quantize, AMultiplierIsItsValueToThirtyBits) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> exponents(-30.0, 20.0);
  for (int i = 0; i < 10000; ++i) {
    const double value = std::exp2(exponents(random));
    const Multiplier by = quantize_multiplier(value);
    ASSERT_GE(by.fraction, 1 << 30);
    ASSERT_NEAR(std::ldexp(by.fraction, by.shift - 31) / value, 1.0, 1e-9);
  }
  EXPECT_EQ(quantize_multiplier(0.0).fraction, 0);
  EXPECT_EQ(quantize_multiplier(std::exp2(-40)).fraction, 0);
  EXPECT_EQ(quantize_multiplier(1.0 - 1e-12).fraction, 1 << 30);  // rounds up to 2^31: one half of the next power
}

TEST(Quantize, AnActivationNeverLeavesTheType) {
  Range range = {};
  for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kReluN1To1, Activation::kRelu6}) {
    for (const float scale : {1e-30f, 0.01f, 1.0f, 1e30f}) {
      for (const int32_t zero_point : {-128, 0, 127}) {
        ASSERT_TRUE(activation_range(activation, Type::kInt8, scale, zero_point, range));
        EXPECT_LE(-128, range.low);
        EXPECT_LE(range.low, range.high);
        EXPECT_LE(range.high, 127);
      }
    }
  }
  EXPECT_FALSE(activation_range(static_cast<Activation>(4), Type::kInt8, 1.0f, 0, range));
}

}  // namespace
}  // namespace edged::ml::native
