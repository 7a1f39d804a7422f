// TFLite's fixed-point arithmetic: what makes an int8 result the same to the bit on every machine.
//
// A real multiplier is kept as a 31-bit fraction and a power of two; a product is rounded twice, as gemmlowp does: once
// when the fraction is multiplied (to nearest, ties up), once when the power of two is divided out (to nearest, ties
// away from zero).
#pragma once

#include <cstdint>

#include "ml/engine.h"
#include "ml/native/schema.h"

namespace edged::ml::native {

struct Multiplier {
  int32_t fraction;  // Q0.31, 0 or in [2^30, 2^31)
  int32_t shift;     // left if positive
};

// The closest Multiplier of a value >= 0. One below 2^-32 is zero.
[[nodiscard]] Multiplier quantize_multiplier(double value);

struct Range {
  int32_t low;
  int32_t high;
};

struct FloatRange {
  float low;
  float high;
};

// What a fused activation leaves of the values of a tensor. false: not an activation that the engine does.
[[nodiscard]] bool activation_range(Activation activation, Type type, float scale, int32_t zero_point, Range& range);
[[nodiscard]] bool activation_range(Activation activation, FloatRange& range);

// a * b / 2^31, to nearest, ties up; saturates in the one case that overflows.
inline int32_t saturating_doubling_high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  const int64_t product = int64_t{a} * b;
  const int64_t nudge = product >= 0 ? (int64_t{1} << 30) : 1 - (int64_t{1} << 30);
  return static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
}

// x / 2^exponent, to nearest, ties away from zero; 0 <= exponent <= 31.
inline int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
  const auto mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t remainder = x & mask;
  const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

// x * multiplier. A left shift that overflows wraps, as everywhere in TFLite.
inline int32_t multiply(int32_t x, Multiplier by) {
  const int32_t left = by.shift > 0 ? by.shift : 0;
  const int32_t right = by.shift > 0 ? 0 : -by.shift;
  const auto shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  return rounding_divide_by_pot(saturating_doubling_high_mul(shifted, by.fraction), right);
}

// Sums of the reference wrap in int32; in C++ only unsigned ones may.
inline int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

inline int32_t clamp(int32_t x, Range range) { return x < range.low ? range.low : (x > range.high ? range.high : x); }
// A NaN comes out as the lower border, as from the reference: min(max(x, low), high) with std's functions.
inline float clamp(float x, FloatRange range) {
  const float above = range.low < x ? x : range.low;
  return above > range.high ? range.high : above;
}

}  // namespace edged::ml::native
