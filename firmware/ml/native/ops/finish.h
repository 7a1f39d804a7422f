// Channels::finish() for several channels, in a loop of its own: together with the multiplications it would not fit a
// core's registers.
#pragma once

#include <cstdint>

#include "ml/native/ops/channels.h"

namespace edged::ml::native {

inline constexpr uint32_t kRun = 16;  // channels whose sums wait to be finished

// to[i] is what becomes of sums[i], the sum of channel + i.
inline void finish_run(const Channels& channels, const uint32_t* sums, uint32_t channel, uint32_t count, int8_t* to) {
  const int32_t* bias = channels.bias + channel;
  const int32_t* fractions = channels.fractions + channel;
  const int8_t* shifts = channels.shifts + channel;
  const int32_t zero_point = channels.zero_point;
  const Range range = channels.range;
  for (const uint32_t* end = sums + count; sums != end;) {
    const auto biased = static_cast<int32_t>(*sums++ + static_cast<uint32_t>(*bias++));
    const int32_t scaled = multiply(biased, {*fractions++, *shifts++});
    *to++ = static_cast<int8_t>(clamp(wrapping_add(scaled, zero_point), range));
  }
}

}  // namespace edged::ml::native
