// For cores with the DSP extension: four channels in a word; SMLABB and SMLATT multiply them one by one.
#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/dsp.h"
#include "ml/native/ops/finish.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kBlock = 4;

inline void store(int32_t s0, int32_t s1, int32_t s2, int32_t s3, uint32_t* sums) {
  sums[0] = static_cast<uint32_t>(s0);
  sums[1] = static_cast<uint32_t>(s1);
  sums[2] = static_cast<uint32_t>(s2);
  sums[3] = static_cast<uint32_t>(s3);
}

// Each channel has its own value of the input.
[[gnu::noinline]] void own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t* sums) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  const uint32_t pitch = d.outputs;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += pitch) {
    const Pairs x = pairs(*pixels++ + channel), y = pairs(w);
    s0 = __smlabb(x.even, y.even, s0);
    s2 = __smlatt(x.even, y.even, s2);
    s1 = __smlabb(x.odd, y.odd, s1);
    s3 = __smlatt(x.odd, y.odd, s3);
  }
  store(s0, s1, s2, s3, sums);
}

// All four have the same.
[[gnu::noinline]] void one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t input,
                                 uint32_t* sums) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  const uint32_t pitch = d.outputs;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += pitch) {
    const int32_t x = (*pixels++)[input];
    const Pairs y = pairs(w);
    s0 = __smlabb(x, y.even, s0);
    s2 = __smlabt(x, y.even, s2);
    s1 = __smlabb(x, y.odd, s1);
    s3 = __smlabt(x, y.odd, s3);
  }
  store(s0, s1, s2, s3, sums);
}

inline uint32_t one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  const uint32_t input = channel / d.multiplier;
  int32_t sum = 0;
  for (uint32_t tap = 0; tap < d.taps; ++tap) {
    sum = __smlabb(pixels[tap][input], d.weights[tap * d.outputs + channel], sum);
  }
  return static_cast<uint32_t>(sum);
}

}  // namespace

void multiply_taps(const Depthwise& d, const int8_t* const* pixels, int8_t* to) {
  const bool own = d.multiplier == 1;
  const bool shared = d.multiplier % kBlock == 0;
  for (uint32_t channel = 0; channel < d.outputs; channel += kRun) {
    const uint32_t count = d.outputs - channel < kRun ? d.outputs - channel : kRun;
    uint32_t sums[kRun];
    uint32_t i = 0;
    if (own || shared) {
      for (; i + kBlock <= count; i += kBlock) {
        if (own) {
          own_values(d, pixels, channel + i, sums + i);
        } else {
          one_value(d, pixels, channel + i, (channel + i) / d.multiplier, sums + i);
        }
      }
    }
    for (; i < count; ++i) sums[i] = one(d, pixels, channel + i);
    finish_run(d.channels, sums, channel, count, to + channel);
  }
}

}  // namespace edged::ml::native
