// Four channels at a time, so that a tap's pointer is fetched once for four multiplications.
#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/finish.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kBlock = 4;

uint32_t product(int32_t a, int32_t b) { return static_cast<uint32_t>(a * b); }

inline void store(uint32_t s0, uint32_t s1, uint32_t s2, uint32_t s3, uint32_t* sums) {
  sums[0] = s0;
  sums[1] = s1;
  sums[2] = s2;
  sums[3] = s3;
}

// Each channel has its own value of the input.
[[gnu::noinline]] void own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t* sums) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  const uint32_t pitch = d.outputs;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += pitch) {
    const int8_t* x = *pixels++ + channel;
    s0 += product(x[0], w[0]);
    s1 += product(x[1], w[1]);
    s2 += product(x[2], w[2]);
    s3 += product(x[3], w[3]);
  }
  store(s0, s1, s2, s3, sums);
}

// All four have the same.
[[gnu::noinline]] void one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, uint32_t input,
                                 uint32_t* sums) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const int8_t* w = d.weights + channel;
  const uint32_t pitch = d.outputs;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += pitch) {
    const int32_t x = (*pixels++)[input];
    s0 += product(x, w[0]);
    s1 += product(x, w[1]);
    s2 += product(x, w[2]);
    s3 += product(x, w[3]);
  }
  store(s0, s1, s2, s3, sums);
}

inline uint32_t one(const Depthwise& d, const int8_t* const* pixels, uint32_t channel) {
  const uint32_t input = channel / d.multiplier;
  uint32_t sum = 0;
  for (uint32_t tap = 0; tap < d.taps; ++tap) sum += product(pixels[tap][input], d.weights[tap * d.outputs + channel]);
  return sum;
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
