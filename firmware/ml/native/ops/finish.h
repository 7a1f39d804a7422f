// Channels::finish() for several channels, in a loop of its own: together with the multiplications it would not fit a
// core's registers.
#pragma once

#include <cstdint>

#include "ml/native/ops/channels.h"

namespace edged::ml::native {

inline constexpr uint32_t kRun = 16;  // channels whose sums wait to be finished

// What nearly every network has: multipliers below one half, and an activation that is the type's own range. The value
// is counted from the range's lower end: a core cuts off at both ends of [0, 255] in one instruction.
inline int8_t finish_plain(int32_t biased, int32_t fraction, int32_t shift, int32_t zero_point) {
  const int32_t high = doubling_high_mul(biased, fraction);
  const int32_t toward_zero = high + (high >> 31);
  const int32_t value = wrapping_add(((toward_zero >> (-1 - shift)) + 1) >> 1, zero_point - INT8_MIN);
  return static_cast<int8_t>(clamp(value, {0, UINT8_MAX}) + INT8_MIN);
}

// to[i] is what becomes of sums[i], the sum of channel + i.
inline void finish_run(const Channels& channels, const uint32_t* sums, uint32_t channel, uint32_t count, int8_t* to) {
  const int32_t* bias = channels.bias + channel;
  const int32_t* fractions = channels.fractions + channel;
  const int8_t* shifts = channels.shifts + channel;
  const int32_t zero_point = channels.zero_point;
  const uint32_t* end = sums + count;
  if (channels.plain) {
    while (sums != end) {
      const auto biased = static_cast<int32_t>(*sums++ + static_cast<uint32_t>(*bias++));
      *to++ = finish_plain(biased, *fractions++, *shifts++, zero_point);
    }
    return;
  }
  const Range range = channels.range;
  while (sums != end) {
    const auto biased = static_cast<int32_t>(*sums++ + static_cast<uint32_t>(*bias++));
    *to++ = static_cast<int8_t>(requantize(biased, {*fractions++, *shifts++}, zero_point, range));
  }
}

}  // namespace edged::ml::native
