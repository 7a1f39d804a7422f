// For cores with MVE: four channels in a vector of int32.
#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/finish_mve.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kLanes = 4;

// Each channel has its own value of the input.
inline int32x4_t own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, mve_pred16_t valid) {
  int32x4_t sums = vdupq_n_s32(0);
  const int8_t* w = d.weights + channel;
  for (uint32_t tap = 0; tap < d.taps; ++tap, w += d.outputs) {
    const int32x4_t values = vldrbq_z_s32(pixels[tap] + channel, valid);
    sums = vaddq_s32(sums, vmulq_s32(values, vldrbq_z_s32(w, valid)));
  }
  return sums;
}

// All channels have the same: `inputs` is the first of several output channels of one input channel.
inline int32x4_t one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t input, uint32_t channel,
                           mve_pred16_t valid) {
  int32x4_t sums = vdupq_n_s32(0);
  const int8_t* w = d.weights + channel;
  for (uint32_t tap = 0; tap < d.taps; ++tap, w += d.outputs) {
    sums = vmlaq_n_s32(sums, vldrbq_z_s32(w, valid), pixels[tap][input]);
  }
  return sums;
}

uint32_t lanes(uint32_t left) { return left < kLanes ? left : kLanes; }

}  // namespace

void multiply_taps(const Depthwise& of, const int8_t* const* pixels, int8_t* to) {
  const Depthwise d =
      of;  // a copy: what is stored through `to` might change the caller's, as far as the compiler knows
  if (d.multiplier == 1) {
    for (uint32_t channel = 0; channel < d.outputs; channel += kLanes) {
      const uint32_t count = lanes(d.outputs - channel);
      finish_four(d.channels, own_values(d, pixels, channel, vctp32q(count)), channel, count, to);
    }
    return;
  }
  for (uint32_t input = 0; input * d.multiplier < d.outputs; ++input) {
    for (uint32_t i = 0; i < d.multiplier; i += kLanes) {
      const uint32_t channel = input * d.multiplier + i;
      const uint32_t count = lanes(d.multiplier - i);
      finish_four(d.channels, one_value(d, pixels, input, channel, vctp32q(count)), channel, count, to);
    }
  }
}

}  // namespace edged::ml::native
