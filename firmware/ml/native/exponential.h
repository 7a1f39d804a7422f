// exp, and what is made of it, in 32-bit fixed point: the approximations of gemmlowp, whose every bit TFLite's int8
// results depend on.
//
// A Q number of b integer bits stands for raw / 2^(31 - b). Multiplying the raw values of two as fractions
// (doubling_high_mul) adds up their integer bits.
#pragma once

#include <cstdint>

#include "ml/native/quantize.h"

namespace edged::ml::native {

inline constexpr int32_t kOneQ0 = INT32_MAX;  // of Q0.31; 1 itself is just beyond
inline constexpr int32_t kOneQ2 = 1 << 29;

// x * 2^exponent, saturating; exponent >= 0.
inline int32_t saturating_shift_left(int32_t x, int32_t exponent) {
  const int64_t shifted = int64_t{x} * (int64_t{1} << exponent);
  return shifted > INT32_MAX ? INT32_MAX : (shifted < INT32_MIN ? INT32_MIN : static_cast<int32_t>(shifted));
}

// exp(x) for x in [-1/4, 0), both Q0.31: a Taylor series about -1/8.
inline int32_t exp_of_last_quarter(int32_t x) {
  constexpr int32_t kExpMinusEighth = 1895147668;
  constexpr int32_t kThird = 715827883;
  const int32_t y = x + (1 << 28);  // + 1/8
  const int32_t y2 = doubling_high_mul(y, y);
  const int32_t y3 = doubling_high_mul(y2, y);
  const int32_t y4 = doubling_high_mul(y2, y2);
  const int32_t higher = doubling_high_mul(rounding_divide_by_pot(y4, 2) + y3, kThird) + y2;
  const int32_t series = y + rounding_divide_by_pot(higher, 1);
  return kExpMinusEighth + doubling_high_mul(kExpMinusEighth, series);
}

// exp(x) as Q0.31 for x <= 0 of kIntegerBits (at most 5): the quarters of x are taken off bit by bit.
template <int32_t kIntegerBits>
int32_t exp_of_negative(int32_t x) {
  static_assert(kIntegerBits <= 5, "32 and more would underflow");
  constexpr int32_t kFractionalBits = 31 - kIntegerBits;
  constexpr int32_t kQuarter = 1 << (kFractionalBits - 2);
  if (x == 0) return kOneQ0;
  const int32_t within = (x & (kQuarter - 1)) - kQuarter;
  const int32_t quarters = within - x;
  int32_t result = exp_of_last_quarter(saturating_shift_left(within, kIntegerBits));
  // exp(-2^k) for k from -2
  constexpr int32_t kFactors[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  for (int32_t k = -2; k < kIntegerBits; ++k) {
    if ((quarters & (int32_t{1} << (kFractionalBits + k))) != 0) {
      result = doubling_high_mul(result, kFactors[k + 2]);
    }
  }
  return result;
}

// 2 / (1 + x) as Q2.29, for x in [0, 1] of Q0.31: three steps of Newton's method.
inline int32_t two_over_one_plus(int32_t x) {
  constexpr int32_t k48Over17 = 1515870810;  // Q2.29
  constexpr int32_t kMinus32Over17 = -1010580540;
  const auto half = static_cast<int32_t>((int64_t{x} + kOneQ0 + 1) / 2);  // of the denominator
  int32_t y = k48Over17 + doubling_high_mul(half, kMinus32Over17);
  for (int i = 0; i < 3; ++i) {
    const int32_t rest = kOneQ2 - doubling_high_mul(half, y);
    y += saturating_shift_left(doubling_high_mul(y, rest), 2);
  }
  return y;
}

// 1 / (1 + x) and (1 - x) / (1 + x) as Q0.31.
inline int32_t one_over_one_plus(int32_t x) { return saturating_shift_left(two_over_one_plus(x), 1); }
inline int32_t one_minus_over_one_plus(int32_t x) { return saturating_shift_left(two_over_one_plus(x) - kOneQ2, 2); }

}  // namespace edged::ml::native
