// TFLite's fixed-point arithmetic: what makes an int8 result the same to the bit on every machine.
//
// A real multiplier is kept as a 31-bit fraction and a power of two; a product is rounded twice, as gemmlowp does: once
// when the fraction is multiplied (to nearest, ties up), once when the power of two is divided out (to nearest, ties
// away from zero).
#pragma once

#include <cstdint>
#include <limits>

#include "ml/engine.h"
#include "ml/native/schema.h"

namespace edged::ml::native {

struct Multiplier {
  int32_t fraction;  // Q0.31, 0 or in [2^30, 2^31)
  int32_t shift;     // left if positive
};

// A longer left shift leaves nothing of a sum: 31 bits are all there are.
inline constexpr int32_t kMaxLeftShift = 30;

// The closest Multiplier of a value >= 0. One below 2^-32 is zero.
[[nodiscard]] Multiplier quantize_multiplier(double value);

struct Range {
  int32_t low;
  int32_t high;
};

// All that a type holds.
template <typename T>
inline constexpr Range kRangeOf = {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};

struct FloatRange {
  float low;
  float high;
};

// What a fused activation leaves of the values of a tensor. false: not an activation that the engine does.
[[nodiscard]] bool activation_range(Activation activation, Type type, float scale, int32_t zero_point, Range& range);
[[nodiscard]] bool activation_range(Activation activation, FloatRange& range);

// a * b / 2^31, to nearest, ties up. Not for a = b = INT32_MIN.
inline int32_t doubling_high_mul(int32_t a, int32_t b) {
  return static_cast<int32_t>((int64_t{a} * b + (int64_t{1} << 30)) >> 31);
}

// x / 2^exponent, to nearest, ties away from zero; 0 <= exponent <= 31, INT32_MIN < x < INT32_MAX.
inline int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
  if (exponent == 0) return x;
  const int32_t toward_zero = x + (x >> 31);  // so that a tie below zero goes down
  return ((toward_zero >> (exponent - 1)) + 1) >> 1;
}

// x * multiplier. A left shift that overflows wraps, as in TFLite.
inline int32_t multiply(int32_t x, Multiplier by) {
  if (by.shift <= 0) return rounding_divide_by_pot(doubling_high_mul(x, by.fraction), -by.shift);
  return doubling_high_mul(static_cast<int32_t>(static_cast<uint32_t>(x) << by.shift), by.fraction);
}

// Sums of the reference wrap in int32; in C++ only unsigned ones may.
inline int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

// What such a sum is made of; the product itself does not overflow.
inline uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

inline int32_t clamp(int32_t x, Range range) { return x < range.low ? range.low : (x > range.high ? range.high : x); }
// A NaN stays one, as in the reference.
inline float clamp(float x, FloatRange range) {
  const float above = x < range.low ? range.low : x;
  return range.high < above ? range.high : above;
}

// A sum, or steps of another scale, as steps of the scale that the multiplier leads to. Inline and by reference: with
// copies and one more call, each element would take a tenth longer.
[[gnu::always_inline]] inline int32_t requantize(int32_t x, const Multiplier& by, int32_t zero_point,
                                                 const Range& range) {
  return clamp(wrapping_add(multiply(x, by), zero_point), range);
}

}  // namespace edged::ml::native
