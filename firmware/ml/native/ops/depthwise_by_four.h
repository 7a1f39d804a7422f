// multiply_taps() of cores without vectors: four channels at a time, so that a tap's pointer is fetched once for four
// multiplications.
#pragma once

#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/finish.h"

namespace edged::ml::native {

// The sums of four channels over all taps, four[i] that of `channel` + i. add(pixel, w, sums...): a tap's part of each.
template <typename Sum, typename Add>
inline void sum_taps(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t* four, Add add) {
  Sum s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  const uint32_t pitch = d.outputs;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += pitch) add(*pixels++, w, s0, s1, s2, s3);
  four[0] = static_cast<uint32_t>(s0);
  four[1] = static_cast<uint32_t>(s1);
  four[2] = static_cast<uint32_t>(s2);
  four[3] = static_cast<uint32_t>(s3);
}

// Each channel has its own value of the input.
template <typename Dot>
[[gnu::noinline]] void own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t* four) {
  sum_taps<typename Dot::Sum>(d, pixels, channel, four, [channel](const int8_t* pixel, const int8_t* w, auto&... sums) {
    Dot::each(pixel + channel, w, sums...);
  });
}

// All four have the same.
template <typename Dot>
[[gnu::noinline]] void one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t input,
                                 uint32_t* four) {
  sum_taps<typename Dot::Sum>(d, pixels, channel, four, [input](const int8_t* pixel, const int8_t* w, auto&... sums) {
    Dot::same(pixel[input], w, sums...);
  });
}

inline uint32_t sum_one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  const uint32_t input = channel / d.multiplier;
  uint32_t sum = 0;
  for (uint32_t tap = 0; tap < d.taps; ++tap) sum += product(pixels[tap][input], d.weights[tap * d.outputs + channel]);
  return sum;
}

// Dot: how a core multiplies and adds.
//   Sum: int32_t or uint32_t, as its instructions have it;
//   void each(x, w, s0, s1, s2, s3): four values with four weights;
//   void same(x, w, s0, s1, s2, s3): one value with four weights.
template <typename Dot>
void multiply_taps_by_four(const Depthwise& d, const int8_t* const* pixels, int8_t* to) {
  constexpr uint32_t kBlock = 4;
  const bool own = d.multiplier == 1;
  const bool shared = d.multiplier % kBlock == 0;
  for (uint32_t channel = 0; channel < d.outputs; channel += kRun) {
    const uint32_t count = d.outputs - channel < kRun ? d.outputs - channel : kRun;
    uint32_t sums[kRun];
    uint32_t i = 0;
    if (own) {
      for (; i + kBlock <= count; i += kBlock) own_values<Dot>(d, pixels, channel + i, sums + i);
    } else if (shared) {
      for (; i + kBlock <= count; i += kBlock) {
        one_value<Dot>(d, pixels, channel + i, (channel + i) / d.multiplier, sums + i);
      }
    }
    for (; i < count; ++i) sums[i] = sum_one(d, pixels, channel + i);
    finish_run(d.channels, sums, channel, count, to + channel);
  }
}

}  // namespace edged::ml::native
