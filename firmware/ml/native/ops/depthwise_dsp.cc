// For cores with the DSP extension: four channels in a word; SXTB16 takes them to int16, SMLABB and SMLATT multiply.
#include <arm_acle.h>

#include <cstring>

#include "ml/native/ops/depthwise.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kBlock = 4;

struct Sums {
  int32_t of[kBlock];
};

int32_t load(const int8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

inline int16x2_t even(int32_t word) { return __sxtb16(word); }
inline int16x2_t odd(int32_t word) { return __sxtb16(word >> 8); }

// Each channel has its own value of the input.
inline Sums own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; ++pixels, w += d.outputs) {
    const int32_t x = load(*pixels + channel), y = load(w);
    const int16x2_t x02 = even(x), y02 = even(y), x13 = odd(x), y13 = odd(y);
    s0 = __smlabb(x02, y02, s0);
    s2 = __smlatt(x02, y02, s2);
    s1 = __smlabb(x13, y13, s1);
    s3 = __smlatt(x13, y13, s3);
  }
  return {{s0, s1, s2, s3}};
}

// All four have the same.
inline Sums one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t input) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; ++pixels, w += d.outputs) {
    const int32_t x = (*pixels)[input], y = load(w);
    const int16x2_t y02 = even(y), y13 = odd(y);
    s0 = __smlabb(x, y02, s0);
    s2 = __smlabt(x, y02, s2);
    s1 = __smlabb(x, y13, s1);
    s3 = __smlabt(x, y13, s3);
  }
  return {{s0, s1, s2, s3}};
}

inline int32_t one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  const uint32_t input = channel / d.multiplier;
  int32_t sum = 0;
  for (uint32_t tap = 0; tap < d.taps; ++tap) {
    sum = __smlabb(pixels[tap][input], d.weights[tap * d.outputs + channel], sum);
  }
  return sum;
}

inline void finish(const Depthwise& d, const Sums& sums, uint32_t channel, int8_t* to) {
  for (uint32_t i = 0; i < kBlock; ++i) {
    to[channel + i] = d.channels.finish(static_cast<uint32_t>(sums.of[i]), channel + i);
  }
}

}  // namespace

void multiply_taps(const Depthwise& of, const int8_t* const* pixels, int8_t* to) {
  const Depthwise d =
      of;  // a copy: what is stored through `to` might change the caller's, as far as the compiler knows
  uint32_t channel = 0;
  if (d.multiplier == 1) {
    for (; channel + kBlock <= d.outputs; channel += kBlock) finish(d, own_values(d, pixels, channel), channel, to);
  } else if (d.multiplier % kBlock == 0) {
    for (; channel < d.outputs; channel += kBlock) {
      finish(d, one_value(d, pixels, channel, channel / d.multiplier), channel, to);
    }
  }
  for (; channel < d.outputs; ++channel) {
    to[channel] = d.channels.finish(static_cast<uint32_t>(one(d, pixels, channel)), channel);
  }
}

}  // namespace edged::ml::native
