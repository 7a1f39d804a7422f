// Four channels at a time, so that a tap's pointer is fetched once for four multiplications.
#include "ml/native/ops/depthwise.h"

namespace edged::ml::native {
namespace {

uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

constexpr uint32_t kBlock = 4;

struct Sums {
  uint32_t of[kBlock];
};

// Each channel has its own value of the input.
inline Sums four_of_four(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; ++pixels, w += d.outputs) {
    const int8_t* x = *pixels + channel;
    s0 += product(x[0], w[0]);
    s1 += product(x[1], w[1]);
    s2 += product(x[2], w[2]);
    s3 += product(x[3], w[3]);
  }
  return {{s0, s1, s2, s3}};
}

// All four have the same.
inline Sums four_of_one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t input) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; ++pixels, w += d.outputs) {
    const int32_t x = (*pixels)[input];
    s0 += product(x, w[0]);
    s1 += product(x, w[1]);
    s2 += product(x, w[2]);
    s3 += product(x, w[3]);
  }
  return {{s0, s1, s2, s3}};
}

inline uint32_t one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  const uint32_t input = channel / d.multiplier;
  uint32_t sum = 0;
  for (uint32_t tap = 0; tap < d.taps; ++tap) sum += product(pixels[tap][input], d.weights[tap * d.outputs + channel]);
  return sum;
}

inline void finish(const Depthwise& d, const Sums& sums, uint32_t channel, int8_t* to) {
  for (uint32_t i = 0; i < kBlock; ++i) to[channel + i] = d.channels.finish(sums.of[i], channel + i);
}

}  // namespace

void multiply_taps(const Depthwise& d, const int8_t* const* pixels, int8_t* to) {
  uint32_t channel = 0;
  if (d.multiplier == 1) {
    for (; channel + kBlock <= d.outputs; channel += kBlock) finish(d, four_of_four(d, pixels, channel), channel, to);
  } else if (d.multiplier % kBlock == 0) {
    for (; channel < d.outputs; channel += kBlock) {
      finish(d, four_of_one(d, pixels, channel, channel / d.multiplier), channel, to);
    }
  }
  for (; channel < d.outputs; ++channel) to[channel] = d.channels.finish(one(d, pixels, channel), channel);
}

}  // namespace edged::ml::native
