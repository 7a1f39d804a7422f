// Channels::finish() for four channels at a time, in MVE.
#pragma once

#include <arm_mve.h>

#include "ml/native/ops/channels.h"

namespace edged::ml::native {

// The first `count` of four channels are stored. VQRDMULH is doubling_high_mul(); VRSHL rounds ties up, so that a value
// below zero is brought down by one first.
inline void finish_four(const Channels& channels, int32x4_t sums, uint32_t channel, uint32_t count, int8_t* to) {
  const mve_pred16_t valid = vctp32q(count);
  int32x4_t value = vaddq_s32(sums, vldrwq_z_s32(channels.bias + channel, valid));
  const int32x4_t shift = vldrbq_z_s32(channels.shifts + channel, valid);
  const int32x4_t zero = vdupq_n_s32(0);
  const int32x4_t right = vminq_s32(shift, zero);
  value = vshlq_s32(value, vmaxq_s32(shift, zero));
  value = vqrdmulhq_s32(value, vldrwq_z_s32(channels.fractions + channel, valid));
  value = vaddq_s32(value, vshrq_n_s32(vandq_s32(value, right), 31));
  value = vaddq_n_s32(vrshlq_s32(value, right), channels.zero_point);
  value = vminq_s32(vmaxq_s32(value, vdupq_n_s32(channels.range.low)), vdupq_n_s32(channels.range.high));
  vstrbq_p_s32(to + channel, value, valid);
}

}  // namespace edged::ml::native
